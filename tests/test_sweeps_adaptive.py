"""Adaptive checkpoints of a run: decided once, recorded with the row, the same after a kill, repeated from the cube."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from calque.data import cube
from calque.data.errors import UserError
from calque.phases.adaptive.record import AdaptiveDesign, designs_of
from calque.phases.adaptive.rule import Prior
from calque.sweeps.cli import app
from calque.sweeps.results.claim import claim
from calque.sweeps.results.collect import write_cube
from calque.sweeps.results.progress import read_progress
from calque.sweeps.study.study import read_study
from calque.sweeps.trial import siblings as adaptive_siblings
from calque.sweeps.trial.request import TrialRequest
from calque.sweeps.trial.trial import run_trial
from tests.conftest import SMALL_STUDY
from tests.test_sweeps_trial import same

BUDGET = 9
ADAPTIVE = SMALL_STUDY.replace("first: 1k}", f"first: 1k, adaptive: {{budget: {BUDGET}, metric: copying}}}}")
RUN = Path("runs") / "first-s0" / "run.nc"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("adaptive")
    os.environ["CALQUE_HOME"] = str(tmp_path_factory.getbasetemp() / "home")
    study = folder / "small.yaml"
    study.write_text(ADAPTIVE)
    loaded = read_study(study)
    results = folder / "results"
    claim(results, loaded)
    standing = run_trial(TrialRequest(config=loaded.run("first-s0"), results=results, study_yaml=loaded.text))
    assert standing.state == "done", standing.message
    return study, results


def design_of(path: Path) -> AdaptiveDesign:
    return designs_of(cube.read(path))["first-s0"]


def test_further_checkpoints_stand_in_the_cube_with_what_was_forecast(finished: tuple[Path, Path]) -> None:
    study, results = finished
    config = read_study(study).run("first-s0")
    run, design = cube.read(results / RUN), design_of(results / RUN)
    steps = run["step"].values[0].astype(int)
    further = set(steps) - set(config.checkpoint_steps())
    assert 1 <= len(further) <= BUDGET
    assert further == {tokens // 128 for one in design.decisions for tokens in one.extra}
    kinds = run["checkpoint_kind"]
    assert kinds.attrs["flag_meanings"] == "unknown planned further"
    np.testing.assert_array_equal(kinds.values[0] == 1, [step in further for step in steps])
    median = run["forecast_takeoff"]
    assert median.attrs["units"] == "tokens"
    np.testing.assert_array_equal(np.isnan(median.values[0]), kinds.values[0] == 1)
    assert [one.tokens for one in design.decisions] == [step * 128 for step in config.checkpoint_steps()]
    assert [one.median for one in design.decisions] == list(median.values[0][kinds.values[0] == 0])
    standing = read_progress(results, config)
    assert standing.checkpoints == standing.total_checkpoints == len(steps)


def test_decisions_follow_from_the_scores_alone(finished: tuple[Path, Path], tmp_path: Path) -> None:
    study, results = finished
    loaded = read_study(study)
    run_trial(TrialRequest(config=loaded.run("first-s0"), results=tmp_path, study_yaml=loaded.text))
    same(cube.read(tmp_path / RUN), cube.read(results / RUN))


def test_killed_hard_in_its_midst_it_takes_the_same_checkpoints(finished: tuple[Path, Path], tmp_path: Path) -> None:
    study, undisturbed = finished
    target, rng = tmp_path / RUN, random.Random(0)
    command = [sys.executable, "-m", "calque.sweeps.cli", "trial", str(study), "first-s0", "--results", str(tmp_path)]
    for kept in (3, rng.randint(6, 11)):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        until = time.monotonic() + 120
        while process.poll() is None and time.monotonic() < until:
            if target.exists() and cube.read(target).sizes["checkpoint"] >= kept:
                break
            time.sleep(rng.uniform(0, 0.03))
        process.send_signal(signal.SIGKILL)
        process.communicate()
    _, err = (again := subprocess.Popen(command, stderr=subprocess.PIPE, text=True)).communicate(timeout=240)
    assert again.returncode == 0, err
    same(cube.read(target), cube.read(undisturbed / RUN))


def test_what_was_decided_holds_when_siblings_change(
    finished: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study, _ = finished
    loaded = read_study(study)
    config = loaded.run("first-s0")
    told = Prior(log10_tokens=4.2, sd=0.1, runs=("smaller",))
    monkeypatch.setattr(adaptive_siblings.Siblings, "__call__", lambda self: told)
    run_trial(TrialRequest(config=config, results=tmp_path / "whole", study_yaml=loaded.text))
    whole = design_of(tmp_path / "whole" / RUN)
    assert all(one.prior == told for one in whole.decisions)

    class Killed(BaseException):
        pass

    def killed(metrics: dict[str, float]) -> None:
        if metrics["tokens"] >= 12_000:
            raise Killed

    with pytest.raises(Killed):
        run_trial(TrialRequest(config=config, results=tmp_path / "cut", study_yaml=loaded.text), killed)
    before = design_of(tmp_path / "cut" / RUN)
    assert before.decisions
    other = Prior(log10_tokens=4.6, sd=0.06)
    monkeypatch.setattr(adaptive_siblings.Siblings, "__call__", lambda self: other)
    run_trial(TrialRequest(config=config, results=tmp_path / "cut", study_yaml=loaded.text))
    after = design_of(tmp_path / "cut" / RUN)
    assert after.decisions[: len(before.decisions)] == before.decisions == whole.until(12_000).decisions
    assert {one.prior for one in after.decisions[len(before.decisions) :]} == {other}


def test_a_run_is_repeated_with_its_recorded_checkpoints(
    finished: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study, results = finished
    write_cube(read_study(study), results, tmp_path / "results.nc")

    def asked(self: object) -> Prior:
        raise AssertionError("nothing is decided again")

    monkeypatch.setattr(adaptive_siblings.Siblings, "__call__", asked)
    words = ["trial", "--from", str(tmp_path / "results.nc"), "--run", "first-s0", "--results", str(tmp_path / "again")]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    same(cube.read(tmp_path / "again" / RUN), cube.read(results / RUN))


def test_runs_with_and_without_stand_in_one_cube(finished: tuple[Path, Path], tmp_path: Path) -> None:
    _, results = finished
    (tmp_path / "fixed.yaml").write_text(SMALL_STUDY.replace("first: {seeds", "third: {seeds"))
    other = read_study(tmp_path / "fixed.yaml")
    run_trial(TrialRequest(config=other.run("third-s0"), results=tmp_path / "other", study_yaml=other.text))
    joined = cube.concat([cube.read(tmp_path / "other" / "runs" / "third-s0" / "run.nc"), cube.read(results / RUN)])
    cube.write(joined, tmp_path / "both.nc")
    both = cube.read(tmp_path / "both.nc")
    assert list(designs_of(both)) == ["first-s0"]
    assert set(np.unique(both["checkpoint_kind"].values[0])) == {-1}


def test_two_devices_take_the_checkpoints_that_the_first_one_decides(tmp_path: Path) -> None:
    text = ADAPTIVE.replace("warmup_tokens: 2k}", "warmup_tokens: 2k, devices: 2}")
    (tmp_path / "two.yaml").write_text(text)
    loaded = read_study(tmp_path / "two.yaml")
    standing = run_trial(TrialRequest(config=loaded.run("first-s0"), results=tmp_path, study_yaml=loaded.text))
    assert standing.state == "done", standing.message
    run, design = cube.read(tmp_path / RUN), design_of(tmp_path / RUN)
    further = run["tokens"].values[0][run["checkpoint_kind"].values[0] == 1]
    assert list(further) == [tokens for one in design.decisions for tokens in one.extra]
    assert len(further)


def test_a_record_of_another_schedule_is_refused(finished: tuple[Path, Path], tmp_path: Path) -> None:
    study, results = finished
    loaded = read_study(study)
    record = json.loads(design_of(results / RUN).to_json())
    record["rule"]["budget"] += 1
    with pytest.raises(UserError, match="of another schedule or version"):
        run_trial(
            TrialRequest(
                config=loaded.run("first-s0"),
                results=tmp_path,
                study_yaml=loaded.text,
                adaptive_record=json.dumps(record),
            )
        )
    damaged = cube.read(results / RUN).assign(adaptive_json=("run", ["{"]))
    (tmp_path / RUN).parent.mkdir(parents=True, exist_ok=True)
    cube.write(damaged, tmp_path / RUN)
    with pytest.raises(UserError, match="record of its adaptive checkpoints"):
        run_trial(TrialRequest(config=loaded.run("first-s0"), results=tmp_path, study_yaml=loaded.text))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("{budget: 0}", r"checkpoints\.adaptive\.budget is 0; expected 1 or more"),
        ("{}", r"checkpoints\.adaptive\.budget is missing"),
        ("{budgt: 3}", r"unknown key 'checkpoints\.adaptive\.budgt'; .* did you mean 'budget'"),
        ("{budget: 3, metric: los}", r"checkpoints\.adaptive\.metric is 'los'; expected one of copying"),
        ("{budget: 400}", r"expected at most 305: the run's 312 steps less its 8 planned"),
    ],
)
def test_an_impossible_one_is_refused_where_it_stands(tmp_path: Path, given: str, said: str) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text(SMALL_STUDY.replace("first: 1k}", f"first: 1k, adaptive: {given}}}"))
    with pytest.raises(UserError, match=f"wrong.yaml:9: .*{said}"):
        read_study(path)


def test_studies_without_keep_their_ids(small_study: Path) -> None:
    assert "adaptive" not in read_study(small_study).run("first-s0").to_dict()["checkpoints"]
