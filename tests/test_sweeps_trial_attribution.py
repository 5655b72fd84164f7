"""Attribution asked for in a study file: into the run's cube, the study's, and the plan; refusals with their line."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from calque.data.cube import read, read_groups
from calque.data.errors import UserError
from calque.models.config.attribution import AttributionConfig
from calque.sweeps.cli import app
from calque.sweeps.plan.plan import Hardware, plan_run
from calque.sweeps.results.collect import write_cube
from calque.sweeps.study.run_config import RunConfig
from calque.sweeps.study.study import Study, read_study
from calque.sweeps.trial.request import TrialRequest
from calque.sweeps.trial.trial import run_trial
from tests.conftest import SMALL_STUDY
from tests.trained_studies import study_of, trained

ASKED = "training: {attribution: {pairs: [translation, w1-w1], concepts: 6, clusters: 2, every: 16}, "
ATTRIBUTED = (
    SMALL_STUDY.replace("training: {", ASKED).replace("tokens: 40k", "tokens: 12k").replace("every: 8k", "every: 4k")
    .replace("  first-s1:", "  plain: {training: {attribution: null}}\n  first-s1:").replace("every: 10k", "every: 6k")
)  # fmt: skip


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return study_of(ATTRIBUTED, tmp_path_factory)


@pytest.fixture(scope="module")
def results(study: Study, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(study, tmp_path_factory)


def test_every_checkpoint_but_the_first_has_the_changes_since_the_one_before(results: Path) -> None:
    path = results / "runs" / "first-s0" / "run.nc"
    root, groups = read(path), read_groups(path)
    group = groups["attribution"].isel(run=0)
    pairs = [f"w{s}-w{t}" for s in (1, 2, 3) for t in (1, 2, 3) if s != t or s == 1]
    assert group["pair"].values.tolist() == pairs
    assert group["trained_on"].values.tolist() == ["glossary", "w1", "w2", "w3", "weight decay", "rest"]
    assert group["component"].values.tolist() == ["embedding", "block.0.attention", "block.0.mlp", "norm"]
    assert group["sha256"].values.tolist() == ["", *root["checkpoint_sha256"].values[0, 1:].tolist()]
    assert np.isnan(group["attribution"][0]).all() and np.isfinite(group["attribution"][1:]).all()
    change, total = group["whole"][1:], group["attribution"][1:].sum(("component", "trained_on"))
    assert float(group["gap"][1:].max()) <= 0.01 and float(np.abs(change).max()) > 0.1
    np.testing.assert_allclose(total, change, atol=0.011 * float(np.abs(change).max()))
    rest, most = group["attribution"].sel(trained_on="rest"), float(np.abs(group["attribution"]).max())
    assert float(np.abs(rest).max()) < 1e-4 * most, "rounding of float32"
    seconds = groups["timing"]["attribution_seconds"].values[0]
    assert np.isnan(seconds[0]) and (seconds[1:] > 0).all()


def test_a_run_without_it_has_the_same_weights_and_identity(study: Study, results: Path) -> None:
    """The runs differ in nothing else."""
    first, plain = (read(results / "runs" / name / "run.nc") for name in ("first-s0", "plain"))
    assert first["checkpoint_sha256"].values.tolist() == plain["checkpoint_sha256"].values.tolist()
    assert first.attrs["run_id"] == plain.attrs["run_id"] == study.run("plain").run_id
    assert "attribution" not in read_groups(results / "runs" / "plain" / "run.nc")
    run = study.run("first-s0")
    assert RunConfig.from_dict(run.to_dict()) == run
    assert "attribution" not in study.run("plain").to_dict()["training"]


def test_the_study_s_cube_and_a_probed_one_keep_the_group(study: Study, results: Path, tmp_path: Path) -> None:
    write_cube(study, results, tmp_path / "all.nc")
    group = read_groups(tmp_path / "all.nc")["attribution"]
    own = read_groups(results / "runs" / "first-s1" / "run.nc")["attribution"]
    assert group["run"].values.tolist() == ["first-s0", "plain", "first-s1"]
    assert np.isnan(group["attribution"].sel(run="plain")).all()
    there = own.sizes["checkpoint"]
    np.testing.assert_array_equal(group["attribution"].sel(run="first-s1")[:there], own["attribution"][0])
    words = ["probe", str(results / "runs" / "first-s0"), "--probes", "ov_copying", "--length", "6"]
    done = CliRunner().invoke(app, [*words, "-o", str(tmp_path / "p.nc")], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    kept = read_groups(tmp_path / "p.nc")
    first = read_groups(results / "runs" / "first-s0" / "run.nc")["attribution"]
    np.testing.assert_array_equal(kept["attribution"]["attribution"], first["attribution"])
    assert "components" in kept


def test_the_plan_counts_it(study: Study) -> None:
    run, plain = study.run("first-s0"), plan_run(study.run("plain"), Hardware())
    planned = plan_run(run, Hardware())
    per_token, steps = sum(planned.flops_per_token.values()), run.training.steps
    segments = len({*range(16, steps + 1, 16), *run.checkpoint_steps()} - {0})
    questions = 7 * 6 * 19 * per_token + 2 * 7 * 2 * 6 * planned.n_params
    by_hand = steps * 128 * per_token + 3 * segments * questions
    assert planned.attribution_flops == pytest.approx(by_hand) and plain.attribution_flops == 0
    assert planned.attribution_bytes == planned.n_params * (28 * 4 + 84) and plain.attribution_bytes == 0
    assert planned.wall_hours - plain.wall_hours == pytest.approx(planned.attribution_hours)
    assert planned.flops == plain.flops and planned.hours == plain.hours
    done = CliRunner().invoke(app, ["plan", str(study.path)], catch_exceptions=False)
    assert "attribution to the training text: " in done.output


def test_impossible_ones_are_refused_with_their_line(study: Study, tmp_path: Path) -> None:
    for text, said in (
        ("attribution: {pairs: [w1-w9]}", r"training.attribution.*'w1-w9'; expected translation, copying, or source"),
        ("attribution: {every: 0}", r"training.attribution.*`every` is 0; expected 1 or more"),
        ("attribution: {evry: 5}", r"evry.*every"),
        ("attribution: {}, optimizer: muon", "training.attribution needs training.optimizer adamw, and it is muon"),
        ("attribution: {}, devices: 2", "training.attribution needs training.devices 1, and it is 2"),
    ):
        path = tmp_path / "wrong.yaml"
        path.write_text(SMALL_STUDY.replace("training: {", f"training: {{{text}, "))
        with pytest.raises(UserError, match=said) as error:
            read_study(path)
        assert len(str(error.value)) <= 300 and "\n" not in str(error.value)
    asked = AttributionConfig(concepts=9, clusters=9)
    run = study.run("first-s0")
    many = replace(run, training=replace(run.training, attribution=asked))
    with pytest.raises(UserError, match="no pair of `pairs` has at least 9 questions"):
        run_trial(TrialRequest(config=many, results=tmp_path / "results"))
