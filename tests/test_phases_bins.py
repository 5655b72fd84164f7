"""Logs of thousands of checkpoints: neighbours are averaged, the noise stays right, and the answer the same."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import calque
from calque.phases.detection.analyse import analyse
from calque.phases.noise.variants import VARIANTS, amplitudes
from calque.phases.series import bins as module
from calque.phases.series.bins import MOST, binned, bins
from calque.phases.series.trajectory import Trajectory
from tests import phases_simulation as sim


def tokens(n):
    return np.arange(1, n + 1) * sim.END / n


@pytest.mark.parametrize("n", [MOST + 1, 1601, 3200, 10_000, 12_345])
def test_bins_hold_every_checkpoint_once_and_are_small_at_the_beginning(n):
    starts = bins(np.arange(n))
    assert starts is not None and starts[0] == 0 and len(starts) <= 1.1 * MOST
    sizes = np.diff(np.append(starts, n))
    most = -(-n // MOST)
    assert sizes.sum() == n and sizes.min() >= 1 and sizes.max() == most
    assert (sizes[:-1] <= np.maximum(1, starts[:-1] / 8)).all()
    assert (sizes[starts >= 8 * most][:-1] == most).all()


def test_short_runs_are_left_as_they_are():
    assert bins(np.arange(MOST)) is None


def test_counts_and_trials_are_added():
    rng = np.random.default_rng(0)
    n = 2000
    trials = rng.integers(50, 200, n)
    k = rng.binomial(trials, 0.3)
    t = Trajectory.of_counts("r", "m", tokens(n), np.where(np.arange(n) == 7, np.nan, k), trials)
    few = binned(t, bins(np.arange(n)))
    assert few.trials.sum() == trials.sum() - trials[7]
    np.testing.assert_allclose((few.y * few.trials).sum(), k.sum() - k[7])
    assert (np.diff(few.tokens) > 0).all()
    last = bins(np.arange(n))[-1]
    np.testing.assert_allclose(few.tokens[-1], tokens(n)[last:].mean())
    assert few.evenly_spaced == t.evenly_spaced


def test_the_white_noise_of_means_is_as_small_as_the_model_says():
    rng = np.random.default_rng(1)
    n = 8000
    starts = bins(np.arange(n))
    y = rng.standard_normal((300, n))
    few = [binned(Trajectory.of_values("r", "m", tokens(n), one, falls=False), starts) for one in y]
    variance = np.var([t.y for t in few], axis=0)
    white, shift = amplitudes(few[0], few[0].y, VARIANTS[0])
    assert few[0].values.min() < 0.2 and np.median(few[0].values) == 1
    np.testing.assert_allclose((variance / white).mean(), 0.1, rtol=0.02)
    small = few[0].values < 0.5
    np.testing.assert_allclose((variance / white)[small].mean(), 0.1, rtol=0.05)
    assert (shift == 1).all()


def test_metrics_of_a_run_share_their_bins():
    n = 1700
    known = np.arange(n) % 3 != 1
    one = Trajectory.of_values("r", "a", tokens(n), np.arange(n) * 1.0)
    two = Trajectory.of_values("r", "b", tokens(n), np.where(known, np.arange(n), np.nan))
    starts = bins(np.arange(n))
    a, b = (binned(t, starts) for t in (one, two))
    of = dict(zip(a.index, a.tokens, strict=True))
    assert set(b.index) <= set(a.index)
    width = np.diff(np.append(starts, n)).max() * sim.END / n
    assert all(abs(of[i] - at) < width for i, at in zip(b.index, b.tokens, strict=True))


@pytest.mark.parametrize("kind", ["counts", "values"])
def test_the_answer_is_that_of_all_checkpoints(kind, monkeypatch):
    monkeypatch.setattr(module, "MOST", 60)
    n = 180
    curve = sim.onset(1.5e6, 0.2)(tokens(n))
    rng = np.random.default_rng(2)
    if kind == "counts":
        t = Trajectory.of_counts("r", "m", tokens(n), sim.counts(rng, curve, 125), 125)
    else:
        t = Trajectory.of_values("r", "m", tokens(n), curve + 0.05 * rng.standard_normal(n))
    whole = analyse(t, boot=59)
    part = analyse(binned(t, bins(np.arange(n))), boot=59)
    assert part.trajectory.n < 80
    one, two = (a.locations["takeoff"] for a in (whole, part))
    width = one.high - one.low
    assert abs(one.x - two.x) < 0.25 * width
    assert 0.6 < (two.high - two.low) / width < 1.7
    assert (whole.delay.p_value < 0.05) == (part.delay.p_value < 0.05)


def test_results_and_imports_say_what_is_averaged(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MOST", 60)
    n = 161
    rng = np.random.default_rng(3)
    score = sim.onset(1.5e6, 0.2)(tokens(n)) + 0.1 * rng.standard_normal(n)
    path = tmp_path / "log.csv"
    path.write_text("t,a\n" + "".join(f"{t},{v}\n" for t, v in zip(tokens(n), score, strict=True)))
    made = calque.import_log(path, tokens="t", metric="a")
    few = len(bins(np.arange(n)))
    (said,) = [note for note in made.notes if "means of neighbours" in note]
    assert f"161 checkpoints are analysed as {few} means of neighbours" in said
    assert made.cube.sizes["checkpoint"] == n
    found = calque.detect(made.cube, boot=19)
    assert said in found.report.to_dict()["notes"]
    assert said in " ".join(found.summary().split())
    assert {row.n_checkpoints for row in found.report.transitions} == {few}
    assert len(found.report.curves[0].tokens) == few
    assert isinstance(made.cube, xr.Dataset)
