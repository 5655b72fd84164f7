"""Answers that a study keeps: beside the run's cube while it trains, beside the study's cube when it is collected."""

from __future__ import annotations

from pathlib import Path

import pytest

from calque.data import cube
from calque.data.answers import answers_path, read_answers
from calque.data.errors import UserError
from calque.sweeps.results.claim import claim
from calque.sweeps.results.collect import write_cube
from calque.sweeps.study.study import read_study
from calque.sweeps.trial.request import TrialRequest
from calque.sweeps.trial.trial import run_trial
from tests.conftest import SMALL_STUDY


def test_a_run_keeps_answers_and_begins_a_damaged_file_anew(
    small_study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = read_study(small_study)
    small_study.write_text(SMALL_STUDY.replace("evaluation: {", "evaluation: {log_answers: 3, "))
    study = read_study(small_study)
    run = study.run("first-s0")
    assert run.evaluation.log_answers == 3 and "log_answers" in run.to_dict()["evaluation"]
    assert run.run_id == plain.run("first-s0").run_id, "what is logged changes no number"
    assert "log_answers" not in plain.run("first-s0").to_dict()["evaluation"]
    claim(tmp_path / "r", study)
    path = answers_path(tmp_path / "r" / "runs" / "first-s0" / "run.nc")
    path.parent.mkdir(parents=True)
    path.write_bytes(b"damaged")
    standing = run_trial(TrialRequest(config=run, results=tmp_path / "r"))
    assert standing.state == "done"
    assert "is no table of answers" in capsys.readouterr().err
    write_cube(study, tmp_path / "r", tmp_path / "results.nc")
    found, rows = read_answers(tmp_path / "results.nc"), cube.read(tmp_path / "results.nc")
    steps = rows["step"].values[0].astype(int).tolist()
    assert sorted(set(found["step"])) == steps
    words = found[found["task"] == "words"]
    asked = {step: list(zip(part["source"], part["target"], part["concept"], strict=True))
             for step, part in words.groupby("step")}  # fmt: skip
    assert len(asked[steps[0]]) == 3 and all(items == asked[steps[0]] for items in asked.values())
    at = rows.isel(run=0, checkpoint=-1)
    last = words[words["step"] == steps[-1]]
    for row in last.to_dict("records"):
        logprob = at["translation_logprob"].sel(source=row["source"], target=row["target"], concept=row["concept"])
        assert row["expected_logprob"] == pytest.approx(float(logprob))


@pytest.mark.parametrize("value", ["0", "some", "-3", "1.5"])
def test_an_impossible_number_of_answers_is_refused(value: str, small_study: Path) -> None:
    small_study.write_text(SMALL_STUDY.replace("evaluation: {", f"evaluation: {{log_answers: {value}, "))
    with pytest.raises(UserError, match="log_answers"):
        read_study(small_study)
