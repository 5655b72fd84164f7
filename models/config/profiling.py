"""Which training steps are profiled."""

from __future__ import annotations

from dataclasses import dataclass

from calque.data.errors import UserError


@dataclass(frozen=True, kw_only=True)
class ProfileConfig:
    """A profile of a few training steps, once for a run: a trace, and on a GPU a memory snapshot, in its folder.

    Attributes
    ----------
    steps : int
        How many steps are profiled.
    after : int
        Steps that this process takes before: compiling, and the growth of the memory, are over by then.
    """

    steps: int
    after: int = 10

    def __post_init__(self) -> None:
        """Refuse impossible values."""
        if self.steps < 1:
            raise UserError(f"training.profile.steps is {self.steps}; expected 1 or more")
        if self.after < 0:
            raise UserError(f"training.profile.after is {self.after}; expected 0 or more")
