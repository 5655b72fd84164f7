"""Forecasts: right where they can be, refused in one sentence where they cannot."""

import json
import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from calque.data.errors import UserError
from calque.data.quantities import format_count
from calque.scaling.forecast.forecast import forecast
from calque.scaling.forecast.result import Forecast
from calque.scaling.forecast.rollout import Rollout, discrepancy, rollouts
from calque.scaling.forecast.sentences import sentences
from calque.scaling.ladder import select
from calque.scaling.named_sizes import NAMED_SIZES, parse_amount, parse_size
from calque.scaling.observations import Observation

N = (2e7, 6e7, 1.8e8, 5.4e8)


def floor(n: float) -> float:
    return 4e9 + 5.8e14 * n**-0.6


def power(n: float) -> float:
    return 5.8e14 * n**-0.6


def runs(law=floor, n=N, sd: float = 0.02, seeds: int = 2) -> list[Observation]:  # type: ignore[no-untyped-def]
    rng = np.random.default_rng(3)
    found = []
    for value in n:
        for s in range(seeds):
            t = law(value) * math.exp(sd * rng.normal())
            half = math.exp(1.96 * max(sd, 0.01))
            found.append(
                Observation(
                    run=f"{format_count(value)}-{s}", size=format_count(value), n=value, kind="located", tokens=t,
                    low=t / half, high=t * half,
                )
            )  # fmt: skip
    return found


def late(n: float, last: float = 1e10) -> Observation:
    return Observation(run=f"late{n:g}", size=format_count(n), n=n, kind="right", low=last, outcome="censored")


@pytest.mark.parametrize(
    ("text", "value"),
    [("1.7b", 1_132_562_432), ("1.7B", 1_132_562_432), ("350m", 3.5e8), ("1e9", 1e9), ("2_000_000", 2e6), ("4k", 4e3)],
)  # fmt: skip
def test_sizes_are_parsed(text: str, value: float) -> None:
    assert parse_size(text) == value
    assert NAMED_SIZES["1.7b"] == 1_669_433_344 - 2 * 131_072 * 2048


def test_words_of_the_ladder_name_its_sizes_and_amounts_are_amounts() -> None:
    table = (Path(__file__).parent.parent / "docs" / "MODELS.md").read_text()
    for word, count in NAMED_SIZES.items():
        assert re.search(rf"\| `{re.escape(word)}` \|[^\n]*\| {count:,} \|", table), word
    assert parse_size("410m") == 141_583_360
    assert parse_amount("1.7b", "tokens") == 1.7e9
    with pytest.raises(UserError, match="`tokens` 'many' is no amount; expected one such as 37b"):
        parse_amount("many", "tokens")


@pytest.mark.parametrize("text", ["", "big", "-3m", "0", "nan", "inf", "1.7bb", "b"])
def test_no_size_is_said(text: str) -> None:
    with pytest.raises(UserError, match="expected non-embedding parameters as 1.7b"):
        parse_size(text)


@pytest.mark.simulation
def test_forecast_holds_the_truth_and_states_its_reach() -> None:
    result = forecast(runs(), "1.7b", draws=1000)
    by = {row.law: row for row in result.rows}
    true = floor(NAMED_SIZES["1.7b"])
    found = by["floor"]
    assert found.outcome == "found" and found.tokens and found.low and found.high
    assert found.low < true < found.high and found.tokens == pytest.approx(true, rel=0.1)
    assert found.extrapolation == pytest.approx(NAMED_SIZES["1.7b"] / 5.4e8)
    assert by["power"].rollout_rms > 2 * by["floor"].rollout_rms  # type: ignore[operator]
    text = " ".join(result.sentences)
    assert "extrapolating to 2.1 times the largest size" in text and "90% interval" in text
    assert "the floor law missed least" in text
    average = by["average"]
    assert average.low and average.high and average.low < true < average.high
    assert average.floor_weight and average.floor_weight > 0.9
    assert result.sentences[0].startswith("By the average of the laws, translation of a 1.7b")
    assert "and was calibrated under either law" in text
    laws = sorted(by[name].tokens or 0.0 for name in ("power", "floor"))
    for tokens, outside in ((laws[0] * 0.99, True), (sum(laws) / 2, False), (laws[1] * 1.01, True)):
        rows = [replace(row, tokens=tokens) if row.law == "average" else row for row in result.rows]
        said = " ".join(sentences(rows, result.observations, "1.7b", NAMED_SIZES["1.7b"], "translation"))
        assert ("The average lies outside the laws' own estimates" in said) is outside
    assert by["power"].discrepancy_sd > 0.05  # type: ignore[operator]


def test_interval_grows_with_level_and_distance_and_is_repeatable() -> None:
    width = {}
    for level, size in ((0.5, "1.7b"), (0.9, "1.7b"), (0.9, "10b")):
        row = forecast(runs(), size, level=level, draws=1000).rows[1]
        assert row.low and row.high
        width[level, size] = math.log(row.high / row.low)
    assert width[0.5, "1.7b"] < width[0.9, "1.7b"] < width[0.9, "10b"]
    one, two = (forecast(runs(), "1.7b", draws=400, seed=4) for _ in range(2))
    assert one == two
    assert one.rows != forecast(runs(), "1.7b", draws=400, seed=5).rows


@pytest.mark.parametrize(("law", "sd", "seeds"), [(power, 0.1, 4), (floor, 0.01, 2)])
def test_interval_adds_its_three_parts(law, sd: float, seeds: int) -> None:  # type: ignore[no-untyped-def]
    row = forecast(runs(law, sd=sd, seeds=seeds), "1.7b").rows[0]
    parts = [row.parameter_sd, row.seed_sd, row.discrepancy_sd]
    assert all(part is not None for part in parts) and row.low and row.high
    assert max(parts[1:]) > (parts[0] or 0)  # type: ignore[type-var]  # the other two matter here
    together = math.sqrt(sum((part or 0) ** 2 for part in parts))
    assert math.log(row.high / row.low) == pytest.approx(2 * 1.645 * together, rel=0.12)


def no_numbers(result: Forecast) -> bool:
    return all(row.tokens is None and row.low is None and row.high is None for row in result.rows)


@pytest.mark.parametrize(
    ("found", "outcomes", "words"),
    [
        (runs(n=N[:1]), ["too_few_points"] * 3, "1 distinct size .*20M.*3 for the power law and 4 for the floor law"),
        (runs(n=N[:2]), ["too_few_points"] * 3, "2 distinct sizes .*20M, 60M.*runs near 378M non-embedding"),
        (runs(n=(2e7, 2e7, 2e7)), ["too_few_points"] * 3, "1 distinct size "),
        ([late(n) for n in N], ["censored"] * 3, "no run .* has a located takeoff.*longer runs of 20M, 60M"),
        ([*runs(n=N[:2]), late(1e7)], ["too_few_points"] * 3, "2 distinct.*longer runs of 10M, which had not"),
        ([], ["too_few_points"] * 3, "holds no run with a takeoff"),
    ],
)  # fmt: skip
def test_too_little_is_one_plain_sentence(found: list[Observation], outcomes: list[str], words: str) -> None:
    result = forecast(found, "1.7b")
    assert [row.outcome for row in result.rows] == outcomes and no_numbers(result)
    assert len(result.sentences) == 1
    assert re.search(words, result.sentences[0]), result.sentences[0]
    assert result.sentences[0].startswith("No forecast for 1.7b (1.13B non-embedding parameters): ")


def test_three_sizes_give_the_power_law_alone() -> None:
    result = forecast(runs(power, N[:3]), "1.7b", draws=400)
    assert [row.outcome for row in result.rows] == ["found", "too_few_points", "too_few_points"]
    assert any("No forecast by the floor law: 3 distinct sizes" in s for s in result.sentences)


def test_far_flat_and_vague_forecasts_have_no_point() -> None:
    far = forecast(runs(), "1t", draws=400)
    assert no_numbers(far) and len(far.sentences) == 1
    assert far.sentences[0].endswith("by any law: 1,900 times beyond the sizes measured is too far to extrapolate.")
    close = forecast(runs(n=(1e8, 1.2e8, 1.5e8, 1.8e8), sd=0.15), "10b", draws=400)
    for row in close.rows:
        assert row.outcome == "not_sharply_located" and row.tokens is None and row.low and row.high
    assert "spans a factor" in close.rows[0].reason
    assert "do not tell a floor from a power law" in close.rows[1].reason
    assert all("No point forecast" in s for s in close.sentences[:2])


def test_runs_not_there_yet_count() -> None:
    # The smallest size is later than all that was seen of it: the law must be steep enough to say so.
    without = forecast(runs(power, N[1:], sd=0.05), "1.7b", draws=400).rows[0]
    result = forecast([*runs(power, N[1:], sd=0.05), late(2e7, 6e10)], "1.7b", draws=400)
    assert result.rows[0].tokens and without.tokens
    assert result.rows[0].tokens < without.tokens
    assert any("1 run had not taken off by the end" in s for s in result.sentences)


def test_rollouts_leave_out_the_largest_first() -> None:
    found = rollouts(runs(power), "power", draws=400)
    assert [r.n for r in found] == [5.4e8, 1.8e8]
    assert all(abs(r.error) < 0.2 and r.distance == pytest.approx(math.log(3)) for r in found)
    missed = rollouts(runs(floor), "power", draws=400)
    assert missed[0].error > 0.1  # the floor keeps the largest later than the power law says


def test_discrepancy_is_what_is_not_explained() -> None:
    def rollout(error: float, variance: float) -> Rollout:
        return Rollout(n=1e8, distance=1.0, error=error, variance=variance)

    assert discrepancy([], 1.0) == 0.0
    assert discrepancy([rollout(0.1, 0.02)], 1.0) == 0.0
    assert discrepancy([rollout(0.5, 1e-9)], 1.0) == pytest.approx(0.5, rel=0.05)
    assert discrepancy([rollout(0.5, 1e-9)], 4.0) == pytest.approx(1.0, rel=0.05)
    vague = [rollout(0.5, 1e-9), rollout(0.1, 25.0)]  # an imprecise roll-out says nothing against it
    assert discrepancy(vague, 1.0) == pytest.approx(0.5, rel=0.05)


def test_report_is_strict_json() -> None:
    report = replace(forecast(runs(n=N[:2]), "1.7b"), cube_name="results.nc").to_dict()
    back = json.loads(json.dumps(report, allow_nan=False))
    assert back["schema"] == 1 and back["cube"] == "results.nc" and back["size"] == "1.7b"
    assert back["n_params_non_embedding"] == 1_132_562_432
    assert {"law", "tokens", "low", "high", "level", "outcome", "reason"} <= set(back["rows"][0])
    assert {"run", "size", "n", "tokens", "low", "high", "outcome"} <= set(back["transitions"][0])


# ------------------------------------------------------------------ which runs make one ladder
@pytest.fixture
def cube() -> xr.Dataset:
    return xr.Dataset(
        {"tokens": (("run", "checkpoint"), np.tile([1e9, 2e9], (5, 1)))},
        coords={
            "run": list("abcde"),
            "mix": ("run", ["uniform"] * 3 + ["skewed"] * 2),
            "seed": ("run", [0, 1, 0, 0, 0]),
            "n_params_non_embedding": ("run", [1e7, 1e7, 1e7, 1e7, 2e7]),
        },
    )


def test_mixes_are_not_pooled(cube: xr.Dataset) -> None:
    kept, note = select(cube)
    assert list(kept["run"].values) == ["d", "e"]  # more sizes, though fewer runs
    assert note and "2 runs of mix skewed are used, 3 others are not" in note
    kept, note = select(cube, ["mix=uniform"])
    assert list(kept["run"].values) == ["a", "b", "c"] and note is None
    assert list(select(cube, ["mix = uniform", "seed=1"])[0]["run"].values) == ["b"]
    assert select(cube.drop_vars("mix"))[0].sizes["run"] == 5


@pytest.mark.parametrize(
    ("condition", "words"),
    [("mix", "is no condition"), ("mx=uniform", "did you mean 'mix'"), ("mix=unifrm", "did you mean 'uniform'")],
)
def test_conditions_are_checked(cube: xr.Dataset, condition: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        select(cube, [condition])


def test_downwards_there_is_a_limit_too_and_within_there_is_none() -> None:
    assert "within the sizes run" in forecast(runs(), "100m", draws=500).sentences[0]
    below = forecast(runs(), "1m", draws=500)
    assert "20 times below the smallest size" in below.sentences[0]
    assert any("nothing in the data shows that a law holds so far" in line for line in below.sentences)
    gone = forecast(runs(), "1000", draws=500)
    assert len(gone.sentences) == 1 and "too far to extrapolate" in gone.sentences[0]


def test_a_law_alone_is_said_to_be_alone() -> None:
    three = tuple(o for o in runs() if o.n > 3e7)
    found = forecast(three, "1.7b", draws=500)
    assert any(line.startswith("Only one law could be fitted") for line in found.sentences)
    assert not any(line.startswith("Only one law") for line in forecast(runs(), "1.7b", draws=500).sentences)
