"""What stands beside a location: how high the rise is and whether it lasts, and that the model does not fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from calque.phases.detection.analyse import Analysis
from calque.phases.detection.judge import terms_of
from calque.phases.diagnosis import Diagnosis
from calque.phases.results import Outcome, Refusal, Transition
from calque.phases.wording_of_fits import misfit_words, rise_words

DOUBTED = (Outcome.FOUND, Outcome.SMOOTH, Outcome.METRIC_DEPENDENT, Outcome.NOT_SHARPLY_LOCATED)
"""Outcomes that a model which does not fit takes away."""


def described(rows: Sequence[Transition], a: Analysis | Refusal) -> list[Transition]:
    """Return rows whose located takeoff says what the rise is: floor, height, number of items, whether it lasts.

    Parameters
    ----------
    rows : sequence of Transition
        Of one series.
    a : Analysis or Refusal
        The series as analysed.
    """
    if isinstance(a, Refusal):
        return list(rows)
    t, terms = a.trajectory, terms_of(a)
    floor = (-1.0 if t.falls else 1.0) * (a.origin + a.unit * float(a.fit.curve[0]))
    items = None if t.trials is None else float(np.median(t.trials))
    back = terms.height(a.fallen) if a.fallen > 0 else ""
    words = rise_words(terms.noun, terms.score(floor), terms.height(a.risen), items, back)
    return [
        replace(r, reason=f"{r.reason}; {words}") if r.estimand == "takeoff" and r.tokens is not None else r
        for r in rows
    ]


def marked(rows: Sequence[Transition], d: Diagnosis | None) -> list[Transition]:
    """Return the rows of a series; where its model clearly does not fit, its answers say so and keep their numbers.

    Parameters
    ----------
    rows : sequence of Transition
        Of one series.
    d : Diagnosis, optional
        Of its fit; None where it has none.
    """
    if d is None or not d.misfit:
        return list(rows)
    words, out = misfit_words(d), []
    for r in rows:
        answers = r.tokens is not None or r.estimand in ("delay", "phases")
        if answers and r.outcome in DOUBTED:
            r = replace(r, outcome=Outcome.MODEL_DOES_NOT_FIT)
        out.append(replace(r, reason=f"{r.reason}; {words}") if answers else r)
    return out
