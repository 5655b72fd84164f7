"""What ``scaling loss`` says of a fit: parameters, a prediction or why there is none, and what would help."""

from __future__ import annotations

from typing import Any

import numpy as np
from rich.table import Table

from calque.data.command_line.command import console
from calque.data.quantities import format_count
from calque.scaling.loss.fit import LossFit
from calque.scaling.loss.isoflop import optimum
from calque.scaling.loss.points import Points
from calque.scaling.loss.sharpen import sharpen

FARTHEST = 1000.0
WIDEST = 1.5


def answer(fitted: LossFit, target: Points | None) -> dict[str, Any]:
    """Return sentences and, for a target, its prediction as JSON-ready values."""
    said = [f"{fitted.law} law: {fitted.outcome}: {fitted.reason}."]
    prediction: dict[str, Any] | None = None
    if fitted.parameters and target is None and fitted.flat:
        told = sharpen(fitted, _farthest(fitted.points))
        said.append(f"A run of {_run(told.n, told.d)} would sharpen the largest run's prediction most.")
    if fitted.parameters and target is not None:
        prediction, sentences = _predict(fitted, target)
        said += sentences
    if fitted.law == "chinchilla" and fitted.outcome == "found":
        flops = float((6 * fitted.points.n * fitted.points.d).max())
        n, d = optimum(fitted.parameters, flops)
        said.append(
            f"With the {flops:.2g} FLOPs of the largest run ({_run(float(n), float(d))}) would reach the least loss."
        )
    return {"sentences": said, "prediction": prediction}


def _predict(fitted: LossFit, target: Points) -> tuple[dict[str, Any], list[str]]:
    middle, low, high = (float(v[0]) for v in fitted.predict(target))
    n, d = float(target.n[0]), float(target.d[0])
    reach = n * d / float((fitted.points.n * fitted.points.d).max())
    told = sharpen(fitted, target)
    help_ = f"a run of {_run(told.n, told.d)} would leave {told.left:.0%} of its width"
    row: dict[str, Any] = {"n": n, "d": d, "loss": middle, "low": low, "high": high, "extrapolation": reach}
    row["outcome"] = "found"
    if fitted.outcome == "not_converged" or reach > FARTHEST or high / low > WIDEST or fitted.flat:
        row |= {"outcome": "not_sharply_located", "loss": None}
        why = fitted.reason
        if reach > FARTHEST:
            why = f"{reach:,.0f} times the largest run's FLOPs is too far to extrapolate"
            row |= {"low": None, "high": None}
        elif fitted.outcome != "not_converged" and not fitted.flat:
            why = f"the interval spans a factor of {high / low:.2g}"
        return row, [f"No point prediction for {_run(n, d)}: {why}; {help_}."]
    return row, [
        f"A run of {_run(n, d)} would reach a loss of {middle:.4g} ({fitted.level:.0%} interval {low:.4g} to "
        f"{high:.4g}, if the law is true), with {reach:.2g} times the FLOPs of the largest; {help_}."
    ]


def print_loss(fitted: LossFit, told: dict[str, Any]) -> None:
    """Print parameters with both intervals, and the sentences."""
    out = console()
    if fitted.parameters:
        table = Table(fitted.formula, "estimate", f"{fitted.level:.0%} low", "high", "profile low", "high")
        for profile, (name, value) in zip(fitted.profiles, fitted.parameters.items(), strict=True):
            low, high = fitted.intervals[name]
            ends = ("open" if v is None else f"{v:.4g}" for v in (profile.low, profile.high))
            table.add_row(name, *(f"{v:.5g}" for v in (value, low, high)), *ends)
        table.add_row(f"{fitted.objective.kind} objective", f"{fitted.value:.8g}")
        out.print(table)
    for sentence in told["sentences"]:
        out.print(sentence, soft_wrap=True)


def _run(n: float, d: float) -> str:
    return f"{format_count(n)} parameters on {format_count(d)} tokens"


def _farthest(points: Points) -> Points:
    return points.take(np.array([int(np.argmax(points.n * points.d))]))
