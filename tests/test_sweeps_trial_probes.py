"""Heads probed while a run trains: into the run's cube, the study's, and the same numbers as afterwards."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr
from torch.utils.flop_counter import FlopCounterMode
from typer.testing import CliRunner

from calque.data.cube import read, read_groups
from calque.data.cube.run_file import RunFile
from calque.data.errors import UserError
from calque.models.components.head_cost import head_flops
from calque.models.components.head_settings import HeadSettings
from calque.models.components.heads import PROBES, probe_heads
from calque.models.components.token_sets import tokens_of_model
from calque.models.config.probes import HEADS
from calque.models.config.sizes import DecoderConfig
from calque.models.decoder.decoder import Decoder
from calque.models.reading.families import model_parts
from calque.sweeps.cli import app
from calque.sweeps.plan.plan import Hardware, plan_run
from calque.sweeps.results.collect import write_cube
from calque.sweeps.study.evaluation import EvaluationConfig
from calque.sweeps.study.run_config import RunConfig
from calque.sweeps.study.study import Study, read_study
from calque.sweeps.trial.request import TrialRequest
from calque.sweeps.trial.trial import run_trial
from tests.conftest import SMALL_STUDY
from tests.trained_studies import study_of, trained

PROBED = SMALL_STUDY.replace(
    "evaluation: {", "evaluation: {probes: [heads], probes_every: 3, probe_length: 6, "
)  # fmt: skip


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return study_of(PROBED, tmp_path_factory)


@pytest.fixture(scope="module")
def results(study: Study, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(study, tmp_path_factory)


def probed(group: xr.Dataset, run: int = 0) -> list[bool]:
    return [bool(sha) for sha in group["sha256"].values[run]]


def test_every_third_checkpoint_the_first_and_the_last_are_probed(study: Study, results: Path) -> None:
    path = results / "runs" / "first-s0" / "run.nc"
    root, groups = read(path), read_groups(path)
    group, n = groups["components"], root.sizes["checkpoint"]
    assert probed(group) == [i % 3 == 0 or i == n - 1 for i in range(n)]
    there = np.array(probed(group))
    assert (group["sha256"].values[0, there] == root["checkpoint_sha256"].values[0, there]).all()
    for name in PROBES:
        assert (np.isfinite(group[name].values[0]).all((1, 2)) == there).all() and group[name].attrs["units"] == "1"
    assert (np.isfinite(groups["timing"]["probing_seconds"].values[0]) == there).all()


def test_afterwards_the_rest_is_probed_with_the_same_numbers(results: Path, tmp_path: Path) -> None:
    run = results / "runs" / "first-s0"
    during = read_groups(run / "run.nc")["components"]
    steps = read(run / "run.nc")["step"].values[0, :4].astype(int)
    words = ["probe", str(run), "--revisions", ",".join(f"step-{step}" for step in steps), "--length", "6", "-o"]
    done = CliRunner().invoke(app, [*words, str(tmp_path / "p.nc")], catch_exceptions=False)
    assert done.exit_code == 0 and done.stderr.count("probed before") == 2
    after = read_groups(tmp_path / "p.nc")["components"]
    assert probed(after) == [True] * 4 + probed(during)[4:]
    words += [str(tmp_path / "q.nc"), "--level", "0.9"]
    other = CliRunner().invoke(app, words, catch_exceptions=False)  # other settings: nothing is taken over
    assert other.exit_code == 0 and "probed before" not in other.stderr
    alone = read_groups(tmp_path / "q.nc")["components"]
    assert probed(alone) == [i < 4 for i in range(len(probed(during)))]
    for name in PROBES:
        np.testing.assert_allclose(alone[name][0, :4], after[name][0, :4], rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(alone[name][0, [0, 3]], during[name][0, [0, 3]], rtol=1e-4, atol=1e-6)


def test_the_study_s_cube_has_the_group(study: Study, results: Path, tmp_path: Path) -> None:
    """Runs of different lengths: what is missing is an empty text, and NaN."""
    write_cube(study, results, tmp_path / "all.nc")
    root, groups = read(tmp_path / "all.nc"), read_groups(tmp_path / "all.nc")
    group = groups["components"]
    assert group["run"].values.tolist() == root["run"].values.tolist() == ["first-s0", "first-s1"]
    assert group.sizes["checkpoint"] == root.sizes["checkpoint"] and "training_seconds" in groups["timing"]
    for i, name in enumerate(["first-s0", "first-s1"]):
        own = read_groups(results / "runs" / name / "run.nc")["components"]
        n = own.sizes["checkpoint"]
        assert probed(group, i) == [*probed(own), *[False] * (group.sizes["checkpoint"] - n)]
        np.testing.assert_array_equal(group["prefix_matching"].values[i, :n], own["prefix_matching"].values[0])


def test_a_row_written_again_keeps_the_other_rows_scores(results: Path, tmp_path: Path) -> None:
    """As after a resume: what is read from the file goes on."""
    path = results / "runs" / "first-s0" / "run.nc"
    (tmp_path / "run.nc").write_bytes(path.read_bytes())
    old, group = read(path), read_groups(path)["components"]
    names = [str(n) for n, v in old.data_vars.items() if "checkpoint" in v.dims and n != "step"]
    dims = {name: tuple(map(str, old[name].dims[2:])) for name in names}
    static = old.drop_vars([str(n) for n, v in old.variables.items() if "checkpoint" in v.dims])
    file = RunFile(tmp_path / "run.nc", static, dims, {"components": group.attrs})
    steps = sorted(file.rows)
    file.put(steps[1], file.rows[steps[1]])
    xr.testing.assert_equal(read_groups(tmp_path / "run.nc")["components"], group)
    file.put(steps[0], file.rows[steps[0]], None, {"components": file.parts["components"][steps[3]]})
    again = read_groups(tmp_path / "run.nc")["components"]
    np.testing.assert_array_equal(again["ov_copying"][0, 0], group["ov_copying"][0, 3])
    with pytest.raises(
        UserError, match="components that were probed with other settings; give the same evaluation.probe_len"
    ):
        RunFile(tmp_path / "run.nc", static, dims, {"components": {**group.attrs, "identity": "other"}})


def test_probes_change_no_identity_and_impossible_ones_are_refused(study: Study, tmp_path: Path) -> None:
    run = study.run("first-s0")
    plain = replace(run, evaluation=replace(run.evaluation, probes=(), probes_every=1, probe_length=24))
    assert plain.run_id == run.run_id and "probes" not in plain.to_dict()["evaluation"]
    assert RunConfig.from_dict(run.to_dict()) == run
    for text, said in (
        ("probes: [head]", "evaluation.probes.*'head'; expected some of heads, .*did you mean 'heads'"),
        ("probes: [swaps]", "evaluation.probes: 'swaps' compares checkpoints, which are there when training is done"),
        (
            "probes: [heads]",
            "evaluation.probe_length is 24, for prompts of 49 tokens, and training.context 32; lower it",
        ),
        ("probes: [heads], probe_length: 1", "`length` is 1; expected 2 or more"),
    ):
        path = tmp_path / "wrong.yaml"
        path.write_text(SMALL_STUDY.replace("evaluation: {", f"evaluation: {{{text}, "))
        with pytest.raises(UserError, match=said):
            read_study(path)
    short = replace(run, evaluation=replace(run.evaluation, probe_length=15))
    with pytest.raises(
        UserError, match="prompts of 30 different tokens, and its words have 19; lower evaluation.probe"
    ):
        run_trial(TrialRequest(config=short, results=tmp_path / "results"))


def test_the_plan_says_what_probing_costs(study: Study) -> None:
    run = study.run("first-s0")
    planned, n = plan_run(run, Hardware()), len(run.checkpoint_steps())
    one = head_flops(run.decoder(run.vocab_size()), HeadSettings(length=6))
    assert planned.probing_flops == len({*range(0, n, 3), n - 1}) * one
    every = replace(run, evaluation=replace(run.evaluation, probes_every=1))
    assert plan_run(every, Hardware()).probing_flops == n * one
    assert plan_run(replace(run, evaluation=EvaluationConfig()), Hardware()).probing_flops == 0


@pytest.mark.parametrize("probe", HEADS)
def test_the_cost_is_what_torch_counts(probe: str) -> None:
    """It counts products of matrices; eigenvalues, which it does not count, are part of the estimate."""
    shape = DecoderConfig(width=128, layers=2, heads=4, kv_heads=2, ffn_width=256, vocab_size=600)
    parts, settings = model_parts(Decoder(shape, seed=0).eval()), HeadSettings(draws=20)
    with FlopCounterMode(display=False) as counted, torch.no_grad():
        probe_heads(parts, tokens_of_model(parts, None, 0), [probe], settings)
    rest = 8 * 17 * 25 * 32**3 if probe == "ov_copying" else 0
    assert head_flops(shape, settings, [probe]) - rest == pytest.approx(counted.get_total_flops(), rel=0.15)
