"""Sensitivity: one choice varied at a time, and whether the answer holds."""

from dataclasses import replace

import numpy as np
import pytest

import calque
from calque.data.errors import UserError
from calque.phases.results import Outcome, VariedAnswer
from calque.phases.sensitivity.varied import holds
from tests.test_phases_schedules import TOKENS, cube

CLEAR = 0.1 + 0.5 * (TOKENS > 25e9) * -np.expm1(-np.maximum(0, TOKENS - 25e9) / 6e9)


@pytest.fixture(scope="module")
def clear():
    """A clear delayed start, asked with every choice varied."""
    return calque.detect(cube(CLEAR, step=TOKENS / 1e6), metric="score", boot=99, sensitivity=True)


def test_a_clear_answer_holds_and_every_choice_is_varied(clear):
    found = clear.to_dict()["sensitivity"]
    assert found[0]["variation"] == "as asked" and {a["kind"] for a in found} == {
        "asked", "height", "level", "checkpoints", "noise", "axis"
    }  # fmt: skip
    names = [a["variation"] for a in found]
    assert {
        "takeoff at 3 points", "takeoff at 10 points", "level 90 %", "without the first checkpoint",
        "without the last fifth", "noise of one variance, not of counts", "growth per step",
    } <= set(names)  # fmt: skip
    assert len(set(names)) == len(names) and {a["delay"] for a in found} == {"found"}
    assert all(a["holds"] for a in found if a["kind"] != "checkpoints"), found
    asked = clear.report.of("r", "score", "takeoff")
    assert found[0]["tokens"] == asked.tokens and found[0]["low"] == asked.low, "as asked is what the report says"
    moved = next(a for a in found if a["variation"] == "growth per step")
    assert moved["tokens"] == pytest.approx(asked.tokens, rel=0.05), "in tokens, whatever the axis"
    higher = next(a for a in found if a["variation"] == "takeoff at 10 points")
    assert higher["tokens"] > asked.tokens
    assert next(a for a in found if a["variation"] == "without the last fifth")["n_checkpoints"] == 48
    alone = [a for a in found if a["variation"].startswith("without one checkpoint, ")]
    assert [a["variation"].split("(")[1] for a in alone] == ["earliest takeoff of all)", "latest takeoff of all)"]
    assert all(a["n_checkpoints"] == 59 for a in alone) and alone[0]["tokens"] <= alone[1]["tokens"]


def test_it_stands_in_terminal_report_and_tables(clear, tmp_path):
    text = clear.summary()
    assert "does the answer hold?" in text and "the answer (delayed start found, takeoff" in text
    assert "growth per step" in text and "learning rate of run 'r' is not known" in text
    clear.to_html(tmp_path / "r.html")
    page = (tmp_path / "r.html").read_text()
    assert "<h2>Sensitivity</h2>" in page and page.count("without the third fifth") >= 2, "in table and picture"
    assert len(clear.tables()["sensitivity"].rows) == len(clear.report.sensitivity)
    assert "sensitivity" not in calque.detect(cube(CLEAR), metric="score", boot=19).tables()


def test_an_answer_that_hangs_on_the_last_fifth_is_told():
    late = 0.1 + 0.3 * np.clip((TOKENS - 50e9) / 5e9, 0, 1)
    found = calque.detect(cube(late), metric="score", boot=99, sensitivity=True)
    last = next(a for a in found.report.sensitivity if a.variation == "without the last fifth")
    assert not last.holds and last.tokens is None
    assert "without the last fifth (delayed start none, takeoff none)" in " ".join(found.summary().split())


ASKED = VariedAnswer(run="r", group="", metric="m", variation="as asked", kind="asked", delay=Outcome.FOUND,
                     p_value=0.01, outcome=Outcome.FOUND, tokens=10.0, low=8.0, high=13.0, n_checkpoints=60,
                     holds=True)  # fmt: skip


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({}, True), ({"tokens": 12.0, "low": 11.0, "high": 14.0}, True), ({"delay": Outcome.SMOOTH}, False),
        ({"tokens": 14.0, "low": 9.5, "high": 20.0}, True), ({"tokens": 14.0, "low": 13.5, "high": 20.0}, False),
        ({"tokens": 14.0, "low": 13.5, "high": 20.0, "kind": "height"}, True), ({"tokens": None}, False),
        ({"tokens": 3.0, "low": None, "high": 11.0}, True), ({"tokens": 30.0, "low": 20.0, "high": None}, False),
    ],
)  # fmt: skip
def test_what_holds(change, same):
    assert holds(ASKED, replace(ASKED, **{"kind": "noise", **change})) is same


def test_what_leaves_too_few_checkpoints_is_not_asked():
    few = calque.detect(cube(CLEAR[::7], TOKENS[::7]), metric="score", boot=19, sensitivity=True)
    names = [a.variation for a in few.report.sensitivity]
    assert len(TOKENS[::7]) == 9 and "without the first checkpoint" in names and "without the last fifth" in names
    assert "without the first fifth" not in names


def test_a_classical_model_has_no_sensitivity():
    with pytest.raises(UserError, match="goes with the dictionary alone"):
        calque.detect(cube(CLEAR), metric="score", family="kink", sensitivity=True)
