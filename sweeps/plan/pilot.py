"""What an earlier study says of metrics for the next one: signal to noise, and the cheapest parts of scoring.

A part of scoring is what is asked together and can be left out together. A part is needed where one of its metrics
tells the pilot's runs apart (lower limit of signal to noise above 1) and no metric of a part that is kept puts the runs
in the same order. That is about telling runs apart at their end alone: a metric whose takeoff is asked for is needed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain, combinations
from typing import Any

import numpy as np
import xarray as xr
from scipy.stats import spearmanr

from calque.data.errors import UserError
from calque.data.metrics import METRICS, STANDARD
from calque.phases.series.metrics import trajectories
from calque.phases.series.trajectory import Trajectory
from calque.phases.stats.signal import FEWEST_RUNS, SignalToNoise, signal_to_noise
from calque.sweeps.plan.scoring import TOKENS_A_QUESTION
from calque.sweeps.study.run_config import RunConfig

PARTS = {
    "translation_outcome": "answers", "translation_logprob": "log-probabilities", "copy_logprob": "log-probabilities",
    "nonce_copied": "invented words", "minimal_pair_correct": "minimal pairs", "loss": "held-out text",
    "bits_per_byte": "held-out text", "loss_new_bigram": "held-out text", "loss_repeated_bigram": "held-out text",
}  # fmt: skip
"""Part of scoring that fills each variable."""
ALIKE, FEWEST_ALIKE = 0.9, 5
"""Rank correlation of two metrics over at least five runs from which one stands for the other."""


def of_pilot(cube: xr.Dataset, run: RunConfig, where: str) -> dict[str, Any]:
    """Return what a pilot says of the metrics, as JSON-ready values.

    Parameters
    ----------
    cube : xarray.Dataset
        A validated cube of at least three runs.
    run : RunConfig
        A run of the study that is planned; its held-out text is what the loss costs.
    where : str
        Name of the cube, for errors.

    Returns
    -------
    dict
        ``metrics`` (a row each), ``parts`` (with the tokens that each reads at a checkpoint, and whether it is needed).

    Raises
    ------
    UserError
        When no metric has three runs with enough checkpoints.
    """
    series = _series(cube)
    found = [s for m in METRICS if (s := signal_to_noise([t for t in series if t.metric == m])) is not None]
    if not found:
        raise UserError(
            f"{where} has no metric of Calque in {FEWEST_RUNS} runs with 4 checkpoints in their last fifth; expected "
            "the cube of a study with several seeds, sizes or mixes"
        )
    costs = _tokens(cube, run)
    telling = [s for s in found if s.low > 1]
    kept = _cheapest(telling, costs)
    return {
        "file": where,
        "metrics": [
            {"metric": s.metric, "part": _part(s.metric), "runs": s.runs, "signal": s.signal, "noise": s.noise,
             "ratio": _finite(s.ratio), "low": _finite(s.low), "high": _finite(s.high), "tells_apart": s.low > 1}
            for s in found
        ],
        "parts": [
            {"part": part, "tokens": tokens, "needed": part in kept, "stands_for": _stands_for(part, kept, telling)}
            for part, tokens in costs.items()
        ],
    }  # fmt: skip


def _series(cube: xr.Dataset) -> list[Trajectory]:
    """Return the metrics of Calque that have values, in every run: the standard ones and those stored as they are."""
    standard = any(name in cube for metric in STANDARD for name in METRICS[metric].variables)
    stored = [
        name for name, metric in METRICS.items()
        if name not in STANDARD and all(v in cube and bool(cube[v].notnull().any()) for v in metric.variables)
    ]  # fmt: skip
    return (trajectories(cube) if standard else []) + (trajectories(cube, stored) if stored else [])


def _part(metric: str) -> str:
    return PARTS[METRICS[metric].variables[0]]


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None


def _tokens(cube: xr.Dataset, run: RunConfig) -> dict[str, float]:
    """Return about how many tokens each part reads at a checkpoint that asks it."""

    def there(name: str) -> float:
        """Return the most values of items that a variable holds at one checkpoint."""
        return float(cube[name].notnull().sum(("source", "target", "concept")).max()) if name in cube else 0.0

    counted = {
        "answers": lambda: float((cube["translation_outcome"] >= 0).sum(("source", "target", "concept")).max()),
        "log-probabilities": lambda: there("translation_logprob") + there("copy_logprob"),
        "invented words": lambda: float(cube["nonce_total"].fillna(0).sum("language").max()),
        "minimal pairs": lambda: 2 * float(cube["minimal_pair_total"].fillna(0).sum(("language", "phenomenon")).max()),
    }
    out = {}
    for variable, part in PARTS.items():
        if variable in cube and part in counted:
            out[part] = TOKENS_A_QUESTION * counted[part]()
        elif variable in cube:
            out[part] = float(run.evaluation.heldout_tokens * len(run.languages()))
    return out


def _cheapest(telling: Sequence[SignalToNoise], costs: Mapping[str, float]) -> tuple[str, ...]:
    """Return the parts of least cost that tell the runs apart as well as all parts do."""
    sets = chain.from_iterable(combinations(costs, n) for n in range(len(costs) + 1))
    enough = [kept for kept in sets if all(_represented(s, kept, telling) for s in telling)]
    return min(enough, key=lambda kept: (sum(costs[part] for part in kept), len(kept)))


def _represented(s: SignalToNoise, kept: Sequence[str], telling: Sequence[SignalToNoise]) -> bool:
    return _part(s.metric) in kept or any(_part(o.metric) in kept and _alike(s, o) for o in telling)


def _alike(one: SignalToNoise, other: SignalToNoise) -> bool:
    """Whether two metrics put the runs in the same order, or in the opposite one as a loss does."""
    both = [name for name in one.names if name in other.names]
    if len(both) < FEWEST_ALIKE:
        return False
    a, b = ([s.ends[s.names.index(name)] for name in both] for s in (one, other))
    return bool(abs(spearmanr(a, b).statistic) >= ALIKE)


def _stands_for(part: str, kept: Sequence[str], telling: Sequence[SignalToNoise]) -> list[str]:
    """Return the metrics of parts that are left out which a part that is kept stands for."""
    mine = [s for s in telling if _part(s.metric) == part]
    if part not in kept:
        return []
    return [s.metric for s in telling if _part(s.metric) not in kept and any(_alike(s, o) for o in mine)]
