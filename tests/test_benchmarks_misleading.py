"""The page on where the report misleads: which kinds are on it, and what the pictures show."""

import json

import pytest

from calque.phases.calibration.cells import chosen
from calque.phases.calibration.grids import BEGIN, END
from tests.benchmarks import misleading
from tests.test_phases_pathologies import MINE


def cell(name, figure, value, low=None, high=None, verdict="missed"):
    return {
        "cell": f"pathology/{name}", "replicates": 60,
        "figures": {figure: {"value": value, "error": 0.02, "n": 60}},
        "targets": [{"figure": figure, "low": low, "high": high, "verdict": verdict}],
    }  # fmt: skip


TABLE = {
    "settings": {"seed": 0, "boot": 19},
    "cells": [
        cell("schedule/anneal", "late", 0.0, high=0.07, verdict="met"),
        cell("falls/abrupt-fall", "reported", 0.55, high=0.05),
        cell("falls/gradual-fall", "reported", 0.2, high=0.05),
        cell("dip/back", "late", 0.1, high=0.07, verdict="missed?"),
    ],
}


def test_every_kind_has_its_words():
    assert {c.name.split("/")[1] for c in MINE} == set(misleading.KINDS)
    assert {t.figure for c in MINE for t in c.targets if t.text != "–"} == set(misleading.FIGURES)


def test_the_page_has_a_picture_and_figures_of_what_is_clearly_missed(tmp_path, capsys):
    (tmp_path / "t.json").write_text(json.dumps(TABLE))
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    words = ["--table", str(tmp_path / "t.json"), "--page", str(page), "--images", str(tmp_path)]
    assert misleading.main(words) == 0
    text = page.read_text()
    assert "4 designs were simulated; 1 of 6 kinds clearly miss a target, and 1 more" in text and "old" not in text
    assert text.count("###") == 1 and "### Scores that only fall" in text and "after" in text
    assert "| falls/abrupt-fall | given a takeoff | 0.550 ± 0.020 | <= 0.05 | 60 |" in text
    assert "The report says: delayed start" in text and (tmp_path / "misleading_falls.png").stat().st_size > 5000
    (tmp_path / "t.json").write_text("{}")
    with pytest.raises(SystemExit):
        misleading.main(words)
    assert "is no table of tests.benchmarks.pathologies" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "figure", "found", "wrong"),
    [
        ("falls/abrupt-fall", "reported", {"reported": 1}, True),
        ("falls/abrupt-fall", "reported", {"reported": 0}, False),
        ("schedule/anneal", "late", {"late": 1}, True), ("power/sciq/pythia", "late", {"late": 1}, False),
        ("power/sciq/pythia", "late", {"late": 0}, True),
        ("dip/late", "covered_if_reported", {"reported": 1, "low": -9, "high": -8}, True),
        ("dip/late", "covered_if_reported", {"reported": 1, "low": -9, "high": 0}, False),
        ("dip/late", "covered_if_reported", {"reported": 0, "low": -9, "high": -8}, False),
    ],
)  # fmt: skip
def test_what_shows_a_failure(name, figure, found, wrong):
    assert misleading.shows(chosen("standard", [f"pathology/{name}"])[0], figure, found) is wrong
