"""Attention, MLPs, blocks and heads taken away while words are asked: by hand, in closed form, and backup heads."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from torch.utils.flop_counter import FlopCounterMode

import calque
from calque.data.cube import read_groups
from calque.data.errors import UserError
from calque.models.ablations.settings import OUTSIDE, AblationSettings
from calque.models.ablations.word_scores import MEASURES, WordScores
from calque.models.config.sizes import DecoderConfig
from calque.models.decoder.decoder import Decoder
from calque.models.probing.asked import Asked
from calque.models.probing.one_model import probe_model
from calque.models.reading.families import model_parts
from calque.models.reading.parts import ModelParts
from calque.models.reading.reading import read
from calque.models.reading.replacing import heads_replaced, parts_replaced
from calque.models.word_ablations import word_ablation
from calque.models.word_ablations.ablation_cost import ablation_flops
from calque.models.word_ablations.co_ablation import co_ablated
from calque.models.word_ablations.part_ablation import NAME, PARTS, part_table, parts_ablated
from calque.models.word_ablations.word_ablation import WordAblation
from tests.huggingface_models import save
from tests.induction_decoder import empty
from tests.reading_models import ALL, reading_model, some_prompts
from tests.test_models_ablations_heads import digest, hooks
from tests.test_models_function_vectors import CONCEPTS, TOKENS, WORDS, Few
from tests.test_models_function_vectors import TASK as LINES
from tests.test_models_layers import TASK, Letters

SETTINGS = AblationSettings(concepts=12, heads=2)


def some_parts() -> ModelParts:
    return model_parts(reading_model("multiplied"))


def some_words() -> WordScores:
    return WordScores(TASK, Letters(), 12)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def parts() -> ModelParts:
    return some_parts()


@pytest.fixture(scope="module")
def words() -> WordScores:
    return some_words()


@torch.no_grad()
@pytest.mark.parametrize("name", ALL)
def test_a_part_that_adds_nothing_is_a_part_of_zero_weights(name: str) -> None:
    parts = model_parts(reading_model(name))
    tokens, before = torch.tensor(some_prompts((9, 9))), digest(parts.model)
    with parts_replaced(parts, {("mlp", 0): torch.zeros(1, 1, 1), ("attention", 1): torch.zeros(1, 1, 1)}):
        found = parts.run(tokens)
    assert digest(parts.model) == before and hooks(parts.model) == 0
    for module in (parts.blocks[0].mlp_end, parts.blocks[1].attention_end):
        module.weight.zero_()  # type: ignore[operator, union-attr]
        if getattr(module, "bias", None) is not None:
            module.bias.zero_()  # type: ignore[operator, union-attr]
    torch.testing.assert_close(found, parts.run(tokens), rtol=1e-9, atol=1e-9)


@torch.no_grad()
@pytest.mark.parametrize("name", ["multiplied", "llama", "olmo2", "gpt_neox"])
def test_its_own_output_changes_nothing_and_a_block_is_what_it_adds(name: str) -> None:
    parts, prompts = model_parts(reading_model(name)), some_prompts((9, 9))
    tokens = torch.tensor(prompts)
    [reading] = read(parts, prompts, ["attention", "mlp", "residual"])
    own = {(part, layer): getattr(reading, part)[layer] for part in ("attention", "mlp") for layer in (0, 1)}
    with parts_replaced(parts, own):
        torch.testing.assert_close(parts.run(tokens), parts.run(tokens), rtol=0, atol=0)
        torch.testing.assert_close(parts.run(tokens), _final(parts, reading.residual[-1]), rtol=1e-9, atol=1e-9)
    given = {("attention", 1): torch.ones(1, 1, parts.width), ("mlp", 1): torch.ones(1, 1, parts.width) * 2}
    with parts_replaced(parts, given):
        expected = _final(parts, reading.residual[1] + 3)
        torch.testing.assert_close(parts.run(tokens), expected, rtol=1e-9, atol=1e-9)
    with pytest.raises(UserError, match="`outputs` has mlp 2; expected attention or mlp, and layers 0 to 1"):
        with parts_replaced(parts, {("mlp", 2): torch.zeros(1, 1, 1)}):
            pass
    assert hooks(parts.model) == 0


def _final(parts: ModelParts, residual: torch.Tensor) -> torch.Tensor:
    normed: torch.Tensor = parts.norm(residual) * parts.output_multiplier
    return normed


@torch.no_grad()
def test_intact_scores_are_those_of_the_words(
    parts: ModelParts, words: WordScores, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All questions are asked: the same numbers as a model that is not read by hooks has."""
    monkeypatch.setattr(word_ablation, "QUESTIONS", 99)
    ablation = WordAblation(parts, words, np.random.default_rng(0))
    assert ablation.asked.all()
    intact, changes = ablation.effects([])
    np.testing.assert_allclose(intact, words(parts.model), rtol=1e-5, atol=2e-6)  # type: ignore[arg-type] # those are float32
    assert changes.shape == (0, len(MEASURES), 12)


@torch.no_grad()
@pytest.mark.parametrize("kind", ["resample", "mean", "zero"])
def test_a_change_is_that_of_the_outputs_by_hand(parts: ModelParts, words: WordScores, kind: Any) -> None:
    ablation = WordAblation(parts, words, np.random.default_rng(3), kind=kind)
    intact, changes = ablation.effects([[("mlp", 0)], [(1, 2), ("attention", 0)]])
    expected = np.full((2, 2, words.questions), np.nan)
    for chunk in ablation.chunks:
        rows = [ablation.rows[i] for i in chunk.rows]
        concepts = words.concept_of[[row.question for row in rows]]
        tokens = torch.tensor([[*row.prompt, *row.form] for row in rows])
        [reading] = read(parts, tokens[:, :-1].tolist(), ["mlp", "heads", "attention"])
        others = concepts[:, None] != concepts
        assert not (chunk.given[~others] > 0).any()

        def instead(x: torch.Tensor, given: Any = chunk.given, others: Any = others) -> torch.Tensor:
            if kind == "resample":
                assert ((given == 0) | (given == 1)).all() and (given.sum(1) == 1).all()
                return x[given.argmax(1)]
            return torch.stack([x[row].mean(0) for row in others]) if kind == "mean" else torch.zeros_like(x)

        given = ({("mlp", 0): instead(reading.mlp[0])}, {("attention", 0): instead(reading.attention[0])})
        heads = ({}, {(1, 2): instead(reading.heads[1, :, 2])})
        for i in (0, 1):
            with parts_replaced(parts, given[i]), heads_replaced(parts, heads[i]):
                logprob = parts.unembedding(parts.run(tokens[:, :-1])).log_softmax(-1)
            for row, said, of in zip(rows, logprob, tokens, strict=True):
                at = range(len(row.prompt) - 1, len(of) - 1)
                expected[i, row.side, row.question] = sum(float(said[p, of[p + 1]]) for p in at)
    for i in (0, 1):
        scores = words.measured(*np.nan_to_num(expected[i]), ablation.asked)
        np.testing.assert_allclose(changes[i], scores - intact, rtol=1e-6, atol=1e-10)
    assert np.abs(changes).max() > 1e-3


def test_a_table_has_students_intervals_and_the_other_blocks_as_control() -> None:
    changes = np.random.default_rng(0).normal(size=(2, 3, 2, 9)) - 1
    changes[1, 0] -= 5
    changes[..., 1, 4] = np.nan
    found = part_table(changes, changes[0, 0], 0.9)
    kept = np.delete(changes[1, 0, 1], 4)
    control = np.delete(changes[1, 1:, 1].mean(0), 4)
    at = found.isel(part=1, layer=0, measure=1)
    low, high = stats.ttest_1samp(kept, 0).confidence_interval(0.9)
    np.testing.assert_allclose([at[NAME], at[f"{NAME}_low"], at[f"{NAME}_high"]], [kept.mean(), low, high])
    np.testing.assert_allclose(at[f"{NAME}_control"], control.mean())
    test = stats.ttest_rel(kept, control, alternative="less")
    np.testing.assert_allclose(at[f"{NAME}_p_value"], test.pvalue)
    p = found[f"{NAME}_p_value"].values[..., 1]
    adjusted = stats.false_discovery_control(p.ravel(), method="by").reshape(p.shape)
    np.testing.assert_allclose(found[f"{NAME}_p_adjusted"].values[..., 1], adjusted)
    alone = part_table(changes[:, :1], changes[0, 0], 0.9)
    assert np.isnan(alone[f"{NAME}_p_adjusted"]).all() and np.isfinite(alone[NAME]).all()
    rounding = np.full((1, 3, 1, 9), -2.0)
    rounding[0, 1] -= 1e-15
    np.testing.assert_allclose(part_table(rounding, rounding[0, 0], 0.9)[f"{NAME}_p_value"], 0.5, atol=1e-6)


@torch.no_grad()
def test_the_mlp_that_translates_is_found_alone() -> None:
    """In a decoder of empty blocks MLP units of block 1 write the word of the other language."""
    made = empty("plain", 1e300, vocab_size=TOKENS, ffn_width=WORDS)
    made.head.weight[:, :TOKENS] = torch.eye(TOKENS)
    units, other = torch.arange(WORDS), (torch.arange(WORDS) + CONCEPTS) % WORDS
    made.blocks[1].ffn.gate.weight[units, units] = 1
    made.blocks[1].ffn.up.weight[units, units] = 1
    made.blocks[1].ffn.down.weight[other, units] = 1
    parts = model_parts(made.eval())
    words = WordScores(LINES, Few(), CONCEPTS)  # type: ignore[arg-type]
    found = parts_ablated(parts, words, AblationSettings(concepts=CONCEPTS, instead="mean"))
    at = found.sel(measure="translation")
    assert at[f"{NAME}_intact"] > -0.01
    gone = at[NAME].values < -5
    assert [(PART, layer) for PART, layer in zip(*np.nonzero(gone), strict=True)] == [(1, 1), (2, 1)]
    assert (np.abs(at[NAME].values[~gone]) < 1e-9).all() and (at[f"{NAME}_p_adjusted"].values[gone] < 1e-6).all()
    assert (at[f"{NAME}_p_adjusted"].values[~gone] > 0.5).all() and at[NAME].sizes == {"part": 3, "layer": 2}
    assert (found[NAME].sel(measure="translation_probability").values[gone] < -0.9).all()


def test_probes_are_asked_by_path_and_told(tmp_path: Path, parts: ModelParts) -> None:
    save(tmp_path / "model" / "step1000", "qwen3", 1)
    given: dict[str, Any] = {
        "output": tmp_path / "c.nc", "languages": "en,de", "concepts": 6, "prompts": 4, "length": 8, "draws": 9,
        "pattern": "step{step}", "tokens_per_step": 1000, "probes": "part_ablation,co_ablation", "instead": "zero",
    }  # fmt: skip
    found = calque.probe(tmp_path / "model", **given)
    group = read_groups(tmp_path / "c.nc")["ablations"]
    assert group[NAME].dims == ("run", "checkpoint", "part", "layer", "measure")
    assert group["part"].values.tolist() == list(PARTS) and group["measure"].values.tolist() == list(MEASURES)
    for name in (NAME, f"{NAME}_p_adjusted", "co_ablation_alone", "co_ablation_first"):
        assert np.isfinite(group[name].sel(measure="copying")).all(), name
    assert any(OUTSIDE in line for line in found.doubts())
    rows = found.to_dict()["ablations"]
    assert {row["probe"] for row in rows} == {NAME, "co_ablation"} and "answers without a part" in found.summary()
    again = calque.probe(tmp_path / "model", **given)
    assert again.ablations.identical(group)
    with pytest.raises(UserError, match="`probes` has part_ablation, which needs words and their tokenizer"):
        probe_model(parts, (), Asked(probes=(NAME,)))
    with pytest.raises(UserError, match="`head_type` is 'induction'; expected one of previous_token"):
        AblationSettings(head_type="induction")
    with pytest.raises(UserError, match="`instead` is 'noise'; expected one of resample, mean, zero"):
        AblationSettings(instead="noise")  # type: ignore[arg-type]


def test_questions_without_others_of_their_length_are_left_out(
    parts: ModelParts, words: WordScores, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Words of concept 0 have two tokens, those of all others one: they can give it nothing."""
    plain = WordAblation._rows

    def longer(self: WordAblation, generator: np.random.Generator) -> Any:
        rows = plain(self, generator)
        return [replace(row, form=row.form[: 1 + (self.words.concept_of[row.question] == 0)]) for row in rows]

    monkeypatch.setattr(WordAblation, "_rows", longer)
    ablation = WordAblation(parts, words, np.random.default_rng(0))
    assert {*words.concept_of[ablation.asked]} == {*range(1, 12)}
    intact, changes = ablation.effects([[("mlp", 1)]])
    assert np.isnan(intact[:, 0]).all() and np.isnan(changes[0, :, 0]).all() and np.isfinite(changes[0, :, 1:]).all()
    few = WordScores(TASK, Letters(), 2)  # type: ignore[arg-type]
    with pytest.raises(UserError, match="no two concepts have questions and words of the same number of tokens"):
        WordAblation(parts, few, np.random.default_rng(0))


@pytest.mark.parametrize("probe", [NAME, "co_ablation"])
def test_the_cost_is_what_torch_counts(words: WordScores, probe: str) -> None:
    shape = DecoderConfig(width=128, layers=2, heads=4, kv_heads=2, ffn_width=256, vocab_size=61)
    parts = model_parts(Decoder(shape, seed=0).eval())
    asked = AblationSettings(concepts=12, heads=2)
    with FlopCounterMode(display=False) as counted, torch.no_grad():
        if probe == NAME:
            parts_ablated(parts, words, asked)
        else:
            co_ablated(parts, words, np.arange(8.0).reshape(2, 4), asked)
    # rows have five tokens before the last; three languages have three questions to repeat, four are counted
    assert ablation_flops(shape, [probe], 5, asked) == pytest.approx(counted.get_total_flops(), rel=0.2)
