"""Patching of concept and language: at the last depth the patched question is the other one; each effect by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from calque.data.errors import UserError
from calque.models.layers.layers import probe_layers
from calque.models.layers.patching import patched_questions, patching_scores
from calque.models.layers.settings import LayerSettings
from calque.models.reading.families import model_parts
from calque.models.reading.reading import read
from calque.models.reading.replacing import residual_replaced
from calque.models.scoring.words import WordScorer
from tests.reading_models import ALL, reading_model, some_prompts
from tests.test_models_ablations_heads import digest, hooks
from tests.test_models_layers import LANGUAGES, TASK, Letters

SETTINGS = LayerSettings(concepts=12)


@torch.no_grad()
@pytest.mark.parametrize("name", ALL)
def test_a_residual_of_its_own_changes_nothing_and_the_last_is_the_other_prompt(name: str) -> None:
    parts = model_parts(reading_model(name))
    one, other = (torch.tensor([prompt]) for prompt in some_prompts((9, 9)))
    before, expected = digest(parts.model), parts.run(one)
    [mine] = read(parts, one.tolist(), ["residual"], positions=[[-1]])
    [theirs] = read(parts, other.tolist(), ["residual"], positions=[[-1]])
    for depth in range(3):
        with residual_replaced(parts, depth, mine.residual[depth, :, 0]):
            torch.testing.assert_close(parts.run(one), expected, rtol=1e-9, atol=1e-9)
    last = parts.run(other)[:, -1]
    with residual_replaced(parts, 2, theirs.residual[2, :, 0]):
        torch.testing.assert_close(parts.run(one)[:, -1], last, rtol=1e-9, atol=1e-9)
    with residual_replaced(parts, 1, theirs.residual[1, :, 0]):
        assert not torch.allclose(parts.run(one)[:, -1], expected[:, -1], rtol=1e-3)
    assert digest(parts.model) == before and hooks(parts.model) == 0
    with pytest.raises(UserError, match="`depth` is 3; expected 0 to 2"), residual_replaced(parts, 3, one):
        pass


@torch.no_grad()
def test_effects_are_those_by_hand() -> None:
    parts, scorer = model_parts(reading_model("multiplied")), WordScorer(TASK, Letters())  # type: ignore[arg-type]
    words = patched_questions(scorer, np.random.default_rng(np.random.SeedSequence([0, 6])))
    found = patching_scores(parts, scorer, SETTINGS)
    for one in words:
        (s, t, a), (_, u, b) = one.given.place, one.into.place
        assert t != u and a != b and one.third.place == (s, t, one.third.place[2]) and one.third.place[2] not in (a, b)
        assert one.same.place == (s, u, a)
        assert (one.concept_tokens, one.language_tokens) == ((1 + 12 * u + a,), (1 + 12 * t + b,))
    k, depth, effects = words[0].given.place[2], 1, []
    for one in (w for w in words if w.given.place[2] == k):
        tokens, row = torch.tensor([one.into.prompt]), []
        for given in (one.given, one.third, one.same):
            [reading] = read(parts, [given.prompt], ["residual"], positions=[[-1]])
            plain = parts.unembedding(parts.run(tokens)).log_softmax(-1)[0, -1]
            with residual_replaced(parts, depth, reading.residual[depth, :, 0]):
                change = parts.unembedding(parts.run(tokens)).log_softmax(-1)[0, -1] - plain
            row.append([float(change[one.concept_tokens[0]]), float(change[one.language_tokens[0]])])
        effects.append([row[0][0], row[1][0], row[0][1], row[2][1]])
    expected = np.mean(effects, 0)
    np.testing.assert_allclose([x[depth, k] for x in (*found["concept"], *found["language"])], expected, rtol=1e-8)
    assert np.isfinite(found["concept"][0]).all() and len(LANGUAGES) == 3


def test_it_is_a_probe_of_layers_and_few_words_are_refused() -> None:
    parts = model_parts(reading_model("llama").float())
    found = probe_layers(parts, TASK, Letters(), ["patching"], SETTINGS)  # type: ignore[arg-type]
    assert found.sizes == {"depth": 3} and np.isfinite(found["patching_concept"]).all()
    assert found["patching_language"].attrs["units"] == "nat" and "patching_concept_p_adjusted" in found
    few = WordScorer(TASK, Letters(), 3)  # type: ignore[arg-type]
    with pytest.raises(UserError, match="patching, and 3 concepts with questions"):
        patched_questions(few, np.random.default_rng(0))
