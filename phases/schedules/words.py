"""The words of positions and of changes of the schedule."""

from __future__ import annotations

from calque.data.quantities import format_count

UNITS = {"tokens": "tokens", "steps": "steps", "cumulative_lr": "steps at the peak learning rate"}
"""What positions on an axis count."""
ONE = {"tokens": "token", "steps": "step", "cumulative_lr": "step at the peak learning rate"}
AT_CHANGE = "at a change of the schedule"
"""The mark of a finding that begins where learning rate or batch change."""


def growth_legend(axis: str) -> str:
    """Return what the column of elasticity bounds says.

    Parameters
    ----------
    axis : str
        What growth is asked about.
    """
    return (
        f"growth: at its steepest, the score grows at least as this power of the {UNITS[axis]} T (the largest of 1, 2, "
        "3 shown)"
    )


def change_words(change: tuple[float, str], axis: str, shown: bool = True) -> str:
    """Return the sentence part about a change of the schedule that a finding begins at.

    Parameters
    ----------
    change : tuple of (float, str)
        Where it is on the axis, and what changes.
    axis : str
        What the position counts.
    shown : bool
        Whether the finding is placed at the change; if not, the checkpoints before it do not show the finding.
    """
    at = f"{change[1]} ({format_count(change[0])} {UNITS[axis]})"
    return f"begins where {at}" if shown else f"not shown by the checkpoints before {at}"
