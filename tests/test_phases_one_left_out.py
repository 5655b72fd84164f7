"""Takeoff without each checkpoint: the shortcut against fits that lack it, and the checkpoint that matters."""

import numpy as np
import pytest

from calque.phases.calibration.curves import CURVES
from calque.phases.calibration.draws import counts, schedule
from calque.phases.detection.analyse import analyse
from calque.phases.dictionary.grid import Dictionary
from calque.phases.sensitivity.one_left_out import FAR, most_moving, takeoffs_without, without_each
from calque.phases.series.axis import Axis
from calque.phases.series.trajectory import Trajectory

TOKENS = schedule("uniform", 40)
CURVE = CURVES["sharp"].score(TOKENS / TOKENS[-1])


def analysed(y):
    t = Trajectory.of_counts("r", "m", TOKENS, y, 125)
    return analyse(t, boot=39, dictionary=Dictionary(Axis.of(TOKENS)))


@pytest.fixture(scope="module")
def found():
    return analysed(counts(np.random.default_rng(2), CURVE, 125, 0.5, 0.3))


def test_leaving_a_checkpoint_out_is_fitting_a_constant_of_its_own_to_it(found):
    fit = found.rising
    chosen = np.flatnonzero(fit.excess <= FAR)[::97]
    rss, amplitude = without_each(fit, chosen)
    z = fit.whiten(fit.trajectory.y)
    for i in (0, 7, 19, 39):
        own = fit.whiten((np.arange(40) == i).astype(float))
        for j, k in enumerate(chosen):
            curve = fit.whiten(fit.candidates.columns[:, k])
            free = np.column_stack([own, curve]) if fit.amplitude[k] > 0 else own[:, None]
            weights, *_ = np.linalg.lstsq(free, z, rcond=None)
            expected = float(np.sum((z - free @ weights) ** 2)) + fit.candidates.extra[k]
            assert rss[i, j] == pytest.approx(expected, abs=1e-6)
            if fit.amplitude[k] > 0 and weights[1] > 0:
                assert amplitude[i, j] == pytest.approx(weights[1], abs=1e-8)


def test_without_a_checkpoint_far_from_the_rise_takeoff_stays(found):
    x, at = takeoffs_without(found), found.locations["takeoff"].x
    step = np.median(np.diff(found.fit.axis.x[5:15]))
    assert x.shape == (40,) and np.all(np.abs(x[25:] - at) < step)


def test_the_checkpoint_that_matters_is_named():
    y = np.round(125 * CURVE)
    rises = int(np.argmax(CURVE > CURVE[0] + 0.02))
    y[rises - 2 : rises] = np.round(125 * (CURVE[0] + 0.12))
    found = analysed(y)
    moved = most_moving(found)
    x = takeoffs_without(found)
    assert moved["latest"] in TOKENS[rises - 2 : rises], "without it the rise begins later"
    assert x[np.flatnonzero(moved["latest"] == TOKENS)[0]] > found.locations["takeoff"].x


def test_what_has_no_takeoff_has_none_without_a_checkpoint():
    found = analysed(counts(np.random.default_rng(0), np.full(40, 0.1), 125, 0.0, 0.0))
    assert found.locations["takeoff"].exists or most_moving(found) == {}
