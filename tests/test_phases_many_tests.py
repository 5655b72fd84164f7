"""Many tests in one report: primary and exploratory tests, outcomes by adjusted p-values, more replicates for some."""

import numpy as np
import pytest

from calque.data.errors import UserError
from calque.phases.results import Lag, Outcome, Transition
from calque.phases.stats.many_tests import (
    MOST_REPLICATES,
    SeriesTests,
    primary_metric,
    raised,
    with_adjusted_lags,
    with_roles,
)
from calque.phases.stats.multiplicity import benjamini_yekutieli, replicates_needed
from calque.phases.wording_of_tests import Repeated, adjusted_text, many_tests_note, replicates_note, with_p


def series(metric, p, run="a", group="", outcome=Outcome.FOUND, **more):
    """Return the delay and takeoff rows of one series."""
    common = {"run": run, "group": group, "metric": metric, "level": 0.95, "n_checkpoints": 40}
    reason = f"the rise started late (p = {p:.2g})"
    return [
        Transition(estimand="delay", outcome=outcome, reason=reason, p_value=p, elasticity=2.0, **common, **more),
        Transition(
            estimand="takeoff", outcome=outcome, reason="at 2B", tokens=2e9, low=1e9, high=3e9, p_value=0.001, **common
        ),
        Transition(estimand="t50", outcome=Outcome.FOUND, reason="at 4B", tokens=4e9, low=3e9, high=5e9, **common),
    ]


def test_smallest_p_values_just_pass_with_the_replicates_needed():
    for tests, smallest in ((1, 1), (51, 10), (51, 1), (72, 40)):
        needed = replicates_needed(tests, smallest, 0.95)
        for replicates in (needed, needed - 1):
            p = [1 / (replicates + 1)] * smallest + [1.0] * (tests - smallest)
            assert (min(benjamini_yekutieli(p)) <= 0.05) == (replicates == needed)


def test_the_primary_metric_is_the_declared_one_and_never_depends_on_results():
    assert primary_metric(None, None, ("copying", "translation")) == "translation"
    assert primary_metric(None, ("copying", "translation"), ("copying", "translation")) == "copying"
    assert primary_metric(None, None, ("lambada", "piqa")) == "lambada"
    assert primary_metric("piqa", None, ("lambada", "piqa")) == "piqa"
    with pytest.raises(UserError, match=r"`primary` is 'pika', which is not analysed; expected one of lambada, piqa"):
        primary_metric("pika", None, ("lambada", "piqa"))


def test_a_primary_test_stands_by_itself_and_the_others_by_their_adjusted_p():
    rows = [*series("main", 0.04), *(r for i in range(9) for r in series(f"m{i}", 0.02))]
    out = with_roles(rows, "main", 0.95)
    own = {(t.metric, t.estimand): t for t in out}
    main, one = own["main", "delay"], own["m0", "delay"]
    assert (main.role, main.outcome, main.p_adjusted, main.elasticity) == ("primary", Outcome.FOUND, 0.04, 2.0)
    assert one.role == "exploratory" and one.p_adjusted == pytest.approx(0.02 * sum(1 / k for k in range(1, 10)))
    assert one.outcome == Outcome.NOT_ESTABLISHED and one.elasticity is None and one.p_value == 0.02
    assert "by its own p-value alone, and not established among 9 exploratory tests" in one.reason
    takeoff = own["m0", "takeoff"]
    assert takeoff.outcome == Outcome.NOT_ESTABLISHED and takeoff.tokens == 2e9 and takeoff.role is None
    assert "a delayed start is not established" in takeoff.reason
    assert own["main", "takeoff"].outcome == own["m0", "t50"].outcome == Outcome.FOUND
    assert adjusted_text(main) == "primary" and adjusted_text(one) == ".057"


def test_what_passes_after_adjusting_stays_found_and_says_so():
    rows = [r for i in range(9) for r in series(f"m{i}", 0.001)]
    out = with_roles(rows, "m0", 0.95)
    found = [t for t in out if t.estimand in ("delay", "takeoff")]
    assert all(t.outcome == Outcome.FOUND for t in found)
    assert "that holds among 8 exploratory tests" in found[2].reason and "among" not in found[0].reason


def test_parts_of_a_run_have_no_primary_test():
    rows = [r for g in ("target=de", "target=fr") for r in series("main", 0.04, group=g)]
    family = SeriesTests.of(rows, "main")
    assert not family.has_primary and len(family.exploratory) == 2
    assert [t.outcome for t in with_roles(rows, "main", 0.95) if t.estimand == "delay"] == [Outcome.NOT_ESTABLISHED] * 2
    by_run = [r for run in "ab" for r in series("main", 0.04, run=run, group=f"size={run}")]
    assert SeriesTests.of(by_run, "main").exploratory == []


def test_a_series_without_a_rise_shows_nothing_whatever_its_p_value():
    rows = [*series("main", 0.9), *series("a", 0.03), *series("flat", 0.001, outcome=Outcome.NONE)]
    p = SeriesTests.of(rows, "main").adjusted()
    assert p["a", "", "flat"] == 1.0 and p["a", "", "a"] == pytest.approx(0.03 * 2 * 1.5)


def test_the_answer_without_one_checkpoint_follows_the_same_rule():
    more = {"without_checkpoint": 1e9, "without_outcome": Outcome.FOUND, "without_p_value": 0.04}
    rows = [*series("main", 0.04, outcome=Outcome.SMOOTH, **more), *series("other", 0.8, **more), *series("x", 0.9)]
    out = {t.metric: t for t in with_roles(rows, "main", 0.95) if t.estimand == "delay"}
    assert out["main"].without_outcome == Outcome.FOUND
    assert out["other"].without_outcome == Outcome.NOT_ESTABLISHED


def test_lags_are_adjusted_over_all_lags():
    def lag(p, outcome=Outcome.FOUND):
        return Lag(run="a", group="", first="x", second="y", log_ratio=1.0, low=0.1, high=2.0, level=0.95, p_value=p,
                   outcome=outcome, reason="later")  # fmt: skip

    (alone,) = with_adjusted_lags([lag(0.04)], 0.95)
    assert alone.outcome == Outcome.FOUND and alone.p_adjusted == 0.04 and alone.reason == "later"
    first, second = with_adjusted_lags([lag(0.04), lag(0.5, Outcome.NONE)], 0.95)
    assert first.outcome == Outcome.NOT_ESTABLISHED and first.p_adjusted == pytest.approx(0.04 * 2 * 1.5)
    assert "not established among 2 lags" in first.reason and second.outcome == Outcome.NONE


def test_only_tests_at_the_smallest_p_value_are_repeated_and_only_as_needed():
    asked = []

    def again(positions, boot):
        asked.append((tuple(positions), boot))
        return dict.fromkeys(positions, 1 / (boot + 1))

    p = [1 / 300] * 10 + [0.02] * 41
    result = raised(p, 299, 0.95, again)
    needed = replicates_needed(51, 10, 0.95)
    assert asked == [(tuple(range(10)), 5 * (needed + 1) - 1)] and set(result.replicates) == set(range(10))
    assert result.p_values[10:] == p[10:] and max(benjamini_yekutieli(result.p_values)[:10]) <= 0.05
    asked.clear()
    assert raised([1 / 300] * 10, 299, 0.95, again).p_values == [1 / 300] * 10 and not asked
    hopeless = raised([1 / 20] + [0.9] * 5000, 19, 0.95, again)
    assert not asked and hopeless.stuck == 1 and hopeless.needed > MOST_REPLICATES


@pytest.mark.simulation
def test_repeated_tests_keep_their_size():
    """Bootstrap tests of true hypotheses: no more p-values below u than u, also of those that were repeated."""
    rng, low, rejected = np.random.default_rng(5), [], 0
    for _ in range(400):
        true = rng.random(20)  # of each test, the share of replicates that exceed
        first = (1 + rng.binomial(19, true)) / 20

        def again(positions, boot, true=true):
            return {i: (1 + rng.binomial(boot, true[i])) / (boot + 1) for i in positions}

        result = raised(list(first), 19, 0.95, again)
        low += [result.p_values[i] for i in result.replicates]
        rejected += min(benjamini_yekutieli(result.p_values)) <= 0.05
    assert len(low) > 100
    for u in (0.002, 0.01, 0.05):
        assert sum(p <= u for p in low) / 8000 <= u + 3 * np.sqrt(u / 8000)
    assert rejected / 400 <= 0.05


def test_notes_name_the_primary_test_and_what_was_repeated():
    (note,) = many_tests_note("translation", False, 51, Repeated())
    assert "delayed start of translation, of the whole run (the default; `primary` declares another)" in note
    assert "the other 51 are exploratory" in note
    assert "no test is primary, for runs are split: all 72 are" in many_tests_note(None, False, 72, Repeated())[0]
    first, second = replicates_note("lag", Repeated(1, 499, 2, 20_000))
    assert first.startswith("1 lag was repeated with up to 499 replicates")
    assert second.startswith("2 lags stay at the smallest p-value") and "20000 replicates (`boot`)" in second


def test_another_p_value_stands_in_the_sentence_too():
    delay = series("m", 0.0033)[0]
    new = with_p(delay, 0.00022)
    assert new.p_value == 0.00022 and new.reason == "the rise started late (p = 0.00022)"
