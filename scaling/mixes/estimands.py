"""What each ratio between mixes averages over, in words."""

from __future__ import annotations

import math

RUNS = "takeoff of a run's score, the average over all of its items; mean ln T over seeds and sizes"
LANGUAGE = "takeoff of a run's score into this language; mean ln T over seeds and sizes"
MODEL = "mean over languages of each language's own ln T, every language alike; only times that are located"
WHY = (
    "They are different quantities, not two estimates of one: the average score of a run gains the rise as soon as its "
    "earliest languages have risen, so the first follows those; the second counts late languages as much as early ones"
)


def both(runs: float | None, model: float | None, first: str, second: str) -> str:
    """Return the sentence that stands beside the ratio of runs and that of the mixed model.

    Parameters
    ----------
    runs, model : float or None
        ln(T second / T first) of runs and by the mixed model; None where there is no estimate.
    first, second : str
        The mixes.
    """
    one, two = ("no estimate" if v is None else f"{math.exp(v):.3f}" for v in (runs, model))
    return f"{second} against {first}: {one} by {RUNS}; {two} by {MODEL}. {WHY}"
