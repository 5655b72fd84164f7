"""Adaptive checkpoints: taken during training, around the step where the transition is expected."""

from __future__ import annotations

from dataclasses import dataclass

from calque.data.errors import UserError


@dataclass(frozen=True, kw_only=True)
class Adaptive:
    """Checkpoints besides the planned ones; the trial decides where (``calque.sweeps.trial.adaptive``).

    Attributes
    ----------
    budget : int
        Most adaptive checkpoints of a run.
    metric : str
        The metric around whose takeoff they are placed.
    siblings : bool
        Whether smaller runs of the same results root forecast the takeoff; otherwise the run's own curve alone does.
    """

    budget: int
    metric: str = "translation"
    siblings: bool = True

    def __post_init__(self) -> None:
        """Refuse a budget below 1."""
        if self.budget < 1:
            raise UserError(
                f"checkpoints.adaptive.budget is {self.budget}; expected 1 or more: leave 'adaptive' out for none"
            )
