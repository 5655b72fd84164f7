"""The table of false discoveries: an interrupted run goes on, and shares are of the models that were probed."""

import json

import pytest

from tests.benchmarks import components_nulls, components_power
from tests.benchmarks.components_nulls import SIZES, go_on, null_table


@pytest.fixture
def probed(monkeypatch):
    seen = []

    def null(shape, seed, words, probes):
        seen.append((shape["layers"], seed, probes))
        return {name: [0.01 if seed == 0 else 0.8, seed, 4] for name in probes}

    monkeypatch.setattr(components_nulls, "null", null)
    return seen


def test_what_is_done_is_not_done_again_and_a_line_cut_short_is(probed, tmp_path):
    file = tmp_path / "kept.jsonl"
    found = go_on(file, 4, 60, (("a", "b"), ("c",)))
    assert len(probed) == len(SIZES) * 4 * 2
    first = next(iter(found.values()))
    assert first["scores"]["a"] == {"of": 4, "models": 0.25, "tests": 6 / 16}
    text = file.read_text()
    file.write_text(text[: text.rindex("{") + 20])
    probed.clear()
    assert go_on(file, 4, 60, (("a", "b"), ("c",)))[list(SIZES)[-1]]["scores"] == found[list(SIZES)[-1]]["scores"]
    assert len(probed) == 1
    assert len(file.read_text().splitlines()) == len({*file.read_text().splitlines()}) == len(SIZES) * 8


def test_after_its_minutes_no_model_is_begun_and_the_table_says_how_many_there_are(probed, tmp_path):
    file = tmp_path / "kept.jsonl"
    go_on(file, 1, 60, (("a",),))
    assert go_on(file, 3, -1, (("a",), ("c",))) == go_on(file, 1, 60, (("a",),))
    lines = null_table(go_on(file, 1, 60, (("a",),)))
    assert lines[2] == f"| {next(iter(SIZES))} | a | 1 | 1.000 | 0.000 |"
    assert [json.loads(line)["seed"] for line in file.read_text().splitlines()] == [0] * len(SIZES)


@pytest.mark.parametrize("planted", [name for name in components_power.PLANTED if "width 8" not in name])
def test_what_is_planted_largest_is_found_there(planted):
    plant, sizes = components_power.PLANTED[planted]
    if "looks back" in planted:
        sizes = sizes[:1]  # with a sharper one its own random phases look there as often
    for score, (_, there, _) in plant(sizes[-1], 0).items():
        assert there, score
