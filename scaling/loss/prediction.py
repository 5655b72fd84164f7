"""Predicting a loss from a fitted law, or the reason why that cannot be done, and the run that would help."""

from __future__ import annotations

from typing import Any

import numpy as np

from calque.data.quantities import format_count, format_number, format_numbers
from calque.scaling.loss.isoflop import optimum
from calque.scaling.loss.next_run import next_run
from calque.scaling.loss.points import Points
from calque.scaling.loss.result import LossFit

FARTHEST = 1000.0
WIDEST = 1.5


def describe(fitted: LossFit, target: Points | None) -> tuple[tuple[str, ...], dict[str, Any] | None]:
    """Return the fit in sentences and, for a target, the prediction as plain values.

    Parameters
    ----------
    fitted : LossFit
        The law.
    target : Points or None
        The one run whose loss is predicted.
    """
    sentences = [f"{fitted.law} law: {fitted.outcome}: {fitted.reason}."]
    prediction: dict[str, Any] | None = None
    if target is None and (fitted.flat or fitted.outcome == "not_converged"):
        best = next_run(fitted, _farthest(fitted.points))
        sentences.append(f"A run of {_run(best.n, best.d)} would sharpen the largest run's prediction most.")
    if fitted.theta.size and target is not None:
        prediction, words = _predict(fitted, target)
        sentences.append(words)
    if fitted.law == "chinchilla" and fitted.outcome == "found":
        flops = float((6 * fitted.points.n * fitted.points.d).max())
        n, d = optimum(fitted.parameters, flops)
        sentences.append(
            f"At the {flops:.2g} FLOPs of the largest run, {_run(float(n), float(d))} would reach the least loss."
        )
    return tuple(sentences), prediction


def _predict(fitted: LossFit, target: Points) -> tuple[dict[str, Any], str]:
    n, d = float(target.n[0]), float(target.d[0])
    reach = n * d / float((fitted.points.n * fitted.points.d).max())
    best = next_run(fitted, target)
    advice = f"a run of {_run(best.n, best.d)} would leave {best.remaining:.0%} of the interval's width"
    row: dict[str, Any] = {"n": n, "d": d, "loss": None, "low": None, "high": None, "extrapolation": reach}
    row["outcome"] = "not_sharply_located"
    refused = f"No point prediction for {_run(n, d)}"
    if reach > FARTHEST:
        why = f"{format_number(reach)} times the largest run's FLOPs is too far to extrapolate"
        return row, f"{refused}: {why}; {advice}."
    if fitted.outcome == "not_converged":
        return row, f"{refused}: the search did not settle; {advice}."
    middle, low, high = (float(v[0]) for v in fitted.predict(target))
    row |= {"low": low, "high": high}
    if high / low > WIDEST:
        also = f"{fitted.reason}, and " if fitted.outcome == "not_sharply_located" else ""
        return row, f"{refused}: {also}the interval spans a factor of {format_number(high / low)}; {advice}."
    row |= {"loss": middle, "outcome": "found"}
    middle_text, low_text, high_text = format_numbers(middle, low, high, digits=4)
    return row, (
        f"A run of {_run(n, d)} would reach a loss of {middle_text} ({fitted.level:.0%} interval {low_text} to "
        f"{high_text}, if the law is true), with {format_number(reach)} times the FLOPs of the largest; {advice}."
    )


def _run(n: float, d: float) -> str:
    return f"{format_count(n)} parameters on {format_count(d)} tokens"


def _farthest(points: Points) -> Points:
    return points.take(np.array([int(np.argmax(points.n * points.d))]))
