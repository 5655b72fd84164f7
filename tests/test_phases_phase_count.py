"""How many waves growth has: one is one, clear stairs are more."""

import numpy as np
import pytest

from calque.phases.detection.analyse import analyse
from calque.phases.detection.judge import rows
from calque.phases.dictionary.grid import Dictionary
from calque.phases.results import Outcome
from calque.phases.series.axis import Axis
from calque.phases.series.trajectory import Trajectory
from tests import phases_simulation as sim

TOKENS = np.arange(1, 121) * sim.END / 120
DICTIONARY = Dictionary(Axis.of(TOKENS))


def stairs(*starts: float, step: float = 0.25):
    """Rise by ``step`` after each start, level within a tenth of a decade."""
    return lambda t: 0.03 + sum(sim.onset(start, 0.05, top=step, floor=0.0)(t) for start in starts)


def counted(curve, seed, trials=400, rho=0.5, sd=0.2):
    k = sim.counts(np.random.default_rng([seed, 11]), curve(TOKENS), trials, rho, sd)
    return analyse(Trajectory.of_counts("r", "m", TOKENS, k, trials), boot=99, dictionary=DICTIONARY)


@pytest.mark.simulation
@pytest.mark.parametrize("curve", [sim.onset(1.3e6, 0.2), sim.logistic(1.3e6, 0.1)])
def test_one_wave_is_one(curve):
    found = [counted(curve, s).phases.count for s in range(12)]
    # at 5 % three or more of twelve fail two times in a hundred
    assert sum(count > 1 for count in found) <= 3


@pytest.mark.simulation
def test_two_clear_waves_are_more_than_one():
    found = [counted(stairs(4e5, 2.2e6, step=0.4), s, sd=0.15).phases.count for s in range(8)]
    assert sum(count > 1 for count in found) >= 6


def test_the_row_says_it_and_nothing_is_counted_where_nothing_rises():
    row = next(r for r in rows(counted(stairs(4e5, 2.2e6, step=0.4), 1, sd=0.15), 0.95) if r.estimand == "phases")
    assert row.outcome == Outcome.FOUND and row.phases == 2 and "two waves are enough" in row.reason
    assert row.tokens is None and row.p_value < 0.05
    flat = counted(sim.NULLS["flat"], 3)
    assert flat.phases is None and not any(r.estimand == "phases" for r in rows(flat, 0.95))
