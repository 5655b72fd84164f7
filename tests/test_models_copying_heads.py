"""Heads on word questions: attention to the source word, and patching; planted heads, and both by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from calque.data.errors import UserError
from calque.models.components.head_settings import HeadSettings
from calque.models.components.source_attention import asked_words, source_attention, source_places
from calque.models.patching.copying_heads import Patched, copying_heads, patched_words, patching_effects
from calque.models.probing.asked import Asked
from calque.models.probing.one_model import ABOUT, probe_model
from calque.models.reading.families import model_parts
from calque.models.reading.parts import ModelParts
from calque.models.reading.reading import read
from calque.models.reading.replacing import heads_replaced
from calque.models.scoring.words import WordScorer
from tests.reading_models import reading_model
from tests.test_models_ablations_heads import digest, hooks
from tests.test_models_layers import TASK, Letters

SETTINGS = HeadSettings(prompts=24, draws=9)
KINDS = ("token_copying", "concept_copying")


@pytest.fixture(scope="module")
def parts() -> ModelParts:
    return model_parts(reading_model("multiplied"))


@pytest.fixture(scope="module")
def scorer() -> WordScorer:
    return WordScorer(TASK, Letters())  # type: ignore[arg-type]


def test_the_source_word_is_where_it_stands(scorer: WordScorer) -> None:
    for item in scorer.items:
        at = source_places(item)
        assert at == [1, 2] and [item.prompt[place] for place in at] == item.sources[0]
    chosen = asked_words(scorer, 30, np.random.default_rng(0))
    assert len(chosen) == 30 and len({item.place[2] for item in chosen}) == 12


def test_attention_to_the_source_is_that_of_the_patterns(parts: ModelParts, scorer: WordScorer) -> None:
    found = source_attention(parts, scorer, SETTINGS)
    words = np.random.default_rng(np.random.SeedSequence([0, 4]).spawn(2)[0])
    items = asked_words(scorer, 48, words)
    concepts = sorted({item.place[2] for item in items})
    for name, side in (("deciding", concepts[::2]), ("score", concepts[1::2])):
        of = [item for item in items if item.place[2] in side]
        [reading] = read(parts, [item.prompt for item in of], ["patterns"], positions=[[-1]] * len(of))
        summed = reading.patterns[:, :, :, 0, 1:3].sum(-1).numpy()
        means = [summed[:, [i.place[2] == k for i in of]].mean(1) for k in side]
        np.testing.assert_allclose(found[name], np.mean(means, 0), rtol=1e-9)
    assert (found["low"] <= found["score"]).all() and found["p_value"].min() >= 1 / (1 + 9 * found["score"].size)


@torch.no_grad()
@pytest.mark.parametrize("kind", KINDS)
def test_an_effect_is_that_of_one_output_at_the_last_position(parts: ModelParts, scorer: WordScorer, kind: str) -> None:
    before = digest(parts.model)
    words = patched_words(scorer, kind, 5, np.random.default_rng(1))
    effects, controls = patching_effects(parts, words)
    assert digest(parts.model) == before and hooks(parts.model) == 0
    one = words[3]
    for found, given in ((effects, one.clean), (controls, one.other)):
        [clean] = read(parts, [given], ["heads"])
        [corrupt] = read(parts, [one.corrupt], ["heads"])
        output = corrupt.heads[1, :, 2].clone()
        output[:, -1] = clean.heads[1, :, 2, -1]
        tokens = torch.tensor([one.corrupt])
        plain = parts.unembedding(parts.run(tokens)).log_softmax(-1)[0, -1, one.token]
        with heads_replaced(parts, {(1, 2): output}):
            patched = parts.unembedding(parts.run(tokens)).log_softmax(-1)[0, -1, one.token]
        np.testing.assert_allclose(found[1, 3, 2], float(patched - plain), rtol=1e-8, atol=1e-12)
    assert np.abs(effects).max() > 1e-4 and not np.allclose(effects, controls)
    same = [Patched(w.concept, w.corrupt, w.corrupt, w.other, w.token) for w in words]
    assert (patching_effects(parts, same)[0] == 0).all()  # its own output changes nothing


def test_words_are_of_one_length_and_differ(scorer: WordScorer) -> None:
    for kind in KINDS:
        for one in patched_words(scorer, kind, 36, np.random.default_rng(2)):
            assert len(one.clean) == len(one.corrupt) == len(one.other) and one.clean != one.corrupt != one.other
            extra = kind == "concept_copying"
            assert len(one.clean) == 5 + extra and one.clean[1] != one.corrupt[1]
            assert one.token == (one.clean[2] if extra else one.clean[1])
            assert not extra or one.clean[-1] == one.corrupt[-1] == one.clean[1]
    few = WordScorer(TASK, Letters(), 3)  # type: ignore[arg-type]
    with pytest.raises(UserError, match="token_copying, and 3 concepts have words of two tokens or more"):
        patched_words(few, "token_copying", 9, np.random.default_rng(0))
    with pytest.raises(UserError, match="source_attention, and the source word is found in the prompts of 3 concepts"):
        asked_words(few, 9, np.random.default_rng(0))


def test_a_head_that_is_silent_does_nothing_and_tables_are_named(scorer: WordScorer) -> None:
    parts = model_parts(reading_model("llama"))
    with torch.no_grad():
        parts.blocks[0].output.weight[:, : parts.head_width] = 0  # head 0 of block 0 writes nothing
    table = copying_heads(parts, scorer, "token_copying", SETTINGS)
    assert table["score"].values[0, 0] == 0 and (np.abs(table["score"].values[1]) > 0).all()
    asked = Asked(probes=(*KINDS, "source_attention"), heads=SETTINGS)
    found = probe_model(parts, (), asked, words=scorer)["components"]
    for name in asked.probes:
        assert found[name].attrs["long_name"] == ABOUT[name].about and f"{name}_p_adjusted" in found
    np.testing.assert_array_equal(found["token_copying"], table["score"])
    with pytest.raises(UserError, match="`probes` has token_copying, which needs words and their tokenizer"):
        probe_model(parts, (), asked)
