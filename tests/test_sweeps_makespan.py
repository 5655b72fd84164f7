"""When a study ends on given nodes, what it costs, and how its times and tables are shown."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path

import pytest
from rich.console import Console
from rich.table import Table
from typer.testing import CliRunner

from calque.data.command_line.tables import fitted
from calque.data.errors import UserError
from calque.sweeps.api.plan import how_to_submit, plan
from calque.sweeps.cli import app
from calque.sweeps.plan.makespan import hint, timetable
from calque.sweeps.plan.placement import parse_nodes
from calque.sweeps.plan.tables import time
from calque.sweeps.study.study import Study, read_study

ROOT = Path(__file__).parent.parent


@pytest.fixture
def study(tmp_path: Path) -> Study:
    path = tmp_path / "s.yaml"
    path.write_text(
        "study: s\nbase: hub-gpu\nruns:\n  wide: {training: {devices: 4}}\n  a: {size: 880m}\n"
        "  b: {size: 152m}\n  c: {size: 69m}\n"
    )
    return read_study(path)


def test_runs_are_placed_longest_first_as_soon_as_their_devices_are_free(study: Study) -> None:
    hours = {"wide": 3.0, "a": 10.0, "b": 4.0, "c": 1.0}
    found = timetable(study.runs, hours, parse_nodes("1x4gpu32cpu"))
    assert {name: (slot.start, slot.end, slot.after) for name, slot in found.slots.items()} == {
        "wide": (0, 3, None), "a": (3, 13, "wide"), "b": (3, 7, "wide"), "c": (3, 4, "wide"),
    }  # fmt: skip
    assert (found.hours, found.critical_path) == (13, ("wide", "a"))
    five = timetable(study.runs, hours, parse_nodes("1x5gpu40cpu"))
    assert (five.hours, five.critical_path, five.slots["b"].start, five.slots["c"].after) == (10, ("a",), 3, "wide")
    one = timetable([run for run in study.runs if run.name != "wide"], hours, parse_nodes("1x1gpu8cpu"))
    assert one.hours == 15 and one.critical_path == ("a", "b", "c")
    with pytest.raises(UserError, match="run 'wide' asks for 4 x"):
        timetable(study.runs, hours, parse_nodes("1x3gpu32cpu"))


def test_the_run_that_ends_the_study_gets_devices_where_that_is_worth_it(study: Study) -> None:
    hours = {"wide": 3.0, "a": 10.0, "b": 4.0, "c": 1.0}
    better = hint(study.runs, hours, parse_nodes("2x8gpu64cpu"))
    assert better is not None
    assert (better.runs, better.devices, better.hours) == (("a",), 4, 4.0), "with 4, b ends last"
    assert hint(study.runs, hours | {"a": 4.0}, parse_nodes("2x8gpu64cpu")) is None, "b would still take 4"


def test_the_plan_of_the_full_study_names_what_is_slow_and_the_remedy() -> None:
    found = plan(ROOT / "sweeps" / "full.yaml", nodes="8x8gpu64cpu", price=2.0)
    when, cost = found.estimate["timetable"], found.estimate["cost"]
    assert [slot["run"] for slot in when["critical_path"]] == ["880m-s0"]
    assert when["hours"] == pytest.approx(125, abs=1) and when["hint"]["runs"] == ("880m-s0",)
    assert when["hint"]["devices"] == 2 and when["hint"]["hours"] < 0.8 * when["hours"]
    assert cost["training"] == pytest.approx(2 * found.estimate["total"]["device_hours"])
    assert cost["scoring"] == pytest.approx(2 * found.estimate["total"]["scoring_hours"])
    assert cost["cluster"] == pytest.approx(2 * 64 * when["hours"])
    said = found.summary()
    assert "5.2 days from the launch to the end" in said and "quicker: training.devices: 2 for 880m-s0" in said
    json.loads(found.to_json())
    alone = plan(ROOT / "sweeps" / "full.yaml")
    assert alone.estimate["timetable"] is alone.estimate["cost"] is None
    assert "the longest run, 880m-s0, takes 5.2 days on 1 device" in alone.summary()


@pytest.mark.parametrize(
    ("hours", "text"),
    [
        (0, "0 s"), (1e-5, "less than 1 s"), (20 / 3600, "20 s"), (59.9 / 60, "1 h"), (0.75, "45 min"), (1, "1 h"),
        (4 / 3, "1 h 20 min"), (9.99, "9 h 59 min"), (9.999, "10 h"), (31.2, "31 h"), (122.8, "5.1 days"),
        (24_000, "1,000 days"),
    ],
)  # fmt: skip
def test_times_are_written_as_people_write_them(hours: float, text: str) -> None:
    assert time(hours) == text


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--nodes", "2x"], "--nodes is '2x'; expected COUNTxGPUSgpuCPUScpu"),
        (["--price", "-1"], "--price is -1; expected the price of an hour"),
        (["--nodes", "1x32cpu"], "needs a GPU"),
    ],
)
def test_a_cluster_or_a_price_that_makes_no_sense_is_said(words: list[str], said: str) -> None:
    with pytest.raises(UserError) as caught:
        CliRunner().invoke(app, ["plan", str(ROOT / "sweeps" / "full.yaml"), *words], catch_exceptions=False)
    assert said in str(caught.value)


def test_a_folder_of_text_that_is_not_there_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    for text, said in (
        (f"{{folder: {tmp_path / 'none'}}}", "none is missing; expected a folder a language"),
        ("{}", "needs a folder"), (f"{{folder: {tmp_path}, languages: [en]}}", "has no folder of a language"),
    ):  # fmt: skip
        path.write_text(f"study: s\nbase: text-cpu\nruns:\n  a: {{text: {text}}}\n")
        with pytest.raises(UserError, match=said):
            plan(path)
    (tmp_path / "text" / "en").mkdir(parents=True)
    (tmp_path / "text" / "en" / "a.txt").write_text("words\n")
    path.write_text(f"study: s\nbase: text-cpu\nruns:\n  a: {{text: {{folder: {tmp_path}/text, languages: [en]}}}}\n")
    assert len(plan(path).estimate["runs"]) == 1


def test_the_plan_says_how_a_file_that_is_no_command_is_submitted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "job.yaml"
    path.write_text("study: s\nruns: {a: {}}\n")
    assert how_to_submit(path) == [f"to submit it: ray job submit -- sweeps run {path} (the file is not executable)"]
    path.write_text("#!/usr/bin/env -S sweeps run\nstudy: s\nruns: {a: {}}\n")
    path.chmod(0o755)
    assert how_to_submit(path) == []
    monkeypatch.chdir(tmp_path)
    assert "ray job submit ./job.yaml (a file without a folder" in how_to_submit(Path("job.yaml"))[0]
    assert "ray job submit ./job.yaml" in plan("job.yaml").summary()


@pytest.mark.parametrize("width", [60, 80, 100])
def test_no_cell_is_cut_on_a_narrow_terminal(width: int) -> None:
    found = plan(ROOT / "sweeps" / "mix.yaml")
    text = found.summary(width)
    assert "…" not in text and max(map(len, text.splitlines())) <= width
    for run in found.estimate["runs"]:
        assert text.count(f"│ {run['run']} ") == text.count("│ world-s0 ")


def test_a_table_that_fits_stays_one_and_one_that_does_not_repeats_its_first_column() -> None:
    table = Table(title="t", show_footer=True)
    for name in ("run", "first", "second", "third"):
        table.add_column(name, f"sum {name}", no_wrap=True)
    table.add_row("r" * 10, "a" * 20, "b" * 20, "c" * 20)
    console = Console(file=io.StringIO(), width=200)
    assert fitted(table, console) == [table]
    console = Console(file=io.StringIO(), width=40)
    parts = fitted(table, console)
    assert [[column.header for column in part.columns] for part in parts] == [
        ["run", "first"], ["run", "second"], ["run", "third"],
    ]  # fmt: skip
    assert [part.title for part in parts] == ["t", None, None]
    for part in parts:
        console.print(part)
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert "…" not in shown and all(letter * 20 in shown for letter in "abc") and shown.count("r" * 10) == 3
    assert os.linesep.join(shown.splitlines()).count("sum second") == 1
