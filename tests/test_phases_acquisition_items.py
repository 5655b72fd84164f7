"""Acquisition times: intervals of items, and the covariates that a cube gives them."""

import numpy as np
import pytest

from calque.data import cube as cubes
from calque.data.errors import UserError
from calque.phases.acquisition.covariates import design
from calque.phases.acquisition.times import ItemTimes, acquired, item_times
from tests.acquisition_cube import GRID, simulated

INF = np.inf


@pytest.mark.parametrize(
    ("hits", "lasting", "low", "high"),
    [
        ("00011111", 3, 30, 40),
        ("01001110", 3, 40, 50),  # lasts from the fifth on, whatever comes later
        ("01001110", 1, 10, 20),
        ("00000011", 3, 60, INF),  # two hits at the end decide nothing: acquired after the last miss, or never
        ("01010101", 2, 70, INF),
        ("00000000", 3, 80, INF),
        ("11111111", 3, 0, 10),
        ("11000000", 3, 80, INF),
        ("11", 3, 0, INF),
    ],
)
def test_acquired_between_last_miss_and_first_lasting_hit(hits, lasting, low, high):
    hit = np.array([[c == "1"] for c in hits])
    found = acquired(hit, 10.0 * np.arange(1, len(hits) + 1), lasting)
    assert (found[0][0], found[1][0]) == (low, high)


def test_acquired_is_what_a_loop_over_items_finds():
    rng = np.random.default_rng(0)
    hit = rng.random((12, 400)) < np.linspace(0.1, 0.9, 12)[:, None]
    tokens = np.cumsum(rng.random(12))
    for lasting in (1, 2, 4):
        low, high = acquired(hit, tokens, lasting)
        for j in range(hit.shape[1]):
            starts = [i for i in range(12 - lasting + 1) if hit[i : i + lasting, j].all()]
            if starts:
                expected = (tokens[starts[0] - 1] if starts[0] else 0.0, tokens[starts[0]])
            else:
                misses = np.flatnonzero(~hit[:, j])
                expected = (tokens[misses[-1]] if len(misses) else 0.0, INF)
            assert (low[j], high[j]) == expected


def test_items_of_a_cube():
    cube = simulated()
    found = item_times(cubes.validate(cube), "translation", 3)
    none = np.asarray(cube["overlap"] == 0) & ~np.eye(5, dtype=bool)[..., None]
    assert len(found) == none.sum()
    every = item_times(cubes.validate(cube), "translation", 3, every_item=True)
    assert len(every) == 5 * 4 * 24
    i = 7
    hits = np.asarray(cube["translation_outcome"])[0, :, every.source[i], every.target[i], every.concept[i]] == 1
    assert every.high[i] == GRID[hits.argmax()] and every.low[i] == GRID[hits.argmax() - 1]


def test_items_not_asked_at_some_checkpoints_skip_them():
    cube = simulated()
    outcome = cube["translation_outcome"].values
    outcome[0, :, 0, 1, :] = 0
    outcome[0, 10:, 0, 1, :] = 1
    outcome[0, 8:10, 0, 1, :] = -1
    found = item_times(cubes.validate(cube), "translation", 3, every_item=True)
    mine = (found.source == 0) & (found.target == 1)
    assert np.all(found.low[mine] == GRID[7]) and np.all(found.high[mine] == GRID[10])


def covariates(cube, names=None, every=True):
    cube = cubes.validate(cube)
    return design(cube, item_times(cube, "translation", 3, every), names)


def test_covariates_are_gathered_from_whatever_the_cube_holds():
    found = covariates(simulated())
    by_name = {c.name: c for c in found.covariates}
    assert set(by_name) >= {"overlap", "frequency", "part_of_speech", "source_share", "target_share"}
    assert by_name["target_share"].of == "language" and "log target_share" in by_name["target_share"].terms[0]
    assert by_name["frequency"].of == "concept" and "log frequency" in by_name["frequency"].terms[0]
    share = np.log(np.array([0.5, 0.25, 0.12, 0.08, 0.05]))[found.items.target]
    np.testing.assert_allclose(by_name["target_share"].columns[:, 0], (share - share.mean()) / share.std())
    assert by_name["overlap"].terms == ("shared_token against none",)
    np.testing.assert_array_equal(
        by_name["overlap"].columns[:, 0],
        simulated()["overlap"].values[found.items.source, found.items.target, found.items.concept],
    )
    assert found.left_out["gloss"] == "has 24 levels, more than 12"
    assert "overlap" in covariates(simulated(), every=False).left_out


def test_covariates_that_say_nothing_new_or_are_missing():
    cube = simulated()
    cube["twice"] = 2 * np.log(cube["frequency"]) + 1
    cube["half"] = cube["frequency"].where(cube["frequency"] > cube["frequency"].median())
    cube["empty"] = cube["frequency"] * np.nan
    found = covariates(cube, ["frequency", "twice", "empty"])
    assert [c.name for c in found.covariates] == ["frequency"] and "determined" in found.left_out["twice"]
    assert "no value" in found.left_out["empty"] and found.n_missing == 0
    assert covariates(cube, ["half"]).n_missing == 12 * 20
    with pytest.raises(UserError, match="did you mean 'frequency'"):
        covariates(cube, ["frequenzy"])


def test_a_level_never_acquired_is_set_aside():
    cube = simulated()
    cube["translation_outcome"][:, :, :, 4] = 0
    cube["translation_outcome"][:, :, 4, 4] = -1
    found = covariates(cube, ["target"])
    assert found.n_set_aside == 4 * 24 and "never acquired" in found.left_out["target=ja"]
    assert not any("ja" in t for c in found.covariates for t in c.terms)


def test_item_times_select():
    made = ItemTimes(*(np.arange(3) for _ in range(4)), np.array([0.0, 1, 2]), np.array([1.0, 2, INF]))
    assert list(made.right) == [False, False, True] and list(made.left) == [True, False, False]
    assert len(made.where(made.right)) == 1
