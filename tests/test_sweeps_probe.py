"""``sweeps probe`` and ``calque.probe``: heads of models in memory and at checkpoints, in a cube's group."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from typer.testing import CliRunner, Result

import calque
from calque.data.cube import read, read_groups
from calque.data.errors import UserError
from calque.models.components.heads import PROBES
from calque.models.reading.families import model_parts
from calque.sweeps.cli import app
from calque.sweeps.study.study import read_study
from calque.sweeps.trial.request import TrialRequest
from calque.sweeps.trial.trial import run_trial
from tests.conftest import SMALL_STUDY
from tests.huggingface_models import save
from tests.induction_decoder import HEADS, TOKENS, induction

SMALL = ("--length", "8", "--prompts", "4", "--draws", "9")
STEPS = ("--pattern", "step{step}", "--tokens-per-step", "2k", "--languages", "en,de")


def sweeps(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def probe(models: Path, cube: Path, *more: object) -> Result:
    return sweeps("probe", models, "-o", cube, *STEPS, *SMALL, *more)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three checkpoints, the last with the weights of the second."""
    folder = tmp_path_factory.mktemp("probed")
    for step, seed in ((1000, 1), (2000, 2), (3000, 2)):
        save(folder / f"step{step}", "llama", seed)
    return folder


@pytest.fixture(scope="module")
def probed(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All of them, the first and the last first."""
    cube = tmp_path_factory.mktemp("cubes") / "probed.nc"
    assert probe(models, cube, "--revisions", "step1000,step3000").exit_code == 0
    assert probe(models, cube).exit_code == 0
    return cube


def test_a_model_in_memory_is_probed() -> None:
    made = induction("grouped", 1, first=8.0, beta=6.0)
    settings: dict[str, Any] = {"begin": TOKENS - 1, "length": 5, "prompts": 8, "draws": 79}
    found = calque.probe(made, **settings)
    assert found.components.sizes["head"] == HEADS
    rows = {(r["probe"], r["layer"], r["head"]): r for r in found.to_dict()["heads"]}
    assert len(rows) == 3 * 2 * HEADS and rows["prefix_matching", 1, 1]["score"] > 0.98
    assert [at for at, row in rows.items() if row["p_adjusted"] < 0.05] == [
        ("previous_token", 0, 1), ("prefix_matching", 1, 1)
    ]  # fmt: skip
    assert "prefix_matching: 1 of 8 heads above the control" in " ".join(found.summary().split())
    frame = found.to_dataframe()
    assert len(frame) == 24 and found.plot("prefix_matching").get_title()
    alone = calque.probe(made, probes=["ov_copying"], vocabulary=range(6), **settings | {"begin": None})
    assert list(alone.tables()["heads"].rows[0])[:4] == ["probe", "layer", "head", "score"]
    for given, said in (
        ({"output": "x.nc"}, "`output` goes with checkpoints, and `model` is one in memory; leave it out"),
        ({"vocabulary": [99]}, "`vocabulary` has token 99"),
        ({"probes": "lenz"}, "`probes` has 'lenz'; expected some of heads"),
    ):  # fmt: skip
        with pytest.raises(UserError, match=said):
            calque.probe(made, **given)
    with pytest.raises(UserError, match="`model` cannot be read: it is of type dict"):
        calque.probe({})


def test_checkpoints_are_probed_once(probed: Path, models: Path) -> None:
    root, group = read(probed), read_groups(probed)["components"]
    assert root["revision"].values.tolist() == [["step1000", "step2000", "step3000"]]
    np.testing.assert_array_equal(root["tokens"], [[2e6, 4e6, 6e6]])
    assert group.sizes == {"run": 1, "checkpoint": 3, "layer": 2, "head": 4, "prompt": 2}
    assert group["sha256"].values.tolist() == root["checkpoint_sha256"].values.tolist()
    parts = {name: group[name].values[0] for name in PROBES}
    for name, scores in parts.items():
        assert group[name].attrs["units"] == "1" and np.isfinite(scores).all()
        np.testing.assert_array_equal(scores[1], scores[2])
        assert not np.isclose(scores[0], scores[1], rtol=1e-6).any()
    seconds = read_groups(probed)["timing"]["probing_seconds"].values[0]
    assert np.isfinite(seconds).tolist() == [True, False, True]
    again = probe(models, probed)
    assert again.stderr.count("probed before") == 3 and "next: phases detect" in again.stdout
    xr.testing.assert_identical(read_groups(probed)["components"], group)


def test_numbers_are_those_of_the_model_in_memory(probed: Path, models: Path) -> None:
    """The same tokens, prompts and heads, by way of the tokenizer of the folder."""
    from calque.data.words.words import word_task
    from calque.models.components.head_settings import HeadSettings
    from calque.models.components.heads import probe_heads
    from calque.models.components.token_sets import tokens_of_words
    from calque.models.huggingface.config_file import read_config
    from calque.models.huggingface.library import transformers
    from calque.models.huggingface.tokenizer import encoding_of
    from calque.sweeps.score.questions import Questions

    folder, asked = models / "step2000", Questions(languages=("en", "de"))
    made = transformers().AutoModelForCausalLM.from_pretrained(folder).eval()
    task = word_task(asked.languages, asked.shots, asked.shot_seed, asked.template)
    sets = tokens_of_words(task, encoding_of(folder, read_config(folder)))
    expected = probe_heads(model_parts(made), sets, settings=HeadSettings(length=8, prompts=4, draws=9))
    group = read_groups(probed)["components"].isel(run=0, checkpoint=1)
    for name in PROBES:
        np.testing.assert_allclose(group[name], expected[name], rtol=1e-4, atol=1e-6)


def test_a_probe_is_added_to_what_is_there_and_other_settings_are_refused(models: Path, tmp_path: Path) -> None:
    cube = tmp_path / "c.nc"
    assert probe(models, cube, "--probes", "previous_token", "--revisions", "step1000").exit_code == 0
    first = read_groups(cube)["components"]
    assert "ov_copying" not in first
    assert probe(models, cube, "--probes", "ov_copying", "--revisions", "step1000").exit_code == 0
    both = read_groups(cube)["components"]
    np.testing.assert_array_equal(both["previous_token"], first["previous_token"])
    assert "ov_copying" in both and both["ov_copying"].attrs["long_name"]
    other = probe(models, cube, "--seed", "3")
    assert other.exit_code == 2 or isinstance(other.exception, UserError)
    assert "holds components of other prompts, settings or precision" in str(other.exception)
    others = tmp_path / "others" / models.name
    save(others / "step1000", "llama", 7)
    with pytest.raises(UserError, match="'step1000' was not probed: .*other weights than the model"):
        raise probe(others, cube, "--probes", "heads").exception  # type: ignore[misc]


def test_what_cannot_be_probed_is_told(models: Path, tmp_path: Path) -> None:
    folder = tmp_path / "some"
    folder.mkdir()
    (folder / "step1000").symlink_to(models / "step1000")
    save(folder / "step2000", "llama", 1, num_hidden_layers=3)
    done = probe(folder, tmp_path / "c.nc", "--json", "-", "--probes", "ov_copying")
    assert done.exit_code == 1
    said = json.loads(done.stdout)
    assert [row["revision"] for row in said["checkpoints"]] == ["step1000"] and said["last"] == "step1000"
    assert said["failed"][0]["revision"] == "step2000" and "has 3 layers of 4 heads" in said["failed"][0]["reason"]
    with pytest.raises(UserError, match="prompts have 401 tokens and the model takes 256; lower `?-?-?length`? to 127"):
        raise sweeps("probe", folder, "-o", tmp_path / "d.nc", *STEPS, "--length", "200").exception  # type: ignore[misc]
    with pytest.raises(UserError, match="`output` is missing"):
        calque.probe(models)
    with pytest.raises(UserError, match="`begin` goes with a model in memory"):
        calque.probe(models, output=tmp_path / "d.nc", begin=0)


def test_a_scored_cube_gains_the_group_and_keeps_it(models: Path, tmp_path: Path) -> None:
    cube, asked = tmp_path / "scored.nc", ("--shots", "1", "--concepts", "2", "--minimal-pairs", "2", "--heldout",
                                           "none")  # fmt: skip
    assert sweeps("score", models, "-o", cube, *STEPS, *asked, "--revisions", "step1000,step2000").exit_code == 0
    before = read(cube)
    refused = probe(models, cube, "--probes", "ov_copying")
    assert refused.exit_code == 1 and "score it into the cube first" in " ".join(refused.stdout.split())
    after, group = read(cube), read_groups(cube)["components"]
    xr.testing.assert_identical(after, before)
    assert set(read_groups(cube)["timing"]) == {"loading_seconds", "scoring_seconds", "probing_seconds"}
    assert np.isfinite(group["ov_copying"].values).all() and group.sizes["checkpoint"] == 2
    assert sweeps("score", models, "-o", cube, *STEPS, *asked).exit_code == 0
    more = read_groups(cube)["components"]
    np.testing.assert_array_equal(more["ov_copying"][:, :2], group["ov_copying"])
    assert np.isnan(more["ov_copying"][:, 2]).all() and more["sha256"].values[0, 2] == ""
    assert probe(models, cube, "--probes", "ov_copying").exit_code == 0
    assert np.isfinite(read_groups(cube)["components"]["ov_copying"]).all()


def test_the_cube_of_a_run_of_ours_has_all_that_its_own_has(tmp_path: Path) -> None:
    (tmp_path / "small.yaml").write_text(SMALL_STUDY)
    config = read_study(tmp_path / "small.yaml").run("first-s0")
    assert run_trial(TrialRequest(config=config, results=tmp_path / "results")).state == "done"
    run = tmp_path / "results" / "runs" / "first-s0"
    own, last = read(run / "run.nc"), sorted((run / "weights").glob("*.safetensors"))[-1]
    words = ("probe", run, "-o", tmp_path / "p.nc", "--length", "6", "--prompts", "4", "--draws", "9")
    done = sweeps(*words, "--revisions", f"step-{int(own['step'].values[0, -1])}")
    assert done.exit_code == 0, done.output
    found, group = read(tmp_path / "p.nc"), read_groups(tmp_path / "p.nc")["components"]
    xr.testing.assert_identical(found.drop_vars("revision"), own)
    there = np.isfinite(group["prefix_matching"].values[0]).all((1, 2))
    assert there.tolist() == [False] * (own.sizes["checkpoint"] - 1) + [True] and last.exists()
    with pytest.raises(UserError, match="pattern.* is recorded by .*first-s0', a run of Calque; leave it out"):
        raise sweeps(*words, "--pattern", "step-{step}", "--tokens-per-step", "5").exception  # type: ignore[misc]
    with pytest.raises(UserError, match="prompts have 41 tokens and the model takes 32; lower .*length.* to 15"):
        raise sweeps("probe", run, "-o", tmp_path / "q.nc", "--length", "20").exception  # type: ignore[misc]
