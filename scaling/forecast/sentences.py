"""A forecast in sentences: what was found, what was not and why, and which runs would help."""

from __future__ import annotations

import math
from collections.abc import Sequence

from calque.data.quantities import format_count, format_counts, format_interval, format_number, plural
from calque.scaling.forecast.result import ForecastRow
from calque.scaling.laws.fit import caveats
from calque.scaling.laws.registry import LAWS
from calque.scaling.observations import Observation, sizes


def sentences(
    rows: Sequence[ForecastRow], observations: Sequence[Observation], size: str, n: float, metric: str
) -> tuple[str, ...]:
    """Return the forecast in words: the averaged one first, then each law, then caveats.

    Parameters
    ----------
    rows : sequence of ForecastRow
        One for each law.
    observations : sequence of Observation
        One for each run.
    size : str
        As it was given.
    n : float
        Its non-embedding parameters.
    metric : str
        Whose takeoff.
    """
    target = f"{size} ({format_count(n)} non-embedding parameters)"
    located = sizes(observations)
    if all(row.outcome in ("too_few_points", "censored") for row in rows):
        return (_too_few(observations, located, n, target, metric),)
    if len({row.reason for row in rows}) == 1 and rows[0].outcome != "found":
        return (f"No forecast for {target} by any law: {rows[0].reason}.",)
    result = []
    for row in sorted(rows, key=lambda row: row.law != "average"):
        law = "average of the laws" if row.law == "average" else f"{row.law} law"
        if row.law == "average" and row.outcome == "too_few_points":
            continue
        if row.outcome == "found":
            assert row.tokens and row.low and row.high and row.extrapolation
            tokens, low, high = format_counts(row.tokens, row.low, row.high)
            result.append(
                f"By the {law}, {metric} of a {target} run takes off at {tokens} tokens "
                f"({row.level:.0%} interval {low} to {high}), "
                f"{reach(n, located)}"
                + (
                    ""
                    if row.discrepancy_sd is not None
                    else "; no size could be left out, so the interval trusts the law"
                )
                + "."
            )
        elif row.outcome == "too_few_points":
            result.append(f"No forecast by the {law}: {row.reason}.")
        else:
            spread = f" (interval {format_interval(row.low, row.high)} tokens)" if row.low and row.high else ""
            result.append(f"No point forecast for {target} by the {law}: {row.reason}{spread}.")
    tried = [row for row in rows if row.rollout_rms is not None]
    if len(tried) == len(rows) > 1:
        best = min((row for row in tried if row.law in LAWS), key=lambda row: row.rollout_rms or 0.0)
        others = ", ".join(f"{row.law} {math.expm1(row.rollout_rms or 0.0):.0%}" for row in tried)
        result.append(f"Forecasting sizes left out, the {best.law} law missed least (typical miss: {others}).")
    weighed = next((row for row in rows if row.floor_weight is not None and row.outcome == "found"), None)
    if weighed is not None and weighed.floor_weight is not None:
        result.append(
            f"The average gives a floor {weighed.floor_weight:.0%} and was calibrated under either law; each law's own "
            "interval holds only if that law does."
        )
    own = [row.tokens for row in rows if row.law != "average" and row.outcome == "found" and row.tokens]
    if weighed is not None and weighed.tokens and own and not min(own) <= weighed.tokens <= max(own):
        result.append(
            "The average lies outside the laws' own estimates: it is a fit of its own over both laws, with a prior on "
            "slope and floor, and no mean of the two."
        )
    if weighed is None and any(row.outcome == "found" for row in rows):
        result.append(
            "Only one law could be fitted: where the other is true its interval is far too narrow (docs/SCALING.md); "
            "four sizes would let both be weighed."
        )
    if distance(n, located) > 10:
        result.append(
            f"The target lies {times(distance(n, located))} beyond the sizes measured: nothing in the data shows that "
            "a law holds so far."
        )
    waiting = sum(o.kind == "right" for o in observations)
    if waiting:
        result.append(f"{plural(waiting, 'run')} had not taken off by the end and count as later than that.")
    if told := caveats(observations).removeprefix("; "):
        result.append(f"{told[:1].upper()}{told[1:]}.")
    if any(row.outcome == "found" for row in rows):
        result.append(
            "The interval is for a run that shares what these runs share (seed, order of data, words asked): what they "
            "have in common does not show between them."
        )
    return tuple(result)


def _too_few(observations: Sequence[Observation], located: list[float], n: float, target: str, metric: str) -> str:
    least = min(law.sizes for law in LAWS.values())
    needs = " and ".join(f"{law.sizes} for the {law.name} law" for law in LAWS.values())
    if not observations:
        have = "the cube holds no run with a takeoff"
    elif located:
        have = (
            f"the cube holds {plural(len(located), 'distinct size')} with a located "
            f"takeoff of {metric} "
            f"({', '.join(format_count(value) for value in located)})"
        )
    else:
        have = f"no run of the cube has a located takeoff of {metric}"
    waiting = sizes(observations, ("right",))
    late = [value for value in waiting if not any(abs(value / other - 1) < 0.02 for other in located)]
    longer = helps = ""
    if late:
        longer = f"; longer runs of {', '.join(map(format_count, late))}, which had not taken off, would help"
    if more := _helpful(located or late, n, least - len(located) - len(late)):
        helps = f"; runs near {' and '.join(map(format_count, more))} non-embedding parameters would help most"
    return f"No forecast for {target}: {have}, and a law needs {needs}{longer}{helps}."


def _helpful(have: Sequence[float], n: float, count: int) -> list[float]:
    """Sizes a third of the target and downwards by threes, none within a factor of 2 of one that is there."""
    candidates = [n / 3.0**k for k in range(1, 12)]
    fresh = [c for c in candidates if all(abs(math.log(c / h)) > math.log(2) for h in have)]
    return sorted(fresh[: max(count, 0)])


def reach(n: float, located: Sequence[float]) -> str:
    """Return how far a target of ``n`` parameters lies from the sizes whose takeoffs are located.

    Parameters
    ----------
    n : float
        Non-embedding parameters of the target.
    located : sequence of float
        Sizes with a located takeoff, ascending.
    """
    if n > located[-1]:
        return f"extrapolating to {times(n / located[-1])} the largest size"
    if n < located[0]:
        return f"extrapolating to {times(located[0] / n)} below the smallest size"
    return "within the sizes run"


def distance(n: float, located: Sequence[float]) -> float:
    """Return by what factor a target of ``n`` parameters lies beyond the located sizes, on either side; 1 within.

    Parameters
    ----------
    n : float
        Non-embedding parameters of the target.
    located : sequence of float
        Sizes with a located takeoff, ascending.
    """
    return max(n / located[-1], located[0] / n, 1.0)


def times(factor: float) -> str:
    """Return a factor in words.

    Parameters
    ----------
    factor : float
        A ratio above 0.
    """
    return f"{format_number(factor)} times"
