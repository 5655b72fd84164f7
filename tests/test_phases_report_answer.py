"""What a reader of the report meets first, and takes away: the answer, the overview, the methods, the JSON."""

import base64
import json
import re
from dataclasses import replace

import pytest
from typer.testing import CliRunner

import calque
from calque.data.errors import UserError
from calque.phases.api.cite import cite
from calque.phases.cli import app
from calque.phases.report.answer import answer
from calque.phases.report.forest import takeoff_forest
from calque.phases.report.html import render
from calque.phases.report.methods import methods
from calque.phases.results import DetectionReport, Lag, Outcome, Transition
from calque.phases.wording_of_estimands import ESTIMANDS

SETTINGS = {
    "level": 0.95,
    "rise": 0.05,
    "boot": 99,
    "seed": 7,
    "scale": "log",
    "family": "dictionary",
    "axis": "tokens",
}


def series(run, metric, delay, tokens=None, low=None, high=None, role="exploratory"):
    common = {"run": run, "group": "", "metric": metric, "level": 0.95, "n_checkpoints": 40}
    return (
        Transition(estimand="delay", outcome=delay, reason="r", p_value=0.01, role=role, **common),
        Transition(estimand="takeoff", outcome=Outcome.FOUND if tokens else Outcome.NONE, reason="r", tokens=tokens,
                   low=low, high=high, **common),
    )  # fmt: skip


def report(*rows, lags=()):
    return DetectionReport(cube="c.nc", settings=SETTINGS, transitions=tuple(t for r in rows for t in r), lags=lags)


def lag(run, low, outcome=Outcome.FOUND):
    return Lag(run=run, group="", first="copying", second="translation", log_ratio=1.0, low=low, high=2.0, level=0.95,
               outcome=outcome, reason="r")  # fmt: skip


def test_the_first_sentence_says_what_when_and_with_which_interval():
    made = report(
        series("a", "copying", Outcome.FOUND, 2e6, 1e6, 3e6),
        series("b", "copying", Outcome.SMOOTH, 9e6, 8e6, 10e6),
        series("a", "translation", Outcome.METRIC_DEPENDENT, 5e6, 4e6, 8e6, role="primary"),
        series("b", "translation", Outcome.FOUND, 6e6, 5e6, None, role="primary"),
        lags=(lag("a", 0.5), lag("b", -0.5)),
    )
    first, second = answer(made)
    assert first == (
        "Translation starts late in 2 of 2 series and takes off at 5M to 6M tokens (95 % intervals within 4M to open); "
        "copying starts late in 1 of 2 series and takes off at 2M tokens (95 % interval 1M to 3M); "
        "translation follows copying in 1 of 2, by a factor of 2.7."
    )
    assert second == (
        "These results do not show that the other 1 of 4 series begin without a delay, that a late start is more than "
        "its metric's (in 1 of 3 the log-probability shows none), anything of other seeds (2 runs, 6 are the fewest), "
        "or that there is a corner."
    )


def test_where_nothing_is_shown_it_is_not_said_to_be_absent():
    first, second = answer(report(series("a", "accuracy", Outcome.SMOOTH, 2e6, 1e6, 3e6)))
    assert first == "No delayed start is shown in the one series."
    assert second.startswith("These results do not show that there is none, anything of other seeds (1 run,")
    many = report(*(series(f"r{i}", "accuracy", Outcome.FOUND, 2e6, 1e6, 3e6) for i in range(6)))
    assert "seeds" not in answer(many)[1] and "in 6 of 6 series" in answer(many)[0]


def test_the_overview_has_a_row_for_every_takeoff_with_its_mark():
    assert takeoff_forest(report(series("a", "copying", Outcome.NONE))) is None
    made = report(series("a", "copying", Outcome.FOUND, 2e6, 1e6, 3e6), series("b", "copying", Outcome.FOUND, 3e6, 1e6))
    censored = replace(made.transitions[3], outcome=Outcome.CENSORED)
    picture = takeoff_forest(replace(made, transitions=(*made.transitions[:3], censored)))
    assert ">a<" in picture and ">b, censored<" in picture and "takeoff of copying" in picture
    other = series("a", "translation", Outcome.FOUND, 4e6, 3e6, 5e6)
    both = takeoff_forest(replace(made, transitions=(*made.transitions, *other)))
    assert ">copying, a<" in both and ">translation, a<" in both
    long = "pretrain-large-lr5e-4-batch1024-warmup2000-clip1-seed"
    picture = takeoff_forest(
        report(*(series(f"{long}{i}", "eval/acc_norm", Outcome.FOUND, 2e6, 1e6, 3e6) for i in (1, 2)))
    )
    assert all(f"seed{i}<" in picture for i in (1, 2)) and "pretrain-large" in picture
    assert all(f">{tick}<" in picture for tick in ("1M", "2M")), "an axis of less than a decade has more than one label"


@pytest.fixture(scope="module")
def detected():
    log = calque.import_log("docs/examples/log.csv", metric="accuracy", tokens="tokens", trials=125)
    return calque.detect(log, boot=19, seed=7), log.cube


def test_the_methods_name_versions_settings_seed_and_the_works_that_were_used(detected):
    found, _ = detected
    made = cite(found).to_dict()
    text = made["methods"]
    assert f"Calque {calque.__version__}" in text and "numpy" in text
    assert (
        "19 parametric bootstrap replicates (seed 7)" in text and "5 points above" in text and "95 % interval" in text
    )
    assert "1 series (accuracy) of 1 run, at 40 checkpoints each" in text
    assert len(made["references"]) == made["bibtex"].count("@") == 4
    for reference in made["references"][1:]:
        year, name = re.search(r"(\d{4})\.", reference)[1], reference.partition(",")[0]
        assert re.search(rf"{name}[^;()]* {year}", text), f"{reference} is not named in the text"
    other = methods({**found.to_dict(), "settings": {**SETTINGS, "family": "kink", "rise": 0.1}})
    assert "segmented regression" in other.text and "Patterson" not in other.bibtex and "muggeo2003" in other.bibtex


def test_the_command_reads_what_detect_wrote(detected, tmp_path):
    found, _ = detected
    found.to_json(tmp_path / "d.json")
    done = CliRunner().invoke(app, ["cite", str(tmp_path / "d.json")], catch_exceptions=False)
    assert done.exit_code == 0 and "with Calque" in " ".join(done.output.split())
    done = CliRunner().invoke(app, ["cite", str(tmp_path / "d.json"), "--bibtex"], catch_exceptions=False)
    assert done.output == cite(found).methods.bibtex
    (tmp_path / "p.json").write_text('{"schema": 1, "plans": []}')
    with pytest.raises(UserError, match="phases detect CUBE --json FILE"):
        cite(tmp_path / "p.json")


def test_the_report_begins_with_the_answer_and_holds_its_json_and_methods(detected):
    found, cube = detected
    page = render(found.report, cube)
    first, second = answer(found.report)
    assert page.index(first) < page.index(second) < page.index("<h2>All takeoffs") < page.index("<h2>What was asked")
    assert "translation" not in page.partition("How to read this")[0], "words fit the metrics at hand"
    held = base64.b64decode(re.search(r"data:application/json;base64,([^\"]+)", page)[1])
    assert json.loads(held) == json.loads(json.dumps(found.report.to_dict()))
    assert cite(found).methods.text.split(" (phases detect)")[0] in page
    assert not re.search(r"(?:src|href)=\"https?:", page), "one file, nothing from elsewhere"


def test_more_than_six_runs_stand_beside_each_other(detected):
    found, cube = detected
    runs = [f"r{i}" for i in range(7)]
    rows = tuple(replace(t, run=run) for run in runs for t in found.report.transitions)
    curves = tuple(replace(c, run=run) for run in runs for c in found.report.curves)
    many = replace(found.report, transitions=rows, curves=curves)
    page = render(many, cube)
    assert 'class="multiples"' in page and page.count('<div class="card"><h3>r') == 7
    assert 'class="multiples"' not in render(found.report, cube)


def test_every_estimand_says_what_it_is():
    from typing import get_args

    from calque.phases.results import Estimand

    assert set(ESTIMANDS) == {*get_args(Estimand), "lag"}
