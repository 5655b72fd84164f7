"""Contrasts between mixes: size and power of the randomisation test, intervals, censoring, the mixed model."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.stats import permutation_test, ttest_ind

from calque.data.errors import UserError
from calque.scaling.laws.share import fit_shares
from calque.scaling.mixes.contrast import contrast, contrasts, randomisation
from calque.scaling.mixes.mixed_model import mixed_contrasts
from calque.scaling.mixes.result import LanguageComparison, MixComparison
from calque.scaling.observations import Observation


def runs(
    rng: np.random.Generator, effects: dict[str, float], seeds: int = 4, sd: float = 0.06,
    n: tuple[float, ...] = (2e7,), language: str = "",
) -> list[Observation]:  # fmt: skip
    made = []
    for mix, effect in effects.items():
        for size in n:
            for s in range(seeds):
                tokens = 1e10 * (size / 2e7) ** -0.3 * math.exp(effect + sd * rng.normal())
                made.append(
                    Observation(
                        run=f"{mix}-{size:g}-{s}", size=f"{size:g}", n=size, kind="located", tokens=tokens, mix=mix,
                        language=language,
                    )
                )  # fmt: skip
    return made


def test_one_size_is_the_textbook_test() -> None:
    observations = runs(np.random.default_rng(0), {"a": 0.0, "b": 0.1})
    y = np.log([o.tokens or 0 for o in observations])
    found = contrast(observations, "a", "b")
    theirs = ttest_ind(y[4:], y[:4])
    interval = theirs.confidence_interval(0.95)
    assert found.log_ratio == pytest.approx(y[4:].mean() - y[:4].mean())
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))
    exact = permutation_test((y[4:], y[:4]), lambda a, b: a.mean() - b.mean(), n_resamples=np.inf)
    assert found.p_value == pytest.approx(exact.pvalue)
    assert found.least_p == pytest.approx(2 / 70)
    assert f"; randomisation test p = {found.p_value:.2g}" in found.sentence and "adjusted" not in found.sentence


@pytest.mark.simulation
def test_size_and_power_with_sizes_as_strata() -> None:
    rng, level = np.random.default_rng(1), {"none": 0.0, "some": 0.15}
    found: dict[str, list[float]] = {"none": [], "some": []}
    covered = 0
    for name, effect in level.items():
        for _ in range(40):
            got = contrast(runs(rng, {"a": 0.0, "b": effect}, 3, n=(2e7, 6e7)), "a", "b")
            assert got.sizes == 2 and got.p_value is not None and got.low is not None and got.high is not None
            found[name].append(got.p_value)
            covered += got.low <= effect <= got.high
    assert np.mean(np.array(found["none"]) <= 0.05) <= 0.125  # .05 expected; above with probability .01
    assert np.mean(np.array(found["some"]) <= 0.05) > 0.8
    assert 0.88 <= covered / 80


def test_random_arrangements_agree_with_all() -> None:
    rng = np.random.default_rng(2)
    values, labels = [rng.normal(size=18)], [np.arange(18) < 9]
    values[0][:9] += 0.8  # 48,620 arrangements: too many to try
    drawn, _ = randomisation(values, labels, rng)
    exact = permutation_test(
        (values[0][:9], values[0][9:]),
        lambda a, b, axis: a.mean(axis) - b.mean(axis),
        n_resamples=np.inf,
        vectorized=True,
    )
    assert drawn == pytest.approx(exact.pvalue, abs=0.01)


def test_runs_not_there_yet_count_as_late() -> None:
    observations = runs(np.random.default_rng(3), {"a": 0.0, "b": 0.5}, 5)
    late = [replace(o, kind="right", tokens=None, low=1.5e10) if o.mix == "b" else o for o in observations]
    found = contrast(late, "a", "b")
    assert found.outcome == "censored" and found.log_ratio is None and found.p_value == pytest.approx(2 / 252)
    assert "5 runs had not taken off" in found.reason and "p = 0.0079" in found.sentence


def test_many_contrasts_are_adjusted() -> None:
    found = contrasts(runs(np.random.default_rng(4), {"a": 0.0, "b": 0.0, "c": 0.4}, 5))
    assert [(c.first, c.second) for c in found] == [("a", "b"), ("a", "c"), ("b", "c")]
    assert all((c.p_adjusted or 0) >= (c.p_value or 1) for c in found)
    assert found[1].p_adjusted == pytest.approx(3 * (found[1].p_value or 0))
    second = found[1]
    assert second.sentence.startswith("c takes off at ") and second.to_dict()["sentence"] == second.sentence
    assert second.sentence.endswith(
        f"; randomisation test p = {second.p_value:.2g} ({second.p_adjusted:.2g} adjusted for 3 contrasts by Holm)"
    )
    split = [o for name in ("en", "de") for o in runs(np.random.default_rng(5), {"a": 0, "b": 0.3}, 4, language=name)]
    each = contrasts(split)
    assert [c.language for c in each] == ["en", "de"] and all((c.p_adjusted or 0) > (c.p_value or 1) for c in each)
    assert all("adjusted for 2 contrasts by Benjamini and Yekutieli" in c.sentence for c in each)


def test_too_little_is_said() -> None:
    rng = np.random.default_rng(6)
    one = contrast(runs(rng, {"a": 0.0, "b": 0.1}, 1), "a", "b")
    assert one.outcome == "too_few_points" and "without a second seed" in one.reason
    apart = [*runs(rng, {"a": 0.0}), *runs(rng, {"b": 0.0}, n=(6e7,))]
    assert contrast(apart, "a", "b").reason == "no size was run with both mixes"
    few = contrast(runs(rng, {"a": 0.0, "b": 0.4}, 3), "a", "b")
    assert few.sentence.endswith("; randomisation test p = 0.1; so few runs cannot give a p-value below 0.1")
    with pytest.raises(UserError, match=r"the runs have 1 mix \(a\); expected two"):
        contrasts(runs(rng, {"a": 0.0}))


@pytest.mark.simulation
def test_mixed_model_covers_where_languages_share_their_runs_luck() -> None:
    rng, hits = np.random.default_rng(7), 0
    for _ in range(25):
        observations: list[Observation] = []
        for mix, effect in (("a", 0.0), ("b", 0.1)):
            for s in range(4):
                luck = 0.08 * rng.normal()
                for i, language in enumerate("vwxyz"):
                    made: Any = runs(rng, {mix: effect + luck + 0.2 * i}, 1, 0.03, language=language)[0]
                    observations.append(replace(made, run=f"{mix}{s}"))
        found = mixed_contrasts(observations)[0]
        assert found.low is not None and found.high is not None and found.run_sd is not None
        hits += found.low <= 0.1 <= found.high
    assert hits >= 21  # 23.75 expected; a model that took languages for replicates covers about .6
    assert mixed_contrasts(observations[:5] + observations[-5:])[0].outcome == "too_few_points"


def test_the_two_ratios_are_named_and_told_apart() -> None:
    rng = np.random.default_rng(4)
    whole = runs(rng, {"a": 0.0, "b": -0.05})
    split = [
        replace(o, language=language, tokens=(o.tokens or 0.0) * (1.4 if o.mix == "b" and language == "late" else 1.0))
        for language in ("early", "late")
        for o in whole
    ]
    shares = fit_shares(split)
    compared = MixComparison(
        metric="translation", level=0.95, contrasts=contrasts(whole), observations=tuple(whole),
        by_language=LanguageComparison(contrasts=contrasts(split), mixed_model=mixed_contrasts(split), shares=shares),
    )  # fmt: skip
    (note,) = compared.notes
    of_runs, of_model = (math.exp(c.log_ratio or 0) for c in (compared.contrasts[0], mixed_contrasts(split)[0]))
    assert of_model > of_runs * 1.1
    assert f"{of_runs:.3f} by takeoff of a run's score, the average" in note
    assert f"{of_model:.3f} by mean over languages" in note and "different quantities" in note
    report = compared.to_dict()
    assert report["notes"] == [note] and report["rise"] == 0.05
    assert len({r["estimand"] for t in ("contrasts", "languages", "mixed_model") for r in report[t]}) == 3
    assert any(note[1:40] in str(part) for part in compared.renderables())


def test_runs_that_a_contrast_cannot_use_are_counted() -> None:
    made = runs(np.random.default_rng(5), {"a": 0.0, "b": 0.1})
    early = replace(made[0], run="early", kind="left", tokens=None, high=1e9)
    assert "1 run without a time or an end to wait from left out" in contrast([*made, early], "a", "b").sentence
