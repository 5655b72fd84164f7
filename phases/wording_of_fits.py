"""Fits in words: how a model fails, and what a located rise is."""

from __future__ import annotations

from calque.data.quantities import format_count, plural
from calque.phases.diagnosis import Diagnosis
from calque.phases.schedules.words import UNITS


def misfit_words(d: Diagnosis) -> str:
    """Return how the model of a series fails, such as ``the model does not fit (p = 0.005: ...)``.

    Parameters
    ----------
    d : Diagnosis
        Of the series.
    """
    size = f"{abs(d.outlier_size):.1f} standard deviations"
    causes = {
        "autocorrelation is left in the residuals": d.autocorrelation_p,
        "the size of the residuals changes over the run": d.variance_p,
        f"a residual of {size} at {format_count(d.outlier_tokens)} {UNITS[d.axis]}": d.outlier_p,
        f"a few large residuals, the largest of {size} at {format_count(d.outlier_tokens)} {UNITS[d.axis]}": d.tails_p,
        "counts scatter less or more than their trials allow": 1.0 if d.dispersion_p is None else d.dispersion_p,
    }
    return f"the model does not fit (p = {d.p_value:.2g}: {min(causes, key=lambda cause: causes[cause])})"


def rise_words(noun: str, floor: str, height: str, items: float | None, back: str) -> str:
    """Return what a located rise is: its floor, height, number of items, and whether it lasted.

    Parameters
    ----------
    noun : str
        ``rise`` or ``fall``.
    floor, height : str
        Score at the first checkpoint, and the largest distance from it.
    items : float or None
        Items behind each score; None where it is no count.
    back : str
        How far the score came back from its farthest point; empty where it did not.
    """
    of = "" if items is None else f" on {plural(items, 'item')}"
    return f"the {noun} is {height} from {floor}{of} and {f'goes back by {back}' if back else 'lasts'}"
