"""How often runs read their text: by hand, in plans, dry runs and cubes, and the warning where compared runs differ."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from typer.testing import CliRunner

from calque.data import cube
from calque.data.corpora.sample import SampleConfig, SampleCorpus
from calque.data.errors import LONGEST_MESSAGE, UserError
from calque.data.mixes.repetition import repetition, unequal
from calque.data.tokens import tekken
from calque.data.tokens.fertility import measure
from calque.scaling.mixes.repetition import repetition_notes
from calque.sweeps.cli import app
from calque.sweeps.plan.hardware import Hardware
from calque.sweeps.plan.plan import plan
from calque.sweeps.plan.repetition import Text, differing, epochs, expected_text
from calque.sweeps.plan.tables import notes, repetition_table
from calque.sweeps.prepare.known_text import known_text
from calque.sweeps.prepare.prepare import make_shards
from calque.sweeps.prepare.report import epochs as epochs_of_shards
from calque.sweeps.study.study import read_study
from calque.sweeps.trial.request import TrialRequest
from calque.sweeps.trial.trial import run_trial

FULL = Path(__file__).parent.parent / "sweeps" / "full.yaml"
MIXES = """study: s
base: hub-gpu
defaults: {size: 152m}
runs:
  all: {}
  two: {mix: "only:en,de"}
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "s.yaml"
    path.write_text(text)
    return path


def test_epochs_are_tokens_over_those_of_the_text(tmp_path: Path) -> None:
    all_, two = read_study(written(tmp_path, MIXES)).runs
    text = expected_text(two)
    assert text is not None and not text.measured
    tokens = two.training.steps * two.training.batch_size * two.training.context
    by_hand = tokens / 2 / (0.99 * 20e9 / 4.86)
    assert epochs(two, text) == {"en": pytest.approx(by_hand), "de": pytest.approx(by_hand * 4.30 / 4.86)}
    assert epochs(all_, text)["en"] == pytest.approx(by_hand * 2 / 9)
    assert 4 < by_hand < 5, "two languages read 20 GB each four to five times"


def test_the_bytes_a_token_of_tekken_are_those_of_the_sample() -> None:
    corpus, tokenizer = SampleCorpus(SampleConfig()), tekken.tokenizer()
    for code in ("en", "zh"):  # the slowest part is the tokenizer
        found = measure(tokenizer, corpus.documents(code, "train"))
        assert found.bytes_per_token == pytest.approx(tekken.BYTES_PER_TOKEN[code], abs=0.006), code


def test_unequal_repetition_is_a_warning_of_plan_and_dry_run(tmp_path: Path) -> None:
    path = written(tmp_path, MIXES)
    study = read_study(path)
    (said,) = plan(study, Hardware())["repetition"]
    assert "only:en,de reads a language 4.54 times, uniform none more than 1.31 times; set hub.text_bytes" in said
    assert "warning: mixes are compared" in "\n".join(notes(plan(study, Hardware())))
    words = ["run", str(path), "--dry-run", "--nodes", "1x8gpu", "--results", str(tmp_path / "r")]
    done = CliRunner().invoke(app, words)
    assert "warning: mixes are compared, and repetition differs" in done.stdout
    answer = json.loads(CliRunner().invoke(app, [*words, "--json", "-"]).stdout)
    assert answer["warnings"] == [said] and answer["runs"][0]["epochs"].keys() >= {"en", "de"}


def test_mixes_of_one_name_and_two_corpora_are_told_apart(tmp_path: Path) -> None:
    estimate = plan(read_study(written(tmp_path, MIXES)), Hardware())
    table = repetition_table(estimate)
    assert table is not None and table.columns[0].header == "mix"
    first = estimate["runs"][0]
    estimate["runs"] = [first, first | {"corpus": "sample"}]
    table = repetition_table(estimate)
    assert table is not None and [*table.columns[0].cells] == ["hub", "sample"]
    assert [*table.columns[1].cells] == [first["mix"]] * 2


def test_full_repeats_no_text_whatever_the_mix() -> None:
    estimate = plan(read_study(FULL), Hardware(device="h200"))
    assert estimate["repetition"] == []
    read = {r["mix"]: r["epochs"] for r in estimate["runs"]}
    assert all(0.9 < max(known.values()) <= 1 or mix == "uniform" for mix, known in read.items())
    table = repetition_table(estimate)
    assert table is not None and table.row_count == 7


def test_where_shards_are_there_epochs_are_counted(tmp_path: Path) -> None:
    path = written(tmp_path, "study: s\nbase: sample-cpu\nruns:\n  a: {}\n  b: {mix: 'en:0.9,de:0.1'}\n")
    runs = read_study(path).runs
    before = known_text(runs[0])
    shards = make_shards(runs[0])
    text = known_text(runs[0])
    assert before is None or before.measured, "nothing is said of text that was not looked at"
    assert text is not None and text.measured
    for run in runs:
        assert epochs(run, text) == pytest.approx(epochs_of_shards(run, shards))
    (said,) = differing(runs, {run.name: epochs(run, text) for run in runs})
    assert said.startswith("mixes are compared, and repetition differs: en:0.9,de:0.1 reads")
    assert "hub.text_bytes" not in said


def test_the_world_is_read_as_often_as_its_text_is_short(small_study: Path, tmp_path: Path) -> None:
    run = read_study(small_study).run("first-s0")
    text = expected_text(run)
    assert text is not None
    tokens = run.training.steps * run.training.tokens_per_step
    assert list(epochs(run, text).values()) == pytest.approx([tokens / run.world.train_tokens] * 3)
    assert run_trial(TrialRequest(config=run, results=tmp_path)).state == "done"
    made = cube.read(tmp_path / "runs" / run.name / "run.nc")
    counted = made["epochs"].sel(run=run.name).values
    assert counted == pytest.approx(list(epochs(run, text).values()), rel=0.02), "a last document may exceed its share"
    assert (made["text_bytes"].values > 0).all() and made["epochs"].attrs["units"] == "1"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{en: 5B}", "text_bytes names no 'de'; expected one count, or one for each of en, de, fi"),
        ("{en: 5B, de: 5B, fi: 5B, fr: 1B}", "text_bytes names 'fr'; expected one of the languages, en, de, fi"),
        ("{en: 5B, de: 0, fi: 5B}", "text_bytes of 'de' is 0; expected 1 or more"),
        ("{en: lots, de: 1B, fi: 1B}", "'lots' is no count"),
        ("lots", "'lots' is no count"),
    ],
)
def test_text_by_language_is_read_strictly(tmp_path: Path, text: str, said: str) -> None:
    path = written(
        tmp_path, f"study: s\nbase: hub-gpu\nruns:\n  a: {{hub: {{languages: [en, de, fi], text_bytes: {text}}}}}\n"
    )
    with pytest.raises(UserError, match=r"s\.yaml:4: hub") as caught:
        read_study(path)
    assert said in str(caught.value) and len(str(caught.value)) <= LONGEST_MESSAGE


def test_what_is_read_once_or_in_part_is_not_repeated() -> None:
    assert repetition([0.2, 0.9]) == 1.0 and repetition([]) == 1.0
    assert unequal({"a": 1.0, "b": 1.2}) is None and unequal({}) is None
    assert unequal({"a": 2.0, "b": 3.0}) is not None, "both repeat, one more"
    text = Text(tokens={"a": 0.0}, text_bytes={}, measured=True)
    assert text.measured


def test_a_comparison_of_mixes_says_that_they_repeat_unequally() -> None:
    made = xr.Dataset(
        {"epochs": (("run", "language"), [[1.0, 0.9], [4.5, 0.0], [np.nan, np.nan]])},
        coords={"run": ["a", "b", "c"], "language": ["en", "de"], "mix": ("run", ["uniform", "only:en", "other"])},
    )
    (said,) = repetition_notes(made)
    assert said.startswith("mixes are compared, and repetition differs: only:en reads a language 4.5 times")
    assert said.endswith("a difference between them may be one of repetition")
    assert repetition_notes(made.isel(run=[0, 2])) == ()
    assert repetition_notes(made.assign_coords(size=("run", ["s", "m", "l"]))) == (), "of one size alone"
    assert repetition_notes(made.drop_vars("epochs")) == ()
