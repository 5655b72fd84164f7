"""`phases compare`: places agree where their intervals overlap; what cannot be compared is said."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from calque.data.errors import UserError
from calque.phases.api.compare import compare
from calque.phases.cli import app

REFERENCE = Path(__file__).parent.parent / "docs/findings/quick.json"


@pytest.fixture
def other(tmp_path):
    """The committed analysis, with another place for one takeoff and one lag, and a run renamed."""
    found = json.loads(REFERENCE.read_text())
    rows = {(t["run"], t["metric"]): t for t in found["transitions"] if t["estimand"] == "takeoff"}
    rows["micro-s0", "copying"].update(tokens=9e5, low=8e5, high=1e6)
    rows["micro-s1", "copying"].update(tokens=2.2e5, low=2e5, high=None)
    for row in (*found["transitions"], *found["lags"]):
        row["run"] = {"sample": "text"}.get(row["run"], row["run"])
    next(lag for lag in found["lags"] if lag["run"] == "micro-s0" and lag["first"] == "copying").update(
        log_ratio=0.1, low=0.0, high=0.2
    )
    path = tmp_path / "other.json"
    path.write_text(json.dumps(found))
    return path


def test_an_analysis_agrees_with_itself():
    made = compare(REFERENCE, REFERENCE)
    assert made.counts["differs"] == 0 and made.counts["agrees"] >= 20 and made.counts["no place"] >= 5
    assert not made.only and "micro-s2" in made.summary()


def test_places_apart_differ_and_open_ends_reach_everywhere(other):
    made = compare(other, REFERENCE)
    verdicts = {(row["what"], row["run"], row["metric"]): row["verdict"] for row in made.rows}
    assert verdicts["takeoff", "micro-s0", "copying"] == "differs"
    assert verdicts["takeoff", "micro-s1", "copying"] == "agrees"
    assert verdicts["lag", "micro-s0", "copying > translation"] == "differs"
    assert verdicts["takeoff", "micro-s2", "false_copying"] == "no place"
    assert made.counts["differs"] == 2
    text = made.summary()
    assert "900k (800k to 1M)" in text and "188k (148k to 227k)" in text and "1.11 (1.00 to 1.22)" in text
    assert "only in one of them" in text and "takeoff sample copying" in text
    assert made.plot() is not None


def test_the_command_says_the_same(other):
    done = CliRunner().invoke(app, ["compare", str(other), str(REFERENCE)], catch_exceptions=False)
    assert done.exit_code == 0 and "agree with the reference: their intervals overlap" in " ".join(done.output.split())


def test_analyses_of_other_questions_are_not_compared(tmp_path):
    found = json.loads(REFERENCE.read_text())
    path = tmp_path / "found.json"
    path.write_text(json.dumps({**found, "settings": {**found["settings"], "rise": 0.1}}))
    with pytest.raises(UserError, match="`rise` is 0.1 in one analysis and 0.05 in the other"):
        compare(path, REFERENCE)
    path.write_text(json.dumps({**found, "transitions": [], "lags": []}))
    with pytest.raises(UserError, match="no series in common"):
        compare(path, REFERENCE)
