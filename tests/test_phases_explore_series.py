"""What the pages draw is what phases analyses: lines, bands, parts, groups of items, words, pairs."""

import numpy as np
import pytest

from calque.phases.acquisition.times import item_times
from calque.phases.explore.concepts import concept_table, shares
from calque.phases.explore.items import LASTING, Items
from calque.phases.explore.pairs import at_position, rate_table
from calque.phases.explore.series import PAIR, WHOLE, metrics_of, parts_of, series_of, wilson
from calque.phases.explore.study import make_study
from calque.phases.series.metrics import trajectories
from tests.explore_cube import explored

RUNS = ("a-s0", "a-s1", "b", "c")


@pytest.fixture(scope="module")
def cube():
    return explored()


@pytest.fixture(scope="module")
def items(cube):
    return Items(cube)


def label(split, part):
    """The name that phases detect gives a part."""
    if split == WHOLE:
        return ""
    if split == PAIR:
        source, target = part.split(" → ")
        return f"source={source} target={target}"
    return f"{split}={part}"


@pytest.mark.parametrize("split", [WHOLE, "source", "target", PAIR])
def test_lines_and_bands_are_those_of_the_trajectories(cube, items, split):
    metrics = ["copying", "false_copying", "translation", "translation_paired", "translation_logprob"]
    if split == WHOLE:
        metrics.append("loss")
    by = ("run",) if split == WHOLE else (split,)
    theirs = {(t.run, t.group, t.metric): t for t in trajectories(cube, metrics, by) if t.n}
    ours, read = make_study(cube, "cube").many_lines(RUNS, metrics, split, 10_000)
    assert read == 4 and {(s.run, label(split, s.part), s.metric) for s in ours} == set(theirs)
    for s in ours:
        t = theirs[s.run, label(split, s.part), s.metric]
        np.testing.assert_array_equal(s.tokens, t.tokens)
        np.testing.assert_allclose(s.value, -t.y if t.falls else t.y, rtol=1e-12)
        assert (s.band is not None) == t.counts
        if t.counts:
            low, high = wilson(t.y, t.effective_trials)
            np.testing.assert_allclose(s.band[0], low, atol=1e-12)
            np.testing.assert_allclose(s.band[1], high, atol=1e-12)


def test_wilson_is_the_score_interval():
    low, high = wilson(np.array([0.0, 0.5, 1.0]), np.array([20.0, 100.0, 20.0]))
    # Wilson (1927): p̂ = .5 of 100 gives .404 to .596; none of 20 at most z²/(n + z²)
    np.testing.assert_allclose(low, [0.0, 0.4038, 0.8389], atol=1e-4)
    np.testing.assert_allclose(high, [0.1611, 0.5962, 1.0], atol=1e-4)


def test_groups_of_items_add_up_to_the_whole(cube, items):
    assert set(items.groupings) == {"overlap", "exposure", "word frequency"}
    whole = items.by_concept(0, "false_copying")
    for grouping in items.groupings:
        labels = np.unique(items.groups(grouping))
        parts = [items.by_concept(0, "false_copying", group=(grouping, str(g))) for g in labels]
        np.testing.assert_array_equal(sum(p.n for p in parts), whole.n)
        np.testing.assert_array_equal(sum(p.total for p in parts), whole.total)
    frequency = items.groups("word frequency")
    zipf = np.asarray(cube["zipf_frequency"])[1]
    assert set(frequency[0, 1][np.argsort(zipf)][:4]) == {"rare"}
    assert set(frequency[2, 1][np.argsort(zipf)][-4:]) == {"frequent"}


def test_what_can_be_drawn_and_how_it_can_be_split(cube, items):
    assert metrics_of(cube, items) == [
        "copying", "false_copying", "translation", "translation_paired", "translation_logprob", "loss",
    ]  # fmt: skip
    assert parts_of(cube, items)[:4] == [WHOLE, "source", "target", PAIR] and "language" in parts_of(cube, items)
    by_language = list(series_of(cube, items, 2, "loss", "language"))
    assert [s.part for s in by_language] == [str(v) for v in cube["language"].values]
    np.testing.assert_allclose(by_language[1].value, np.asarray(cube["loss"])[2, :, 1])
    assert list(series_of(cube, items, 2, "loss", "source")) == []
    some, read = make_study(cube, "cube").many_lines(RUNS, ["copying"], PAIR, 10)
    assert len(some) == 9 and read == 1  # of nine lines each


def test_a_log_of_one_metric_needs_no_items():
    cube = explored()[["tokens", "loss"]].drop_vars(["source", "target", "concept"], errors="ignore")
    study = make_study(cube.sel(language="en", drop=True) if "en" in cube["language"] else cube, "log")
    assert study.metrics == ["loss"] and study.items.metrics == ()


def test_runs_of_different_schedules_stand_at_their_last_checkpoint(cube):
    ragged = cube.copy(deep=True)
    ragged["tokens"][1] = ragged["tokens"][1] * 0.5
    study = make_study(ragged, "ragged")
    at = float(ragged["tokens"][0, 10])
    later = int(np.flatnonzero(np.asarray(ragged["tokens"][1]) <= at)[-1])
    assert later > 10
    found = at_position(study, ["a-s0", "a-s1"], "translation", at)
    first, second = (study.items.by_pair(i, "translation") for i in (0, 1))
    np.testing.assert_array_equal(found.total, first.total[10] + second.total[later])
    table = rate_table(study, ["a-s0"], "translation", at)
    row = table[
        (table["source"] == study.items.labels("source")[0]) & (table["target"] == study.items.labels("target")[1])
    ]
    assert row["value"].item() == first.mean[10, 0, 1] and row["n"].item() == first.n[10, 0, 1]
    assert not (table["source"] == table["target"]).any()


def test_words_are_ranked_by_the_time_that_half_of_their_items_took(cube):
    study = make_study(cube, "cube")
    table = concept_table(study, ["a-s0", "a-s1"], "translation")
    times = item_times(cube.isel(run=[0, 1]), "translation", LASTING)
    for _, row in table.iterrows():
        mine = times.high[times.concept == row["position"]]
        assert row["items"] == len(mine) and row["acquired"] == np.isfinite(mine).mean()
        assert (mine <= row["half by"]).mean() >= 0.5 and (mine < row["half by"]).mean() <= 0.5
    assert table["half by"].is_monotonic_increasing and table["half by"].iloc[0] < np.inf
    places, rates = shares(study, ["a-s0", "a-s1"], "translation")
    one, two = (study.items.by_concept(i, "translation") for i in (0, 1))
    known = one.n[7] > 0
    assert known.any() and len(places) == cube.sizes["checkpoint"]
    np.testing.assert_allclose(rates[7][known], ((one.total + two.total) / (one.n + two.n).clip(1))[7][known])
    assert np.isnan(rates[7][~known]).all()
