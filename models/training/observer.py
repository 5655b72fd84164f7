"""What observes the steps of training and changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

from torch import Tensor

if TYPE_CHECKING:
    from calque.models.training.train_step import TrainStep


class StepObserver(Protocol):
    """Sees every step that is taken, not those that are skipped; its tensors are part of the training state."""

    def begin(self, training: TrainStep) -> None:
        """Observe this ``training``: called once, before its first step."""
        ...

    def before_update(
        self, step: int, batch: Tensor, targets: Tensor | None, scale: Tensor | float, factor: Tensor | float
    ) -> None:
        """See a step before its update.

        Parameters
        ----------
        step : int
            From 0.
        batch : int tensor, shape (rows, context + 1)
        targets, scale : Tensor, float
            From :meth:`~calque.models.training.loss_tokens.LossTokens.choose`.
        factor : Tensor or float
            By which the gradient of the batch was clipped.
        """
        ...

    def after_update(self, step: int) -> None:
        """See ``step`` after its update."""
        ...

    def at_checkpoint(self) -> None:
        """Finish what is observed up to a checkpoint, before it is scored."""
        ...

    def state(self) -> dict[str, Tensor]:
        """Return the tensors that going on needs, not copied."""
        ...

    def go_on_from(self, state: Mapping[str, Tensor]) -> None:
        """Go on from the ``state`` of a training state; it may be empty."""
        ...
