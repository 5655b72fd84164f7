"""``sweeps probe --probes ablations``: swaps and scaling between checkpoints in a cube, restarted, and by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr
from typer.testing import CliRunner, Result

import calque
from calque.data.cube import read_groups
from calque.data.errors import UserError
from calque.data.words.words import word_task
from calque.models.ablations import swaps
from calque.models.ablations.settings import AblationSettings, numbers
from calque.models.ablations.weights import components, of_blocks, scaled, weights_replaced
from calque.models.ablations.word_scores import MEASURES, WordScores
from calque.models.huggingface.config_file import read_config
from calque.models.huggingface.tokenizer import encoding_of
from calque.models.huggingface.transformers_model import load_transformers_model
from calque.models.reading.families import model_parts
from calque.models.scoring.words import WordScorer
from calque.sweeps.cli import app
from calque.sweeps.probe.states import spaced
from calque.sweeps.score.questions import Questions
from tests.huggingface_models import save

ASKED = ("--pattern", "step{step}", "--tokens-per-step", "2k", "--languages", "en,de", "--concepts", "3",
         "--checkpoints", "2", "--ranges", "2", "--factors", "0,1.5", "--length", "8", "--prompts", "4")  # fmt: skip
STEPS = ("step1000", "step3000")


def sweeps(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ablated")
    for step, seed in ((1000, 1), (2000, 2), (3000, 3)):
        save(folder / f"step{step}", "qwen3", seed)
    return folder


@pytest.fixture(scope="module")
def ablated(models: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    cube = tmp_path_factory.mktemp("cubes") / "ablated.nc"
    done = sweeps("probe", models, "-o", cube, *ASKED, "--probes", "swaps,scaling", "--json", "-")
    assert done.exit_code == 0, done.output
    return cube, done


def by_hand(models: Path, step: str) -> tuple[Any, WordScores]:
    asked = Questions(languages=("en", "de"))
    task = word_task(asked.languages, asked.shots, asked.shot_seed, asked.template)
    folder = models / step
    words = WordScores(task, encoding_of(folder, read_config(folder)), 3)
    return load_transformers_model(folder), words


def state(model: Any) -> dict[str, torch.Tensor]:
    return {name: value.detach().clone() for name, value in model.model.named_parameters()}


def test_hybrids_are_those_made_by_hand(ablated: tuple[Path, Result], models: Path) -> None:
    group = read_groups(ablated[0])["ablations"]
    assert group["range"].values.tolist() == ["block 0", "block 1", "rest"]
    assert group["donor"].values.tolist() == list(STEPS) and group["measure"].values.tolist() == list(MEASURES)
    (host, words), (donor, _) = by_hand(models, "step3000"), by_hand(models, "step1000")
    whole, names = words(host), of_blocks(model_parts(host.model), [1])
    with weights_replaced(host.model, {name: state(donor)[name] for name in names}):
        expected = words(host)
    found = group["swaps_by_concept"].isel(run=0, checkpoint=1).sel(donor="step1000", range="block 1")
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert not np.allclose(expected, whole, rtol=1e-3)
    own = group["swaps_by_concept"].isel(run=0, checkpoint=1).sel(donor="step3000")
    assert all((own.sel(range=name).values == whole.astype(np.float32)).all() for name in own["range"].values)
    assert group.sizes["checkpoint"] == 2  # step2000 is not among those that are compared
    with weights_replaced(donor.model, {name: state(host)[name] for name in names}):
        counterpart = words(donor)
    interaction = expected + counterpart - whole - words(donor)
    at = group.isel(run=0, checkpoint=1).sel(donor="step1000", range="block 1")
    np.testing.assert_allclose(at["swaps_interaction"], interaction.mean(1), rtol=1e-4, atol=1e-5)
    assert (at["swaps_interaction_low"] < at["swaps_interaction_high"]).all()


def test_components_are_rewound_from_the_last_to_the_first(ablated: tuple[Path, Result], models: Path) -> None:
    group = read_groups(ablated[0])["ablations"].isel(run=0)
    assert np.isnan(group["scaling"].isel(checkpoint=0)).all()
    at = group.isel(checkpoint=1)
    (last, words), (first, _) = by_hand(models, "step3000"), by_hand(models, "step1000")
    named = components(model_parts(last.model))
    assert at["component"].values.tolist() == list(named) and at["factor"].values.tolist() == [0.0, 1.5, 1.0]
    before = {name: value.clone() for name, value in state(last).items()}
    for factor in (0.0, 1.5):
        with weights_replaced(last.model, scaled(state(first), before, named["block.0.mlp"], factor)):
            expected = words(last)
        found = at["scaling_by_concept"].sel(component="block.0.mlp", factor=factor)
        np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert (at["scaling_change"].sel(factor=1.0) == 0).all()
    assert all(torch.equal(value, before[name]) for name, value in state(last).items())


def test_the_change_of_the_loss_is_allocated(models: Path, tmp_path: Path) -> None:
    cube = tmp_path / "a.nc"
    few = ("--concepts", "12", "--pattern", "step{step}", "--tokens-per-step", "2k", "--languages", "en,de")
    done = sweeps("probe", models, "-o", cube, *few, "--checkpoints", "3", "--probes", "allocation", "--json", "-")
    assert done.exit_code == 0, done.output
    group = read_groups(cube)["ablations"].isel(run=0)
    assert group["loss"].values.tolist() == ["translation", "copying"] and (group["allocation_gap"].max() <= 0.01).all()
    whole = group["allocation_whole"].values
    np.testing.assert_allclose(group["allocation"].sum("component").values, whole, rtol=0.011, atol=1e-6)
    rows = json.loads(done.stdout)["ablations"]
    assert {row["checkpoint"] for row in rows} == {"step2000", "step3000"} and rows[0]["probe"] == "allocation"
    again = sweeps("probe", models, "-o", cube, *few, "--checkpoints", "3", "--probes", "allocation")
    assert again.stderr.count("probed before") == 3 and "largest parts" in again.stdout


def test_rows_are_told_and_what_is_there_is_not_scored_again(
    ablated: tuple[Path, Result], models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cube, done = ablated
    rows = json.loads(done.stdout)["ablations"]
    swapped = [row for row in rows if row["probe"] == "swaps"]
    assert len(swapped) == 2 * 2 * 3 * len(MEASURES) and {row["checkpoint"] for row in swapped} == set(STEPS)
    assert {row["factor"] for row in rows if row["probe"] == "scaling"} == {0.0, 1.0, 1.5}
    before = read_groups(cube)["ablations"]

    def never(*_: object) -> None:
        raise AssertionError("scored again")

    monkeypatch.setattr(WordScores, "__call__", never)
    again = sweeps("probe", models, "-o", cube, *ASKED, "--probes", "swaps,scaling")
    assert again.exit_code == 0 and again.stderr.count("probed before") == 3
    assert "largest interactions" in again.stdout and "largest changes" in again.stdout
    xr.testing.assert_identical(read_groups(cube)["ablations"], before)
    other = sweeps("probe", models, "-o", cube, *ASKED, "--probes", "swaps", "--seed", "4")
    assert "holds ablations of other prompts, settings or precision" in str(other.exception)


def test_an_interrupted_grid_goes_on_at_its_hybrid(
    ablated: tuple[Path, Result], models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed after some hybrids: the rest is scored, each once, and the cube is the same."""
    cube, calls, whole = tmp_path / "c.nc", [], WordScores.__call__

    def counted(words: WordScores, model: Any) -> Any:
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return whole(words, model)

    monkeypatch.setattr(WordScores, "__call__", counted)
    killed = sweeps("probe", models, "-o", cube, *ASKED, "--probes", "swaps")
    assert killed.exit_code != 0 and len(calls) == 4
    done = sweeps("probe", models, "-o", cube, *ASKED, "--probes", "swaps")
    assert done.exit_code == 0, done.output
    # two hosts of three hybrids and themselves are 8; after the kill 3 of them are kept (host and two hybrids)
    assert len(calls) == 4 + 8 - 3
    expected, found = read_groups(ablated[0])["ablations"], read_groups(cube)["ablations"]
    for name in ("swaps", "swaps_interaction", "swaps_interaction_low"):
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-6)


def test_heads_are_ablated_at_every_checkpoint_and_in_memory(models: Path, tmp_path: Path) -> None:
    cube = tmp_path / "h.nc"
    done = sweeps("probe", models, "-o", cube, *ASKED, "--probes", "head_ablation,prefix_matching", "--draws", "9")
    assert done.exit_code == 0, done.output
    groups = read_groups(cube)
    group = groups["ablations"].isel(run=0)
    assert np.isfinite(group["head_ablation"]).all() and group.sizes["repeating"] == 2
    chosen = group["head_ablation_chosen"].values.astype(bool)
    assert (chosen.sum((1, 2)) == 4).all()  # five are asked for, of eight
    deciding = groups["components"]["prefix_matching_deciding"].values[0]
    assert all(d[c].min() >= d[~c].max() for c, d in zip(chosen, deciding, strict=True))
    made = load_transformers_model(models / "step1000").model
    found = calque.probe(made, probes="head_ablation", prompts=8, length=6)
    assert [row["repeating"] for row in found.to_dict()["ablations"]] == ["logprob", "probability"]
    assert "as many others" in found.summary() and found.tables()["ablations"].rows[0]["probe"] == "head_ablation"
    with pytest.raises(UserError, match="`probes` has none of heads"):
        found.plot()
    with pytest.raises(UserError, match="`probes` has swaps, which compares checkpoints, and `model` is one in memory"):
        calque.probe(made, probes="swaps")


def test_word_scores_are_those_of_the_scorer(models: Path) -> None:
    model, words = by_hand(models, "step1000")
    whole = WordScorer(words.scorer.task, words.scorer.encoding, 3)(model)
    target, source = whole["translation_logprob"].astype(float), whole["copy_logprob"].astype(float)
    found = words(model)
    assert words.concepts == words.scorer.task.concepts[:3] and found.shape == (5, 3)
    both = np.stack([target[0, 1, :3], target[1, 0, :3]])
    from calque.data.words.overlap import NONE
    from calque.data.words.properties import overlap

    table = overlap(words.scorer.task, words.scorer.encoding)[:, :, :3]
    apart = np.stack([table[0, 1], table[1, 0]]) == NONE
    expected = np.where(apart, both, 0).sum(0) / np.where(apart.any(0), apart.sum(0), np.nan)
    np.testing.assert_allclose(found[0], expected, rtol=1e-5)
    np.testing.assert_allclose(found[3], np.stack([target[0, 0, :3], target[1, 1, :3]]).mean(0), rtol=1e-5)
    copied = np.stack([source[0, 1, :3], source[1, 0, :3]])
    preference = np.where(apart, both - copied, 0).sum(0) / np.where(apart.any(0), apart.sum(0), np.nan)
    np.testing.assert_allclose(found[2], preference, rtol=1e-4)


def test_a_grid_of_two_measures_is_two_grids() -> None:
    hybrids = np.random.default_rng(0).normal(size=(2, 2, 3, 2, 6))
    hybrids[:, :, :, 1, 4] = np.nan
    both = swaps.grid_table(hybrids, 0.95)
    for m in range(2):
        kept = hybrids[:, :, :, m][..., np.isfinite(hybrids[0, 0, 0, m])]
        alone = swaps.grid_table(kept, 0.95)
        for name in ("interaction", "interaction_low", "hybrid"):
            np.testing.assert_allclose(both[name].isel(measure=m), alone[name])


def test_what_makes_no_sense_is_refused(models: Path, tmp_path: Path) -> None:
    assert AblationSettings(ranges="3").blocks(8) == {"blocks 0-2": range(3), "blocks 3-4": range(3, 5),
                                                      "blocks 5-7": range(5, 8)}  # fmt: skip
    assert list(AblationSettings(ranges="0-1,3").blocks(4)) == ["blocks 0-1", "block 3"]
    assert list(AblationSettings(ranges="9").blocks(2)) == ["block 0", "block 1"]
    assert spaced("abcdefg", 3) == ("a", "d", "g") and spaced("ab", 4) == ("a", "b")
    assert numbers("0, 1.5") == (0.0, 1.5)
    for call, said in (
        (lambda: AblationSettings(ranges="0-x"), "`ranges` is '0-x'; expected a number such as 4"),
        (lambda: AblationSettings(ranges="2-1"), "`ranges` is '2-1'"),
        (lambda: AblationSettings(ranges="0"), "`ranges` is '0'"),
        (lambda: AblationSettings(ranges="0-4").blocks(4), "within 0 to 3"),
        (lambda: AblationSettings(factors=()), "`factors` is"),
        (lambda: AblationSettings(concepts=1), "`concepts` is 1"),
        (lambda: AblationSettings(factors=(0.0, 0.0)), "expected each once"),
        (lambda: numbers("a"), "`factors` is 'a'"),
        (lambda: AblationSettings(level=0.0), "`level` is 0"),
    ):  # fmt: skip
        with pytest.raises(UserError, match=said):
            call()
    with pytest.raises(UserError, match="swaps, which compares checkpoints, and there is one; name more in"):
        words = ("probe", models, "-o", tmp_path / "c.nc", *ASKED, "--probes", "swaps", "--revisions", "step1000")
        raise sweeps(*words).exception  # type: ignore[misc]
