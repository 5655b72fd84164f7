"""Intervals over clusters, tests against matched controls, and the false-discovery rate over heads."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from calque.data.errors import UserError
from calque.models.components.head_statistics import against_random_heads, head_statistics


def test_interval_and_test_are_students_over_clusters() -> None:
    generator = np.random.default_rng(0)
    scores, controls = generator.normal(size=(2, 3, 12, 4))
    clusters = list("aabbbccddddd")
    found = head_statistics(scores, controls, clusters, level=0.9)
    rows = [[i for i, c in enumerate(clusters) if c == name] for name in "abcd"]
    for layer in range(3):
        for head in range(4):
            one = np.array([scores[layer, r, head].mean() for r in rows])
            other = np.array([controls[layer, r, head].mean() for r in rows])
            low, high = stats.ttest_1samp(one, 0).confidence_interval(0.9)
            at = found.sel(layer=layer, head=head)
            np.testing.assert_allclose([at.score, at.low, at.high, at.control], [one.mean(), low, high, other.mean()])
            np.testing.assert_allclose(at.p_value, stats.ttest_rel(one, other, alternative="greater").pvalue)
    expected = stats.false_discovery_control(found.p_value.values.ravel(), method="by").reshape(3, 4)
    np.testing.assert_allclose(found.p_adjusted, expected)
    assert found.attrs["level"] == 0.9


def test_prompts_of_one_cluster_are_no_more_evidence() -> None:
    """Every prompt said ten times: the interval stays as wide."""
    scores = np.random.default_rng(1).normal(size=(1, 8, 2))
    once = head_statistics(scores, np.zeros_like(scores))
    often = head_statistics(scores.repeat(10, 1), np.zeros((1, 80, 2)), list(np.arange(8).repeat(10)))
    for name in once:
        np.testing.assert_allclose(often[name], once[name])


def test_rounding_makes_no_discovery() -> None:
    """Heads whose scores differ from their controls in the last digit alone, beside one that differs."""
    scores = np.full((1, 10, 3), 0.125)
    scores[0, :, 0] = 0.5
    controls = np.full((1, 10, 3), 0.125) * (1 - 1e-15)
    found = head_statistics(scores, controls)
    assert found.p_adjusted[0, 0] < 1e-6 and (found.p_adjusted[0, 1:] > 0.4).all()
    assert (head_statistics(controls * 0, controls * 0).p_value == 0.5).all()


@pytest.mark.simulation
def test_false_discoveries_are_rare_and_true_ones_are_found() -> None:
    """Heads that depend on one another (a shift for all of a prompt), few prompts; three of forty are above."""
    generator, false, true = np.random.default_rng(2), 0, 0
    for _ in range(400):
        scores = generator.normal(size=(5, 12, 8)) + generator.normal(size=(1, 12, 1))
        false += bool((head_statistics(scores, np.zeros_like(scores)).p_adjusted < 0.05).any())
        scores[0, :, :3] += 4
        true += int((head_statistics(scores, np.zeros_like(scores)).p_adjusted[0, :3] < 0.05).sum())
    assert false / 400 <= 0.07 and true / 1200 > 0.9


def test_a_head_is_ranked_among_the_random_heads_of_all() -> None:
    scores = np.array([[[0.9, 0.2], [0.7, 0.2], [0.8, 0.5]]])
    moved = np.array([0.1, -0.1, 0.0])[:, None]  # clusters weigh the same: without effect on their means
    random = np.stack([scores * 0 + value + moved for value in (0.1, 0.2, 0.3, 0.4)])
    random[-1, 0, 2] += 0.9  # the mean of clusters passes .8, that of prompts does not
    found = against_random_heads(scores, random, ["a", "a", "b"])
    np.testing.assert_allclose(found.score, [[0.8, 0.35]])
    np.testing.assert_allclose(found.control, (0.1 + 0.2 + 0.3 + 0.85) / 4)
    np.testing.assert_allclose(found.p_value, [[3 / 9, 3 / 9]])
    np.testing.assert_allclose(found.p_adjusted, 3 / 9 * 1.5)
    low, high = stats.ttest_1samp([0.2, 0.5], 0).confidence_interval()
    np.testing.assert_allclose([found.low[0, 1], found.high[0, 1]], [low, high])
    same = against_random_heads(scores * 0 + 0.1, scores[None] * 0 + 0.1 * (1 - 1e-15))
    assert (same.p_value == 1).all()
    with pytest.raises(UserError, match=r"`random_scores` have shapes \(1, 3, 2\) and \(1, 3, 2\)"):
        against_random_heads(scores, scores)


def test_what_has_no_interval_is_refused() -> None:
    with pytest.raises(UserError, match=r"shapes \(2, 3\) and \(2, 3\); expected \(layers, prompts, heads\)"):
        head_statistics(np.zeros((2, 3)), np.zeros((2, 3)))
    with pytest.raises(UserError, match="`clusters` has 3 entries, 1 different, for 3 prompts"):
        head_statistics(np.zeros((1, 3, 2)), np.zeros((1, 3, 2)), ["a", "a", "a"])
    with pytest.raises(UserError, match="`clusters` has 2 entries"):
        head_statistics(np.zeros((1, 3, 2)), np.zeros((1, 3, 2)), ["a", "b"])
    with pytest.raises(UserError, match="1 different, for 1 prompts"):
        head_statistics(np.zeros((1, 1, 2)), np.zeros((1, 1, 2)))
