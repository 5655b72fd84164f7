"""``sweeps plan --pilot``: signal to noise of metrics, and the cheapest parts of scoring that tell runs apart."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import calque
from calque.data.errors import UserError
from calque.phases.series.trajectory import Trajectory
from calque.phases.stats.signal import signal_to_noise
from tests.readme import ROOT
from tests.test_sweeps_probe import sweeps

TOKENS = np.linspace(1e6, 4e7, 40)
QUICK = ROOT / "sweeps/quick.yaml"


def trajectories(ends: np.ndarray, noise: np.ndarray, slope: float = 0.0) -> list[Trajectory]:
    """A continuous metric in as many runs: ``ends`` (runs,), and what each checkpoint adds (runs, 40)."""
    rows = ends[:, None] + noise + slope * (TOKENS - TOKENS[-8:].mean())
    return [Trajectory.of_values(f"r{i}", "m", TOKENS, row, falls=False) for i, row in enumerate(rows)]


def test_signal_and_noise_are_those_of_the_last_fifth() -> None:
    rng = np.random.default_rng(0)
    ends, noise = (
        np.array([0.0, 1.0, 2.0, 5.0]),
        rng.standard_normal((4, 40)) * np.r_[np.full(32, 9.0), np.full(8, 0.1)],
    )
    found = signal_to_noise(trajectories(ends, noise, slope=1e-7))
    assert found is not None and found.runs == 4 and found.names == ("r0", "r1", "r2", "r3")
    last = noise[:, -8:]
    assert found.signal == pytest.approx((ends + last.mean(1)).std(ddof=1))
    x = np.column_stack([np.ones(8), np.arange(8.0)])
    left = last.T - x @ np.linalg.lstsq(x, last.T, rcond=None)[0]
    assert found.noise == pytest.approx(np.sqrt((left**2).sum() / (4 * 6)))
    assert found.low < found.ratio == found.signal / found.noise < found.high


def test_few_runs_or_checkpoints_have_no_signal() -> None:
    two = trajectories(np.zeros(2), np.zeros((2, 40)))
    assert signal_to_noise(two) is None
    assert signal_to_noise([t.until(14) for t in trajectories(np.arange(3.0), np.zeros((3, 40)))]) is None


def test_without_noise_the_ratio_is_open_and_without_either_zero() -> None:
    same, apart = (signal_to_noise(trajectories(ends, np.zeros((3, 40)))) for ends in (np.zeros(3), np.arange(3.0)))
    assert same is not None and (same.ratio, same.low) == (0.0, 0.0)
    assert apart is not None and apart.ratio > 1e10


@pytest.mark.simulation
@pytest.mark.parametrize("rho", [0.0, 0.6])
def test_the_interval_covers_the_true_ratio(rho: float) -> None:
    """400 studies of 5 runs; the true noise of the line's residuals is the average over many."""
    rng = np.random.default_rng(3)
    shocks = rng.standard_normal((400, 5, 48))
    noise = np.empty_like(shocks)
    noise[..., 0] = shocks[..., 0]
    for i in range(1, 48):
        noise[..., i] = rho * noise[..., i - 1] + np.sqrt(1 - rho**2) * shocks[..., i]
    found = [signal_to_noise(trajectories(2 * rng.standard_normal(5), of[:, 8:])) for of in noise]
    assert all(s is not None for s in found)
    true = np.sqrt(4 + np.mean([of[:, -8:].mean(1) ** 2 for of in noise])) / np.sqrt(
        np.mean([s.noise**2 for s in found])
    )
    covered = np.mean([s.low <= true <= s.high for s in found])
    assert 0.92 <= covered <= 0.985


def pilot(loss_like: bool = True) -> xr.Dataset:
    """Six runs in which copying and loss put the runs in one order, and minimal pairs wander at .5."""
    rng = np.random.default_rng(1)
    quality, shape = np.linspace(0, 1, 6), (6, 40, 2, 2, 50)
    share = (0.2 + 0.5 * quality)[:, None] + 0.003 * rng.standard_normal((6, 40))
    outcome = (np.linspace(0, 1, 50) < share[..., None, None, None]) & np.ones(shape, bool)
    dims = ("run", "checkpoint", "source", "target", "concept")
    loss = 3 - (quality if loss_like else rng.permutation(6))[:, None, None] + 0.01 * rng.standard_normal((6, 40, 2))
    pairs = rng.binomial(100, 0.5, (6, 40, 2, 1))
    return xr.Dataset(
        {
            "tokens": (dims[:2], np.tile(TOKENS, (6, 1))),
            "translation_outcome": (dims, outcome.astype(np.int8)),
            "overlap": (dims[2:], np.full((2, 2, 50), 2, np.int8)),
            "loss": (("run", "checkpoint", "language"), loss),
            "minimal_pair_correct": (("run", "checkpoint", "language", "phenomenon"), pairs),
            "minimal_pair_total": (("run", "checkpoint", "language", "phenomenon"), np.full_like(pairs, 100)),
        },
        coords={"run": [f"r{i}" for i in range(6)], "source": ["en", "de"], "target": ["en", "de"],
                "concept": [f"c{i}" for i in range(50)], "language": ["en", "de"], "phenomenon": ["agreement"]},
        attrs={"calque_schema": 1},
    )  # fmt: skip


def test_a_part_of_which_a_cheaper_one_knows_the_order_is_left_out() -> None:
    found = calque.plan(QUICK, pilot=pilot()).estimate["pilot"]
    told = {row["metric"]: row["tells_apart"] for row in found["metrics"]}
    assert told == {"copying": True, "loss": True, "minimal_pair_correct": False}
    parts = {p["part"]: p for p in found["parts"]}
    assert parts["answers"]["tokens"] == 19 * 200 and parts["minimal pairs"]["tokens"] == 19 * 400
    assert [name for name, p in parts.items() if p["needed"]] == ["answers"], "held-out text reads more"
    assert parts["answers"]["stands_for"] == ["loss"]
    apart = calque.plan(QUICK, pilot=pilot(loss_like=False)).estimate["pilot"]
    assert [p["part"] for p in apart["parts"] if p["needed"]] == ["answers", "held-out text"]


def test_the_command_prints_table_and_parts(tmp_path: Path) -> None:
    calque.write(pilot(), tmp_path / "pilot.nc")
    done = sweeps("plan", QUICK, "--pilot", tmp_path / "pilot.nc")
    text = " ".join(done.stdout.split())
    assert done.exit_code == 0 and "signal to noise of the metrics in" in text and "not shown" in text
    assert (
        "cheapest parts of scoring that tell these runs apart: answers" in text
        and "loss would put the runs in the same order" in text
    )
    saved = sweeps("plan", QUICK, "--pilot", tmp_path / "pilot.nc", "--json", "-")
    assert json.loads(saved.stdout)["pilot"]["parts"]


def test_a_pilot_of_two_runs_is_refused() -> None:
    with pytest.raises(UserError, match="no metric of Calque in 3 runs with 4 checkpoints in their last fifth"):
        calque.plan(QUICK, pilot=pilot().isel(run=[0, 1]))
