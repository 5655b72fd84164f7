"""Short series for the classical models, and their answers."""

from __future__ import annotations

import numpy as np

from calque.phases.classical.detect import answer
from calque.phases.series.trajectory import Trajectory
from calque.phases.settings import Settings

TOKENS = np.linspace(1e5, 4e6, 40)
X = np.log10(TOKENS / TOKENS[-1])


def counted(successes, trials=200, tokens=TOKENS):
    return Trajectory.of_counts("a", "score", tokens, successes, trials)


def valued(values, tokens=TOKENS, **more):
    return Trajectory.of_values("a", "score", tokens, values, **more)


def only(t, family, **settings):
    (row,) = answer(t, Settings(family=family, boot=99, **settings)).rows
    return row
