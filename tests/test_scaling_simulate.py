"""Simulated cubes: what the items say equals the truth that is handed back."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from calque.data import cube as cubes
from calque.data.cube import OUTCOMES, OVERLAPS
from calque.data.errors import UserError
from calque.scaling.simulate.curves import centre, crossing, place, unit_shape
from calque.scaling.simulate.result import Simulation, truth_of
from calque.scaling.simulate.simulate import simulate
from calque.scaling.simulate.truth import Truth


def make(**changes: Any) -> Truth:
    base: dict[str, Any] = {
        "sizes": [{"name": "s", "n_params_non_embedding": 2e7}, {"name": "m", "n_params_non_embedding": 6e7}],
        "seeds": 2,
        "checkpoints": {"count": 40, "first": 1e8, "last": 2e11},
        "languages": ["en", "de", "ru"],
        "concepts": 40,
        "law": {"t0": 4e9, "c": 5.8e14, "gamma": 0.6},
    }
    return Truth.model_validate(base | changes)


def rates(cube: xr.Dataset) -> dict[str, xr.DataArray]:
    """Rates by the cube's own definitions, written out again here."""
    outcome, overlap = cube["translation_outcome"], cube["overlap"]
    off = cube["source"] != cube["target"]
    right = outcome == OUTCOMES.index("translated")
    same = overlap == OVERLAPS.index("identical")
    clean = off & (overlap == OVERLAPS.index("none"))
    if "exposure" in cube:
        clean = clean & (cube["exposure"] == 0)
    mean = ("source", "target", "concept")
    return {
        "copying": right.where(same | ~off).mean(mean),
        "false_copying": (outcome == OUTCOMES.index("copied")).where(off & ~same).mean(mean),
        "translation": right.where(clean).mean(mean),
    }


@pytest.fixture(scope="module")
def plain() -> Simulation:
    return simulate(make(exposure={"paired": 0.3, "lead": 0.5}), seed=3)


@pytest.mark.simulation
def test_rates_from_items_equal_the_true_curves() -> None:
    truth = make(
        seeds=40,
        sizes=[{"name": "s", "n_params_non_embedding": 2e7}],
        law={"t0": 4e9, "c": 5.8e14, "gamma": 0.6, "seed_sd": 0},
        noise={"rho": 0.5, "sd": 0.3},
        logprobs="none",
        overlap={"identical": 0.06, "shared_token": 0.15, "lead": 0.5},
        exposure={"paired": 0.3, "lead": 0.5},
    )
    simulation = simulate(truth, seed=1)
    for metric, seen in rates(simulation.cube).items():
        error = (seen - simulation.rates[metric]).mean("run")
        spread = seen.std("run", ddof=1) / np.sqrt(40)
        z = error / spread.where(spread > 0)
        assert float(np.abs(error).max()) < 0.03, metric
        assert 0.4 < float((z**2).mean()) < 2.0, metric


def test_items_that_share_tokens_or_were_paired_lead(plain: Simulation) -> None:
    cube = plain.cube
    off = cube["source"] != cube["target"]
    right = (cube["translation_outcome"] == 1).where(off & (cube["overlap"] == OVERLAPS.index("none")))
    paired = right.where(cube["exposure"] == 1).mean(("run", "source", "target", "concept"))
    never = right.where(cube["exposure"] == 0).mean(("run", "source", "target", "concept"))
    assert float((paired - never).max()) > 0.1


def test_takeoffs_are_exact_on_the_true_curves(plain: Simulation) -> None:
    table = plain.takeoffs.set_index(["run", "metric"])["tokens"]
    for run in plain.cube["run"].values:
        tokens = plain.cube["tokens"].sel(run=run).values
        for metric in ("copying", "translation"):
            rate = plain.rates[metric].sel(run=run).values
            gain = np.interp(np.log(table[run, metric]), np.log(tokens), rate) - rate[0]
            assert gain == pytest.approx(0.05, abs=0.03)
        assert table[run, "translation"] / table[run, "copying"] == pytest.approx(4.0)
        assert table[run, "copying"] < table[run, "false_copying"] < table[run, "translation"]


def test_seeds_scatter_the_law_as_stated() -> None:
    truth = make(
        seeds=300, concepts=2, languages=["en", "de"], logprobs="none",
        checkpoints={"count": 8, "first": 1e8, "last": 2e11},
        sizes=[{"name": "s", "n_params_non_embedding": 2e7}],
        law={"t0": 4e9, "c": 5.8e14, "gamma": 0.6, "seed_sd": 0.1},
    )  # fmt: skip
    table = simulate(truth, seed=0).takeoffs
    log = np.log(table.loc[table.metric == "translation", "tokens"].to_numpy(float) / truth.law.takeoff(2e7))
    assert abs(log.mean()) < 4 * 0.1 / np.sqrt(300)
    assert log.std(ddof=1) == pytest.approx(0.1, rel=0.2)


def test_same_seed_same_cube_and_runs_do_not_depend_on_each_other() -> None:
    one, two, other = (simulate(make(), seed=s).cube for s in (5, 5, 6))
    assert one.identical(two)
    assert not one["translation_outcome"].equals(other["translation_outcome"])
    fewer = simulate(make(sizes=[{"name": "s", "n_params_non_embedding": 2e7}]), seed=5).cube
    assert fewer["translation_outcome"].equals(one["translation_outcome"].sel(run=fewer["run"]))


def test_written_cube_carries_its_truth(plain: Simulation, tmp_path: Path) -> None:
    path = tmp_path / "cube.nc"
    cubes.write(plain.cube, path, groups={"truth": plain.rates})
    back = cubes.read(path)
    assert back["translation_outcome"].dtype == np.int8
    assert back.attrs["calque_schema"] == cubes.SCHEMA
    record = truth_of(back)
    assert Truth.model_validate(record["truth"]) == make(exposure={"paired": 0.3, "lead": 0.5})
    assert [t["tokens"] for t in record["takeoffs"]] == plain.takeoffs["tokens"].tolist()
    np.testing.assert_array_equal(cubes.read(path, group="truth")["translation"], plain.rates["translation"])
    with pytest.raises(UserError, match="truth_json"):
        truth_of(back.drop_attrs())


def test_items_are_consistent(plain: Simulation) -> None:
    cube = plain.cube
    assert set(np.unique(cube["translation_outcome"])) == {0, 1, 2, 3}
    same = (cube["overlap"] == OVERLAPS.index("identical")).transpose("source", "target", "concept")
    assert np.array_equal(cube["overlap"].values, cube["overlap"].values.swapaxes(0, 1))
    assert same.values[np.arange(3), np.arange(3)].all()
    assert not ((cube["translation_outcome"] == 2) & same).any()  # an accepted word is never a false copy
    assert float(cube["translation_logprob"].max()) <= 0
    assert cube["copy_logprob"].where(same).equals(cube["translation_logprob"].where(same))


def test_late_runs_are_censored_and_early_ones_said_to_be() -> None:
    late = simulate(make(law={"t0": 1e12, "c": 0, "gamma": 0.5}, copying={"lag": 2.0})).takeoffs
    assert set(late.loc[late.metric == "translation", "outcome"]) == {"censored"}
    early = simulate(make(law={"t0": 2e8, "c": 0, "gamma": 0.5}, copying={"lag": 10.0})).takeoffs
    assert set(early.loc[early.metric == "copying", "outcome"]) == {"before_first"}
    with pytest.raises(UserError, match="translation: a logistic curve of width 20 cannot rise"):
        simulate(make(translation={"shape": "logistic", "width": 20.0}))


@pytest.mark.parametrize("shape", ["sharp", "saturating", "logistic"])
def test_curves_are_placed_by_their_takeoff(shape: Any) -> None:
    m = place(1e10, 1e8, 0.1, shape, 0.3, 1.5)
    x = np.log10(np.geomspace(1e8, 1e12, 4001))
    rate = unit_shape(x - m, shape, 0.3, 1.5)
    assert crossing(10**x, rate, 0.1) == pytest.approx(1e10, rel=1e-5)
    assert (np.diff(rate) >= 0).all() and rate[-1] > 0.9


def test_saturating_growth_is_concave_in_tokens() -> None:
    tokens = np.linspace(1e8, 1e11, 500)
    m = place(1e10, 1e8, 0.1, "saturating", 0.3, 1.5)
    assert (np.diff(unit_shape(np.log10(tokens) - m, "saturating", 0.3, 1.5), 2) <= 1e-12).all()


def test_centres_keep_the_mean() -> None:
    rng = np.random.default_rng(0)
    rate = np.array([0.01, 0.2, 0.5, 0.97])
    np.testing.assert_allclose(1 / (1 + np.exp(-centre(rate, 0.0))), rate)
    drawn = 1 / (1 + np.exp(-(centre(rate, 0.8)[:, None] + 0.8 * rng.normal(size=(4, 400_000)))))
    np.testing.assert_allclose(drawn.mean(1), rate, atol=0.002)


def test_languages_take_off_by_their_shares() -> None:
    shares = {"en": 0.7, "de": 0.25}
    law = {"t0": 4e9, "c": 5.8e14, "gamma": 0.6, "eta": 0.5, "language_sd": 0.0, "seed_sd": 0.0}
    simulation = simulate(make(mixes=[{"name": "skewed", "shares": shares}], law=law, seeds=1, concepts=80), seed=2)
    record = truth_of(simulation.cube)
    times = {row["language"]: row for row in record["languages"] if row["run"] == "s-s0"}
    assert times["en"]["share"] == 0.7 and times["ru"]["share"] == pytest.approx(0.05)
    assert times["ru"]["tokens"] / times["en"]["tokens"] == pytest.approx((0.7 / 0.05) ** 0.5)
    np.testing.assert_allclose(simulation.cube["share"].sum("language"), 1)
    off = simulation.cube["source"] != simulation.cube["target"]
    clean = off & (simulation.cube["overlap"] == OVERLAPS.index("none"))
    right = (simulation.cube["translation_outcome"] == 1).where(clean).mean(("source", "concept")).isel(run=0)
    reached = {code: int((right.sel(target=code) > 0.2).argmax("checkpoint")) for code in ("en", "de", "ru")}
    assert reached["en"] < reached["de"] < reached["ru"]
    # The run's own takeoff is that of the mean over languages: between the first's and the last's.
    run = next(r for r in record["takeoffs"] if r["run"] == "s-s0" and r["metric"] == "translation")
    assert times["en"]["tokens"] < run["tokens"] < times["ru"]["tokens"]
    gained = simulation.rates["translation"].isel(run=0)
    at = np.interp(np.log(run["tokens"]), np.log(simulation.cube["tokens"].isel(run=0)), gained - gained[0])
    assert at == pytest.approx(0.05, abs=0.01)


@pytest.mark.parametrize(
    ("shares", "words"),
    [
        ({"en": 0.7, "fr": 0.1}, "'fr' is no language of this study"),
        ({"en": 0.7, "de": 0.4}, "shares add up to 1.1; expected 1, less than that for the 1 language not named"),
        ({"en": 0.2, "de": 0.2, "ru": 0.2}, "shares add up to 0.6; expected 1 "),
    ],
)
def test_shares_are_checked(shares: dict[str, float], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        make(mixes=[{"name": "m", "shares": shares}])
