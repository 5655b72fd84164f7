"""The HTML report: what it shows of a cube besides transitions."""

import json
import re
from dataclasses import asdict, replace

import numpy as np
import pytest
import xarray as xr

from calque.data.errors import UserError
from calque.phases.detection.detect import detect
from calque.phases.json_files import read_json
from calque.phases.report.forecast_pictures import law_figure
from calque.phases.report.forest import lag_forest
from calque.phases.report.html import render
from calque.phases.report.summary import headline
from calque.phases.results import DetectionReport, Lag, Outcome, Transition
from calque.phases.settings import Settings
from tests import phases_simulation as sim

TOKENS = np.arange(1, 31) * sim.END / 30


def cube(fertility):
    rng = np.random.default_rng(1)
    score = np.stack([sim.counts(rng, sim.onset(0.3 * sim.END, 0.2)(TOKENS), 100) / 100 for _ in range(2)])
    made = xr.Dataset(
        {
            "tokens": (("run", "checkpoint"), np.tile(TOKENS, (2, 1))),
            "score": (("run", "checkpoint"), score, {"metric_kind": "proportion", "trials": 100}),
        },
        coords={"run": ["text", "world"], "language": ["en", "zh"]},
        attrs={"calque_schema": 1},
    )
    for name, values in fertility.items():
        made[name] = (("run", "language"), values)
    return made


def page(made):
    return render(detect(made, Settings(metrics=("score",), boot=19)), made)


def test_fertility_is_shown_of_runs_that_have_one():
    nan = np.nan
    shown = page(cube({"tokens_per_word": [[1.307, nan], [nan, nan]], "bytes_per_token": [[4.444, nan], [nan, nan]]}))
    assert "<h2>Tokenizer</h2>" in shown and "<th>en</th><th>zh</th>" in shown
    assert "<tr><td>text</td><td>1.31 / 4.44</td><td>–</td></tr>" in shown and "<td>world</td><td>–" not in shown


def test_without_fertility_there_is_no_table():
    assert "Tokenizer" not in page(cube({}))
    nothing = np.full((2, 2), np.nan)
    assert "Tokenizer" not in page(cube({"tokens_per_word": nothing, "bytes_per_token": nothing}))


POWER = {
    "schema": 1, "target": 1.3, "cheapest": None, "sentences": ["With 3 seeds it detects takeoffs <1.2 times> apart."],
    "rows": [
        {"seeds": s, "checkpoints": k, "concepts": k, "factor": 1 + k / 100 / s} for s in (2, 5) for k in (50, 200)
    ],
}  # fmt: skip
LOSS = {
    "schema": 1, "law": "chinchilla", "formula": "L = E + A N^-alpha", "level": 0.9, "sentences": ["It fits."],
    "parameters": {"E": {"estimate": 1.8172, "low": 1.75, "high": None}},
    "isoflop": {
        "points": {"n": [1e6, 1e7], "d": [1e8, 1e8], "loss": [4.0, 3.0], "flops": [6e14, 6e15]},
        "curves": [{"flops": 6e14, "n": [1e6, 1e7], "loss": [4.0, 4.5]}],
        "optima": [{"flops": 6e14, "n": 1e6, "d": 1e8, "loss": 4.0}, {"flops": 6e15, "n": 1e7, "d": 1e8, "loss": 3.0}],
    },
}  # fmt: skip


def test_power_and_laws_of_loss_stand_in_the_report_when_given():
    made = cube({})
    report = detect(made, Settings(metrics=("score",), boot=19))
    plain, shown = render(report, made), render(report, made, power=POWER, loss=LOSS)
    assert "Loss and compute" not in plain and "can detect" not in plain
    assert shown.count("<svg") == plain.count("<svg") + 2
    for words in (
        "With 3 seeds it detects takeoffs &lt;1.2 times&gt; apart.", "50 checkpoints, 50 concepts", "asked for: 1.3",
        "It fits.", "<td>E</td><td>1.817</td><td>1.75</td><td>–</td>", "least loss at equal FLOPs",
    ):  # fmt: skip
        assert words in shown and words not in plain
    refused = {**LOSS, "parameters": {}, "isoflop": None}
    assert "It fits." in (text := render(report, made, loss=refused)) and text.count("<svg") == plain.count("<svg")


@pytest.mark.parametrize(
    ("kind", "content", "message"),
    [
        (
            "power",
            None,
            "cannot read .*: No such file.*; expected the file of 'scaling power STUDY --json FILE'",
        ),
        ("power", "[1", "is not valid JSON .*; expected the file of 'scaling power STUDY --json FILE'"),
        ("loss", "[1]", "expected an object with schema 1"),
        ("loss", json.dumps({**LOSS, "schema": 2}), "expected an object with schema 1"),
        ("loss", json.dumps(POWER), "has no 'law'; .*it looks like a file for `power`"),
        ("forecast", '{"schema": 1}', "has no 'rows'; expected the file of 'scaling forecast CUBE --size SIZE --json"),
    ],
)
def test_files_of_other_commands_are_refused_by_name(tmp_path, kind, content, message):
    path = tmp_path / "given.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(UserError, match=message):
        read_json(kind, path)


def test_files_of_the_right_command_are_read(tmp_path):
    path = tmp_path / "given.json"
    for kind, content in (("power", POWER), ("loss", LOSS)):
        path.write_text(json.dumps(content))
        assert read_json(kind, path) == content


def many(lags):
    """Return a report of two series with lags of these outcomes and lower ends, of runs with long names."""
    common = {"level": 0.95, "p_value": 0.01, "elasticity": None, "n_checkpoints": 30, "low": 1e9, "high": 2e9}
    rows = [
        Transition(
            run=f"run-{i}", group="", metric=m, estimand=e, outcome=Outcome.FOUND, reason="r", tokens=1.5e9, **common
        )
        for i, _ in enumerate(lags) for m in ("copying", "false_copying", "translation") for e in ("delay", "takeoff")
    ]  # fmt: skip
    return DetectionReport(
        cube="c.nc", settings=asdict(Settings()), transitions=tuple(rows), curves=(),
        lags=tuple(
            Lag(run=f"run-{i}", group="", first="false_copying", second="translation", log_ratio=1.0, low=low, high=1.5,
                level=0.95, p_value=0.02, tokens=1e9, outcome=outcome, reason="r")
            for i, (outcome, low) in enumerate(lags)
        ),
    )  # fmt: skip


LAGS = [(Outcome.FOUND, 0.5), (Outcome.NOT_ESTABLISHED, 0.2), (Outcome.CENSORED, None), (Outcome.NONE, -0.1)]


def test_the_sentence_of_lags_tells_of_every_series():
    (said,) = [line for line in headline(many(LAGS)) if "later than" in line]
    assert "in 1 of 4 series" in said and said.endswith("; in the others 1 not established, 1 censored, 1 none.")


def test_the_mark_of_a_lag_is_never_cut_from_its_picture():
    report = many([(Outcome.NOT_SHARPLY_LOCATED, 0.2)])
    (lag,) = report.lags
    svg = lag_forest([replace(lag, run="a run with a name of many letters")])
    assert "a run with a name" in svg and ", not sharply located<" in svg.replace("</text>", "<")


def test_a_setting_that_was_not_given_is_called_what_it_means():
    shown = render(many(LAGS), cube({}))
    told = dict(re.findall(r"<dt>(\w+)</dt>\s*<dd>(.*?)</dd>", shown))
    assert told["lags"] == told["metrics"] == "standard set" and told["schedule"] == told["primary"] == "none"


def test_the_picture_of_laws_shows_the_interval_that_the_sentence_gives():
    forecast = {
        "metric": "translation", "size": "1.7b", "n_params_non_embedding": 1e9,
        "curves": {"power": {"n": [1e7, 1e9], "tokens": [2e10, 4e9], "low": [1.8e10, 3e9], "high": [2.2e10, 5e9]}},
        "rows": [{"law": "power", "tokens": 4e9, "low": 1.85e9, "high": 8.8e9, "outcome": "found", "reason": ""}],
    }  # fmt: skip
    axes = law_figure(forecast).axes[0]
    drawn = [line for line in axes.lines if list(line.get_xdata()) == [1e9, 1e9]]
    assert [1.85e9, 8.8e9] in [list(line.get_ydata()) for line in drawn]
    assert "forecast and its interval" in [text.get_text() for text in axes.get_legend().get_texts()]
