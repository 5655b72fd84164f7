"""The tokens that carry loss: those of a batch, and how many there were so far."""

from __future__ import annotations

import torch
from torch import Tensor

from calque.models.config.training import TrainingConfig
from calque.models.decoder.targets import IGNORED, hapax_targets


class LossTokens:
    """Chooses and counts the tokens that carry loss, over all processes of a run. It does not wait for the device.

    Parameters
    ----------
    config : TrainingConfig
        ``loss`` decides: under ``all`` every token does.
    """

    def __init__(self, config: TrainingConfig) -> None:
        self.config = config
        self._counted: Tensor | int = 0

    def choose(self, batch: Tensor) -> tuple[Tensor | None, Tensor | float]:
        """Return the targets of ``Objective``, None where every token carries loss, and the scale of its results.

        The scale is positions by loss-bearing targets of the whole step, over all micro-batches and processes. So the
        means over positions of equal parts of the step, scaled and averaged over the parts, are the mean over the
        loss-bearing targets of the step: each of them weighs the same, wherever it is computed.

        Parameters
        ----------
        batch : int tensor, shape (rows, context + 1)
            This rank's rows of a step; every process calls this.
        """
        if self.config.loss == "all":
            return None, 1.0
        targets = hapax_targets(batch)
        count = (targets != IGNORED).sum()
        if self.config.devices > 1:
            torch.distributed.all_reduce(count, torch.distributed.ReduceOp.SUM)
        self._counted = self._counted + count
        return targets, self.config.tokens_per_step / count  # the first target of a row never repeats a bigram

    def so_far(self, step: int) -> int:
        """Return the tokens that carried loss in the first ``step`` steps, all of which were taken; it may wait."""
        return step * self.config.tokens_per_step if self.config.loss == "all" else int(self._counted)

    def go_on_from(self, counted: int) -> None:
        """Go on from ``counted`` tokens, of a training state."""
        self._counted = counted
