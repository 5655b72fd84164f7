"""Co-ablation: the interaction by hand, a planted backup head in closed form, missing concepts."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from calque.data.errors import UserError
from calque.models.ablations.settings import SETS, AblationSettings
from calque.models.ablations.word_scores import WordScores
from calque.models.reading.families import model_parts
from calque.models.reading.parts import ModelParts
from calque.models.word_ablations.co_ablation import co_ablated, co_table, matched_sets
from calque.models.word_ablations.word_ablation import WordAblation
from tests.induction_decoder import HEAD_WIDTH, WIDTH, empty
from tests.test_models_function_vectors import CONCEPTS, TOKENS, WORDS, Few
from tests.test_models_function_vectors import TASK as LINES
from tests.test_models_word_ablation import some_parts, some_words

SETTINGS = AblationSettings(concepts=12, heads=2)


@pytest.fixture(scope="module")
def parts() -> ModelParts:
    return some_parts()


@pytest.fixture(scope="module")
def words() -> WordScores:
    return some_words()


def test_co_ablation_is_the_interaction_of_effects(parts: ModelParts, words: WordScores) -> None:
    scores = np.zeros((2, 4))
    scores[1, 3], scores[0, 1] = 2, 1
    found = co_ablated(parts, words, scores, SETTINGS)
    assert np.argwhere(found["co_ablation_chosen"].values).tolist() == [[0, 1], [1, 3]]
    generator = np.random.default_rng(np.random.SeedSequence([0, 3]))
    sets = [[(1, 3), (0, 1)], *matched_sets([(1, 3), (0, 1)], (2, 4), generator)]
    assert len(sets) == 1 + SETS and len({head for of in sets for head in of}) == 6
    assert all([layer for layer, _ in of] == [1, 0] for of in sets)
    ablation = WordAblation(parts, words, generator)
    head = (0, next(h for h in range(4) if (0, h) not in sets[0] + sets[1]))
    _, changes = ablation.effects([*sets, [head], *[[*of, head] for of in sets]])
    interactions = [changes[4 + s] - changes[s] - changes[3] for s in range(3)]
    at = found.sel(layer=head[0], head=head[1])
    np.testing.assert_allclose(at["co_ablation"], np.nanmean(interactions[0], -1), rtol=1e-9, atol=1e-15)
    controls = [of for of, heads in zip(interactions[1:], sets[1:], strict=True) if head not in heads]
    np.testing.assert_allclose(at["co_ablation_control"], np.mean(controls, 0).mean(-1), rtol=1e-9, atol=1e-15)
    difference = interactions[0] - np.mean(controls, 0)
    test = stats.ttest_1samp(difference, 0, axis=-1, alternative="less")
    np.testing.assert_allclose(at["co_ablation_p_value"], test.pvalue, rtol=1e-6)
    np.testing.assert_allclose(found["co_ablation_first"], changes[0].mean(-1), rtol=1e-9)
    assert np.isnan(found["co_ablation"].values[1, 3]).all() and np.isfinite(found["co_ablation_alone"]).all()
    with pytest.raises(UserError, match="the model has 3 heads; expected 4 or more"):
        co_ablated(parts, words, np.zeros((1, 3)), SETTINGS)


@torch.no_grad()
def test_a_planted_backup_head_has_its_closed_form() -> None:
    """Two heads of block 1 write the word of the other language, each enough for the answer."""
    first, backup, strength = (1, 0), (1, 2), 3.0
    made = empty("plain", 1e300, vocab_size=TOKENS)
    made.head.weight[:, :TOKENS] = torch.eye(TOKENS)
    attention = made.blocks[1].attention
    for _, head in (first, backup):  # of a first token and a word, each half of the attention
        rows = head * HEAD_WIDTH + torch.arange(CONCEPTS)
        attention.value.weight[rows.repeat(2), torch.arange(WORDS)] = 2 * strength * WIDTH**-0.5
        attention.output.weight[torch.arange(CONCEPTS), rows] = 1
        attention.output.weight[CONCEPTS + torch.arange(CONCEPTS), rows] = 1
    scores = np.zeros((2, 4))
    scores[first] = 1
    words = WordScores(LINES, Few(), CONCEPTS)  # type: ignore[arg-type]
    asked = AblationSettings(concepts=CONCEPTS, heads=1, instead="zero")
    found = co_ablated(model_parts(made.eval()), words, scores, asked)

    def logprob(heads: int) -> float:
        """Heads write both words of a concept; the asked one was not there before."""
        added = heads * strength
        size = WIDTH**0.5 / ((1 + added) ** 2 + added**2) ** 0.5
        return float(added * size - np.logaddexp.reduce([(1 + added) * size, added * size, *[0.0] * (TOKENS - 2)]))

    whole, one, none = (logprob(heads) for heads in (2, 1, 0))
    at = found.sel(measure="translation")
    np.testing.assert_allclose(at["co_ablation_first"], one - whole, rtol=1e-9)
    np.testing.assert_allclose(at["co_ablation_alone"].values[backup], one - whole, rtol=1e-9)
    expected = (none - whole) - 2 * (one - whole)
    for end in ("", "_low", "_high", "_difference"):
        np.testing.assert_allclose(at[f"co_ablation{end}"].values[backup], expected, rtol=1e-6)
    assert expected < -5 and np.argwhere(at["co_ablation_p_adjusted"].values < 0.05).tolist() == [[*backup]]
    rest = [h for h in np.ndindex(2, 4) if h not in (first, backup)]
    assert all(abs(at["co_ablation"].values[h]) < 1e-9 and at["co_ablation_control"].values[h] == 0 for h in rest)


def test_missing_concepts_are_left_out_of_co_ablation() -> None:
    generator = np.random.default_rng(0)
    interactions = generator.normal(size=(3, 4, 2, 7))
    alone, sets = generator.normal(size=(4, 2, 7)), generator.normal(size=(3, 2, 7))
    for of in (interactions, alone, sets):
        of[..., 1, 3] = np.nan
    interactions[1, 2] = np.nan  # a head of the first set of others
    found = co_table(interactions, alone, sets, (2, 2), 0.95)
    both = found["co_ablation_control"].values.reshape(4, 2)
    np.testing.assert_allclose(both[2], np.nanmean(interactions[2, 2], -1))
    np.testing.assert_allclose(both[0, 1], np.delete(interactions[1:, 0, 1].mean(0), 3).mean())
