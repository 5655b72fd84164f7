"""Branches: a run leaves another at a checkpoint of its stable phase and decays; it is the run of its own schedule."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from calque.data import cube
from calque.data.errors import LONGEST_MESSAGE, UserError
from calque.models.checkpoints.state import newest_states, state_path
from calque.models.config.schedule import warmup_stable_decay
from calque.models.training.monitoring.step_log import FILE, read_steps
from calque.sweeps.plan.hardware import Hardware
from calque.sweeps.plan.makespan import timetable
from calque.sweeps.plan.placement import first_wave, flops, longest_first, parse_nodes
from calque.sweeps.plan.run_plan import plan_run
from calque.sweeps.results.progress import read_progress, run_folder
from calque.sweeps.results.root import ResultsRoot
from calque.sweeps.running import claimed_root, run_one
from calque.sweeps.study.branch import Branch
from calque.sweeps.study.repeat import study_of_cube
from calque.sweeps.study.run_config import RunConfig
from calque.sweeps.study.study import Study, read_study
from calque.sweeps.trial.branching import fetch_beginning
from calque.sweeps.trial.request import TrialRequest
from calque.sweeps.trial.trial import run_trial
from calque.sweeps.trial.waiting import WaitingBranches, branch_steps
from tests.sweeps_processes import sweeps

HEAD = """\
study: branches
defaults:
  size: tiny
  world: {languages: 3, nouns: 4, verbs: 2, adjectives: 2, names: 12, nonce: 6, syllables: 12,
          train_tokens: 60k, heldout_tokens: 2000}
  training: {tokens: 12800, context: 32, batch_size: 4, warmup_tokens: 1280, decay_fraction: 0.2}
  checkpoints: {every: 2560}
  evaluation: {heldout_tokens: 256, minimal_pairs: 1, concepts: 2}
runs:
  main: {seeds: [3, 4]}
"""
STUDY = HEAD + "  short: {from: {run: main-s3, step: 40}, training: {tokens: 7680}, checkpoints: {every: 1280}}\n"


def study_of(tmp_path: Path, text: str = STUDY) -> Study:
    path = tmp_path / "study.yaml"
    path.write_text(text)
    return read_study(path)


def trained(study: Study, name: str, results: Path) -> None:
    request = TrialRequest(
        config=study.run(name), results=results, study_yaml=study.text, branch_steps=study.branch_steps(name)
    )
    standing = run_trial(request)
    assert standing.state == "done", standing.message


def digests(results: Path, name: str) -> dict[int, str]:
    read = cube.read(results / "runs" / name / "run.nc")
    return dict(zip(map(int, read["step"].values[0]), map(str, read["checkpoint_sha256"].values[0]), strict=True))


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Study, Path]:
    """The run that is left, and the branch; the branch died once at its first checkpoint."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CALQUE_HOME", str(tmp_path_factory.getbasetemp() / "home"))
        folder = tmp_path_factory.mktemp("branches")
        study, results = study_of(folder), folder / "results"
        trained(study, "main-s3", results)

        def die(metrics: dict[str, float]) -> None:
            raise RuntimeError("died")

        request = TrialRequest(config=study.run("short"), results=results, study_yaml=study.text)
        assert run_trial(request, die).state == "failed"
        trained(study, "short", results)
    return study, results


def test_a_branch_states_only_what_it_changes(tmp_path: Path) -> None:
    text = HEAD + "  short: {from: {run: main, step: 60}, training: {tokens: 9k}, checkpoints: {every: 640}}\n"
    study = study_of(tmp_path, text)
    assert [run.name for run in study.runs] == ["main-s3", "main-s4", "short-s3", "short-s4"]
    for seed in (3, 4):
        parent, run = study.run(f"main-s{seed}"), study.run(f"short-s{seed}")
        assert run.branch == Branch(run=parent.name, step=60) and run.data_seed == run.init_seed == seed
        assert run.checkpoint_steps() == (65, 70) and run.trained_steps == 10
        training = replace(parent.training, tokens=9000, decay_fraction=10 / 70)
        assert run.training == training and run.world == parent.world
        assert study.branch_steps(parent.name) == (60,)
        assert RunConfig.from_dict(run.to_dict()) == run
    plain = study_of(tmp_path, HEAD)
    assert [run.run_id for run in plain.runs] == [study.run(run.name).run_id for run in plain.runs]
    assert len({run.run_id for run in study.runs}) == 4


@pytest.mark.parametrize("step", [20, 40, 60, 80])
def test_the_decay_begins_at_the_branch_and_ends_at_zero(tmp_path: Path, step: int) -> None:
    text = HEAD + f"  short: {{from: {{run: main-s3, step: {step}}}, training: {{tokens: {(step + 7) * 128}}}}}\n"
    training = study_of(tmp_path, text).run("short").training
    decay, warmup = round(training.decay_fraction * training.steps), training.warmup_tokens // training.tokens_per_step
    factors = [
        warmup_stable_decay(at, steps=training.steps, warmup=warmup, decay=decay) for at in range(training.steps)
    ]
    assert factors[warmup : step + 1] == [1.0] * (step + 1 - warmup)
    assert all(np.diff(factors[step:]) < 0) and factors[-1] == pytest.approx(1 / 7)


@pytest.mark.parametrize(
    ("entry", "parts"),
    [
        ("{from: 40}", ["from is 40", "{run: first, step: 4000}"]),
        ("{from: {run: main, step: ten}}", ["a step of 1 or more"]),
        ("{from: {run: mian, step: 40}}", ["from.run is 'mian'", "did you mean 'main'"]),
        ("{from: {run: b, step: 40}}", ["from.run is 'b'", "itself begins at its first step"]),
        ("{from: {run: main-s5, step: 40}}", ["from.run is 'main-s5'"]),
        ("{from: {run: main, step: 41}, training: {tokens: 8k}}", ["from.step is 41", "the nearest: 20, 40, 60"]),
        ("{from: {run: main, step: 100}}", ["stable phase, steps 10 to 80"]),
        ("{from: {run: main, step: 40}, training: {tokens: 5k}}", ["training.tokens is 5000, of 39 steps"]),
        ("{from: {run: main, step: 40}, size: nano}", ["cannot change 'size'"]),
        ("{from: {run: main, step: 40}, training: {learning_rate: 0.1}}", ["cannot change 'training.learning_rate'"]),
        ("{from: {run: main, step: 40}, training: {decay_fraction: 0.1}}", ["drop 'decay_fraction'"]),
        ("{from: {run: main, step: 40}, seeds: [1]}", ["'seeds' is that of run 'main'"]),
        ("{branch: {run: main-s3, step: 40}}", ["unknown key 'branch'; did you mean 'from'?"]),
        ("{from: {run: main, step: 40}, checkpoints: {adaptive: {budget: 2}}}", ["no adaptive checkpoints"]),
    ],
)
def test_an_impossible_branch_is_one_line(tmp_path: Path, entry: str, parts: list[str]) -> None:
    with pytest.raises(UserError) as caught:
        study_of(tmp_path, HEAD + f"  b: {entry}\n")
    message = str(caught.value)
    assert all(part in message for part in parts), message
    assert "study.yaml:11" in message and len(message) <= LONGEST_MESSAGE


def test_a_branch_is_bit_for_bit_the_run_of_its_own_schedule(
    done: tuple[Study, Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Repeated from its cube alone it is trained from its first step, and ends with the same weights."""
    study, results = done
    found = digests(results, "short")
    assert list(found) == [50, 60]
    repeated = study_of_cube(results / "runs" / "short" / "run.nc", "short")
    with caplog.at_level(logging.WARNING, "calque"):
        standing, root = run_one(repeated, repeated.runs[0], str(tmp_path / "again"))
    assert standing.state == "done" and digests(root.folder, "short") == found
    assert "it is trained from its first step" in caplog.text
    assert read_steps(results / "runs" / "short" / FILE)[0].step == 41
    assert len(read_steps(root.folder / "runs" / "short" / FILE)) == 60
    losses = [[each.loss for each in read_steps(at / "runs" / "short" / FILE)][-20:] for at in (results, root.folder)]
    assert losses[0] == losses[1]
    other = digests(results, "main-s3")
    assert 40 in other and not set(found.values()) & set(other.values())


def test_the_run_that_is_left_keeps_the_state_and_only_that(done: tuple[Study, Path]) -> None:
    _, results = done
    kept = [path.name for path in newest_states(results / "runs" / "main-s3" / "states")]
    assert state_path("", 40).name in kept and len(kept) <= 3 and state_path("", 100).name in kept


def test_a_branch_without_its_state_is_refused(done: tuple[Study, Path], tmp_path: Path) -> None:
    study, _ = done
    with pytest.raises(UserError, match="begins at step 40 of run 'main-s3', which has no full state .*at step 0"):
        run_one(study, study.run("short"), str(tmp_path))


def test_states_are_kept_for_branches_to_come(tmp_path: Path) -> None:
    study = study_of(tmp_path, HEAD.replace("warmup_tokens", "keep_states: 'every:2', warmup_tokens"))
    request = TrialRequest(config=study.run("main-s3"), results=tmp_path, branch_steps=(60,))
    assert request.kept_states() == {0, 40, 60, 80, 100}
    assert study.run("main-s3").run_id == study_of(tmp_path, HEAD).run("main-s3").run_id
    with pytest.raises(UserError, match="training.keep_states is 'all'; expected 'newest' or 'every:K'"):
        study_of(tmp_path, HEAD.replace("warmup_tokens", "keep_states: all, warmup_tokens"))


def in_order(study: Study) -> dict[str, RunConfig]:
    return {run.name: run for run in longest_first(study.runs)}


def test_branches_start_when_their_state_is_there(tmp_path: Path) -> None:
    study = study_of(tmp_path)
    root = claimed_root(study, str(tmp_path / "results"))
    waiting = WaitingBranches(in_order(study), study.parents(), root)
    assert branch_steps("main-s3", study.runs) == (40,) and waiting.any()
    assert [waiting.take(), waiting.take(), waiting.take()] == ["main-s3", "main-s4", None]
    path = state_path(run_folder(root.folder, study.run("main-s3")) / "states", 40)
    path.parent.mkdir(parents=True)
    path.touch()
    waiting.looked_at = 0.0
    assert waiting.take() is None, "the sum comes after all that it is of"
    path.with_name(path.name + ".sha256").touch()
    waiting.looked_at = 0.0
    assert waiting.take() == "short" and not waiting.runs


@pytest.mark.parametrize("died", [False, True])
def test_a_branch_of_a_run_that_ends_before_it_is_told_or_tried_again(tmp_path: Path, died: bool) -> None:
    study = study_of(tmp_path)
    root = claimed_root(study, str(tmp_path / "results"))
    waiting = WaitingBranches(in_order(study), study.parents(), root)
    assert [waiting.take(), waiting.take()] == ["main-s3", "main-s4"]
    waiting.ended("main-s4", died=False)
    assert waiting.take() is None and waiting.runs
    waiting.ended("main-s3", died)
    assert waiting.take() is None and not waiting.runs, "or the launch would never end"
    standing = read_progress(root.folder, study.run("short"))
    if died:
        assert waiting.again == ["short"] and standing.state == "waiting"
    else:
        assert standing.state == "failed" and "run 'main-s3', at step 40" in standing.message


def test_a_state_at_an_address_is_fetched_to_where_the_branch_runs(done: tuple[Study, Path], tmp_path: Path) -> None:
    study, results = done
    root = ResultsRoot(f"file://{results}")
    fetch_beginning(root, study.run("short"), tmp_path)
    folder = tmp_path / "runs" / "short" / ".from"
    assert sorted(path.name for path in folder.iterdir()) == ["step-00000040.ckpt", "step-00000040.ckpt.sha256"]


def test_plan_and_timetable_count_what_the_branch_itself_does(tmp_path: Path) -> None:
    study = study_of(tmp_path)
    parent, run = study.run("main-s3"), study.run("short")
    whole, part = plan_run(parent, Hardware()), plan_run(run, Hardware())
    assert (part.steps, part.tokens, part.checkpoints) == (20, 2560, 2)
    assert part.flops / whole.flops == pytest.approx(0.2) and flops(run) / flops(parent) == pytest.approx(0.2)
    slots = timetable(study.runs, {"main-s3": 10.0, "main-s4": 10.0, "short": 2.0}, parse_nodes("1x8cpu")).slots
    assert (slots["short"].start, slots["short"].end, slots["short"].after) == (4.0, 6.0, "main-s3")
    busy = timetable(study.runs, {"main-s3": 10.0, "main-s4": 10.0, "short": 2.0}, parse_nodes("1x2cpu")).slots
    assert busy["short"].start == 10.0
    alone = timetable((run,), {"short": 2.0}, parse_nodes("1x2cpu")).slots
    assert alone["short"].start == 0.0, "the run that it leaves is done"
    assert first_wave(study.runs, parse_nodes("1x8cpu"))["short"] == ()


@pytest.mark.ray
@pytest.mark.xdist_group("ray")
def test_a_launch_starts_the_branch_after_its_state(done: tuple[Study, Path], tmp_path: Path) -> None:
    """On two cores: the branch, declared first, is trained beside or after the runs it waits for, and equals it."""
    _, results = done
    path = tmp_path / "study.yaml"
    head, _, runs = STUDY.partition("runs:\n")
    path.write_text(head + "runs:\n" + "\n".join(reversed(runs.rstrip().splitlines())) + "\n")
    out, err = sweeps("run", path, "--results", tmp_path / "results").communicate(timeout=900)
    assert "3 of 3 runs done" in out, err
    assert digests(tmp_path / "results", "short") == digests(results, "short")
    assert read_steps(tmp_path / "results" / "runs" / "short" / FILE)[0].step == 41
