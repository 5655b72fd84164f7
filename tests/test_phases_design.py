"""The rule of adaptive checkpoints: where it spends its budget, what it may not know, and its record."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

from calque.data.errors import UserError
from calque.phases.adaptive.record import AdaptiveDesign, designs_of
from calque.phases.adaptive.rule import Decision, Prior, Rule, Seen
from calque.phases.calibration.curves import onset
from calque.phases.series.axis import Array

END = 1_000_000
PLANNED = tuple(int(round(END * 10 ** (-2.4 + 0.1 * k) / 100)) * 100 for k in range(25))
RULE = Rule(planned=PLANNED, grain=100, budget=12)
TAKEOFF = math.log10(0.1 * END)
TRIALS = 400.0


def seen(tokens: list[int], score: Array) -> Seen:
    return Seen(tokens=np.array(tokens, float), score=score, trials=np.full(len(tokens), TRIALS))


def taken(rule: Rule, start: float, prior: Prior | None, seed: int = 0, sd: float = 1.0) -> list[Decision]:
    """Return the decisions over a run whose score leaves its floor at ``start`` (share of the run)."""
    rng = np.random.default_rng(seed)
    curve = onset(start, 0.2)
    tokens: list[int] = []
    score: list[float] = []
    decisions: list[Decision] = []
    for planned in rule.planned:
        for at in (*(decisions[-1].extra if decisions else ()), planned):
            p = float(curve(np.array([max(at, 1) / END]))[0])
            tokens.append(at)
            score.append(p + sd * math.sqrt(p * (1 - p) / TRIALS) * rng.standard_normal())
        left = rule.budget - sum(len(one.extra) for one in decisions)
        decisions.append(rule.decide(planned, seen(tokens, np.array(score)), left, prior))
    return decisions


def extras(decisions: list[Decision]) -> Array:
    return np.array([tokens for one in decisions for tokens in one.extra], float)


@pytest.mark.parametrize("seed", range(3))
def test_with_a_forecast_the_budget_is_spent_around_the_takeoff(seed: int) -> None:
    near = extras(taken(RULE, 0.1, Prior(log10_tokens=TAKEOFF, sd=0.06), seed))
    assert RULE.budget - 2 <= len(near) <= RULE.budget
    assert np.median(np.abs(np.log10(near) - TAKEOFF)) < 0.12
    assert np.mean(np.abs(np.log10(near) - TAKEOFF) < 0.3) >= 0.75


def test_without_one_the_curve_itself_draws_them_near() -> None:
    share = {
        start: np.mean([np.mean(np.abs(np.log10(extras(taken(RULE, start, None, s)) / END / start)) < 0.35)
                        for s in range(4)])
        for start in (0.03, 0.3)
    }  # fmt: skip
    even = 0.7 / 2.4
    assert share[0.03] > 1.5 * even and share[0.3] > even, share
    late = [extras(taken(RULE, 0.03, None, s)) / END for s in range(4)]
    assert all(np.sum(one > 0.3) <= 1 for one in late), "nothing is spent once the takeoff is past"


def test_a_forecast_that_is_wrong_is_given_up_for_the_curve() -> None:
    wrong = taken(RULE, 0.03, Prior(log10_tokens=math.log10(0.5 * END), sd=0.06))
    assert abs(math.log10(wrong[-1].median / END / 0.0315)) < 0.15  # its curves are straight: a takeoff to plan by
    assert wrong[0].median > 0.3 * END


def test_the_past_alone_decides() -> None:
    """Two runs that agree so far are given the same checkpoints, whatever comes later."""
    one, other = taken(RULE, 0.1, None), taken(RULE, 0.1, None)
    assert one == other
    early, late = taken(RULE, 0.1, None, sd=0), taken(RULE, 0.2, None, sd=0)
    changed = [k for k, (a, b) in enumerate(zip(early, late, strict=True)) if a != b]
    first = next(k for k, tokens in enumerate(PLANNED) if tokens > 0.1 * END)
    assert min(changed) >= first - 1 and changed


@pytest.mark.parametrize("budget", [1, 5, 60])
def test_checkpoints_are_whole_steps_between_planned_ones_and_within_the_budget(budget: int) -> None:
    rule = replace(RULE, budget=budget, planned=(0, *PLANNED))
    decisions = taken(rule, 0.1, Prior(log10_tokens=TAKEOFF, sd=0.2))
    assert sum(len(one.extra) for one in decisions) <= budget
    assert decisions[0].extra == () == decisions[-1].extra, "none before training, none after it"
    for one, following in zip(decisions, rule.planned[1:], strict=False):
        assert len(set(one.extra)) == len(one.extra) <= rule.most
        assert all(one.tokens < tokens < following and tokens % rule.grain == 0 for tokens in one.extra)


def test_nothing_is_between_neighbouring_steps() -> None:
    rule = Rule(planned=(100, 200, 400, END), grain=100, budget=50)
    flat = seen([100], np.array([0.1]))
    assert rule.decide(100, flat, 50).extra == ()
    assert set(rule.decide(200, flat, 50, Prior(log10_tokens=math.log10(300), sd=0.1)).extra) <= {300}


def test_a_metric_that_was_never_asked_leaves_the_forecast() -> None:
    nothing = Seen(tokens=np.empty(0), score=np.empty(0), trials=np.empty(0))
    prior = Prior(log10_tokens=TAKEOFF, sd=0.1)
    decision = RULE.decide(PLANNED[3], nothing, 5, prior)
    assert abs(math.log10(decision.median) - TAKEOFF) < 0.05
    assert decision.prior == prior


def test_a_record_is_read_as_it_was_written() -> None:
    decisions = tuple(taken(RULE, 0.1, Prior(log10_tokens=5.1, sd=0.2, runs=("a", "b"))))
    decisions = (replace(decisions[0], high=math.inf, prior=None), *decisions[1:])
    design = AdaptiveDesign(metric="translation", rule=RULE, decisions=decisions)
    assert AdaptiveDesign.from_json(design.to_json()) == design
    assert design.at(PLANNED[3]) == decisions[3] and design.at(1) is None
    assert design.until(PLANNED[3]).decisions == decisions[:4]
    cube = xr.Dataset({"adaptive_json": ("run", ["", design.to_json()])}, coords={"run": ["fixed", "mine"]})
    assert designs_of(cube) == {"mine": design}
    assert designs_of(cube.drop_vars("adaptive_json")) == {}


def test_a_damaged_record_is_said_in_one_line() -> None:
    design = AdaptiveDesign(metric="translation", rule=RULE, decisions=tuple(taken(RULE, 0.1, None)))
    record = json.loads(design.to_json())
    for text in ("{", "[]", "{}", json.dumps({**record, "rule": {}}), json.dumps({**record, "decisions": [1]})):
        with pytest.raises(UserError, match="cube of mine: the record .* cannot be read"):
            AdaptiveDesign.from_json(text, "cube of mine")
    with pytest.raises(UserError, match="recorded by version 7, this one reads 1"):
        AdaptiveDesign.from_json(json.dumps({**record, "version": 7}))
