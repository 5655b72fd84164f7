"""Further checkpoints, taken while a run is trained where its transition is expected."""

from __future__ import annotations

from dataclasses import dataclass

from calque.data.errors import UserError


@dataclass(frozen=True, kw_only=True)
class Adaptive:
    """Further checkpoints besides the planned ones; who trains decides where (``calque.sweeps.trial.adaptive``).

    Attributes
    ----------
    budget : int
        Further checkpoints in all, at most.
    metric : str
        Whose takeoff they gather around.
    siblings : bool
        Whether smaller runs of the same results root forecast the takeoff; without them the run's own curve does.
    """

    budget: int
    metric: str = "translation"
    siblings: bool = True

    def __post_init__(self) -> None:
        """Refuse a budget that holds nothing."""
        if self.budget < 1:
            raise UserError(
                f"checkpoints.adaptive.budget is {self.budget}; expected 1 or more: leave 'adaptive' out for none"
            )
