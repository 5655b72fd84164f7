"""Simulated ladders: how often the forecast's interval holds the run that was not yet there.

The long form prints the table of docs/SCALING.md::

    pytest -s -m slow tests/test_scaling_coverage.py
"""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from scaling.forecast import ForecastRow, forecast
from scaling.observations import Observation

TARGET = 1.13e9
LADDER = TARGET / 3.0 ** np.arange(5, 0, -1)


@dataclass(frozen=True)
class Truth:
    t0: float
    c: float
    gamma: float

    def __call__(self, n: float) -> float:
        return self.t0 + self.c * n**-self.gamma


FLOOR = Truth(4e9, 5.8e14, 0.6)
POWER = Truth(0.0, 4e12, 0.3)


def ladder(truth: Truth, seeds: int, seed_sd: float, se: float, rng: np.random.Generator) -> list[Observation]:
    found = []
    for n in LADDER:
        for s in range(seeds):
            tokens = truth(n) * float(np.exp(np.hypot(seed_sd, se) * rng.normal()))
            half = float(np.exp(1.96 * se))
            found.append(
                Observation(
                    run=f"{n:.0f}-{s}",
                    size=f"{n:.0f}",
                    n=float(n),
                    kind="located",
                    tokens=tokens,
                    low=tokens / half,
                    high=tokens * half,
                )
            )
    return found


def study(truth: Truth, seeds: int, seed_sd: float, se: float, studies: int) -> dict[str, dict[str, float]]:
    """Coverage of the 90 % interval, RMS log error, share refused, width: each law, the chosen one, their span."""
    tally: dict[str, list[tuple[bool, float, bool, float]]] = {"power": [], "floor": [], "chosen": [], "span": []}
    for child in np.random.SeedSequence(7).spawn(studies):
        rng = np.random.default_rng(child)
        rows = forecast(ladder(truth, seeds, seed_sd, se, rng), str(TARGET), draws=600).rows
        new = truth(TARGET) * float(np.exp(seed_sd * rng.normal()))
        best = min(rows, key=lambda row: row.rollout_rms if row.rollout_rms is not None else np.inf)
        span = replace(rows[0], tokens=None, low=min(r.low or 0 for r in rows), high=max(r.high or 0 for r in rows))
        tally["span"].append(score(span, new, truth(TARGET)))
        for name, row in [*((row.law, row) for row in rows), ("chosen", best)]:
            tally[name].append(score(row, new, truth(TARGET)))
    result = {}
    for name, cells in tally.items():
        covered, error, refused, width = (np.array(part, float) for part in zip(*cells, strict=True))
        result[name] = {
            "coverage": float(covered.mean()),
            "rms": float(np.sqrt(np.nanmean(error**2))) if (refused == 0).any() else float("nan"),
            "refused": float(refused.mean()),
            "width": float(np.median(width)),
        }
    return result


def score(row: ForecastRow, new: float, expected: float) -> tuple[bool, float, bool, float]:
    assert row.low is not None and row.high is not None
    error = float("nan") if row.tokens is None else float(np.log(row.tokens / expected))
    return row.low <= new <= row.high, error, row.tokens is None, float(np.log(row.high / row.low))


@pytest.mark.simulation
@pytest.mark.parametrize(("truth", "law"), [(FLOOR, "floor"), (POWER, "power")])
def test_intervals_cover_a_new_run(truth: Truth, law: str) -> None:
    found = study(truth, seeds=1, seed_sd=0.06, se=0.05, studies=12)[law]
    assert found["coverage"] >= 0.75  # 9 of 12: below this with probability .026 at a true .90
    assert found["width"] < 1.2
    assert found["rms"] < 0.3


@pytest.mark.slow
@pytest.mark.simulation
@pytest.mark.parametrize("seeds", [1, 3])
@pytest.mark.parametrize("seed_sd", [0.04, 0.08])
@pytest.mark.parametrize(("truth", "law"), [(FLOOR, "floor"), (POWER, "power")])
def test_coverage_long(truth: Truth, law: str, seed_sd: float, seeds: int) -> None:
    found = study(truth, seeds=seeds, seed_sd=seed_sd, se=0.05, studies=120)
    for name, row in found.items():
        print(
            f"\n{law} truth, {seeds} seeds, sd {seed_sd}, {name}: " + "  ".join(f"{k} {v:.3f}" for k, v in row.items())
        )
    assert 0.82 <= found[law]["coverage"] <= 0.98
