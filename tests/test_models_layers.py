"""Layers: the lens at the last depth is the model; alignment and linear probes on states of known truth."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.cross_decomposition import PLSSVD
from torch.utils.flop_counter import FlopCounterMode

from calque.data.errors import UserError
from calque.data.tasks import WordTask
from calque.models.config.sizes import DecoderConfig
from calque.models.decoder.decoder import Decoder
from calque.models.layers import similarity
from calque.models.layers.alignment import alignment
from calque.models.layers.layer_cost import layer_flops
from calque.models.layers.layers import SCORES, STATISTICS, probe_layers
from calque.models.layers.lens import first_tokens, lens_logprobs, lens_scores
from calque.models.layers.linear import linear_probes
from calque.models.layers.settings import LayerSettings
from calque.models.layers.word_states import shared_concepts, word_states
from calque.models.reading.families import model_parts
from calque.models.reading.reading import read
from calque.models.scoring.words import WordScorer
from tests.reading_models import ALL, reading_model, some_prompts

LANGUAGES = ("de", "en", "fi")
CONCEPTS = tuple(f"c{i}" for i in range(12))
SETTINGS = LayerSettings(concepts=12, neighbours=3, folds=3, components=4, draws=39)


def letter(token: int) -> str:
    return chr(0x4E00 + token)


class Letters:
    """An encoding of one token a letter; the words of each language have letters of their own."""

    size, blocks = 61, ()

    class tokenizer:  # noqa: N801
        @staticmethod
        def id_to_token(token: int) -> str:
            return letter(token)

        @staticmethod
        def decode_batch(ids: list[list[int]], skip_special_tokens: bool) -> list[str]:
            return ["".join(map(letter, one)) for one in ids]

        @staticmethod
        def decode(ids: list[int], skip_special_tokens: bool = True) -> str:
            return "".join(map(letter, ids))

        @staticmethod
        def encode(text: str, add_special_tokens: bool) -> SimpleNamespace:
            return SimpleNamespace(ids=[ord(one) - 0x4E00 for one in text])

    def begin(self, code: str) -> int:
        return 60

    def encode(self, pieces: Sequence[tuple[str, str]]) -> list[int]:
        return [ord(one) - 0x4E00 for _, text in pieces for one in text]

    def decode(self, tokens: list[int]) -> tuple[str, None]:
        return "".join(map(letter, tokens)), None


def word(language: int, concept: int) -> str:
    return letter(1 + 12 * language + concept) + letter(40 + (7 * concept + language) % 19)


def prompt(source: str, target: str, shown: str, concept: str | None) -> str:
    return shown + letter(59) + letter(50 + LANGUAGES.index(target))


TASK = WordTask(
    languages=LANGUAGES, concepts=CONCEPTS, nonce={}, prompt=prompt, stop=letter(59),
    forms={(code, c): (word(i, k),) for i, code in enumerate(LANGUAGES) for k, c in enumerate(CONCEPTS)},
)  # fmt: skip


@torch.no_grad()
@pytest.mark.parametrize("name", ALL)
def test_the_lens_at_the_last_depth_is_the_model(name: str) -> None:
    parts = model_parts(reading_model(name))
    prompts = some_prompts((9, 9))
    [reading] = read(parts, prompts, ["residual"])
    expected = parts.unembedding(parts.run(torch.tensor(prompts))).log_softmax(-1)
    torch.testing.assert_close(lens_logprobs(parts, reading.residual[-1]), expected, rtol=1e-9, atol=1e-9)
    assert not torch.allclose(lens_logprobs(parts, reading.residual[0]), expected, rtol=1e-2)


@torch.no_grad()
def test_lens_scores_are_of_the_words_asked_for() -> None:
    parts, scorer = model_parts(reading_model("multiplied")), WordScorer(TASK, Letters())  # type: ignore[arg-type]
    found = lens_scores(parts, scorer)
    first = first_tokens(scorer)
    assert first["fi"][2] == (1 + 24 + 2,)
    items = [item for item in scorer.items if item.place[0] != item.place[1]]
    k, target, source, other, pivot, mass = 5, [], [], [], [], []
    for item in (one for one in items if one.place[2] == k):
        logprob = parts.unembedding(parts.run(torch.tensor([item.prompt])))[0, -1].log_softmax(-1)
        s, t = item.place[0], item.place[1]
        target.append(float(logprob[1 + 12 * t + k]))
        other.append(float(logprob[1 + 12 * t + k + 1]))
        source.append(float(logprob[1 + 12 * s + k]))
        mass.append(float(logprob[1 + 12 * t : 1 + 12 * t + 12].exp().sum()))
        if "en" not in (LANGUAGES[s], LANGUAGES[t]):
            pivot.append(float(logprob[1 + 12 + k]))
    assert len(target) == 6 and len(pivot) == 2
    for name, values in (("target", target), ("source", source), ("pivot", pivot), ("target_mass", mass)):
        np.testing.assert_allclose(found[name][0][-1, k], np.mean(values), rtol=1e-9)
    np.testing.assert_allclose(found["target"][1][-1, k], np.mean(other), rtol=1e-9)
    assert all(one.shape == (3, 12) and np.isfinite(one).all() for pair in found.values() for one in pair)


def test_chance_levels_and_closed_forms_of_similarity() -> None:
    generator = np.random.default_rng(0)
    x = generator.normal(size=(30, 8))
    turn = np.linalg.qr(generator.normal(size=(8, 8)))[0]
    alike = 3 * x @ turn + 5  # turned, scaled, moved: nothing that any measure sees
    assert (similarity.nearest(x, 4) == similarity.nearest(alike, 4)).all()
    assert similarity.nearest(x, 4).sum(1).tolist() == [4] * 30
    np.testing.assert_allclose(similarity.cka(similarity.u_centred(x), similarity.u_centred(alike)), 1, atol=1e-9)
    gram, other = x @ x.T, (y := generator.normal(size=(30, 8))) @ y.T
    for one in (gram, other):
        np.fill_diagonal(one, 0)
    n, ones = 30, np.ones(30)
    hsic = (
        np.trace(gram @ other)
        + ones @ gram @ ones * (ones @ other @ ones) / ((n - 1) * (n - 2))
        - 2 / (n - 2) * ones @ gram @ other @ ones
    ) / (n * (n - 3))  # Song et al. 2012, equation 5
    centred = (similarity.u_centred(x) * similarity.u_centred(y)).sum() / (n * (n - 3))
    np.testing.assert_allclose(centred, hsic, rtol=1e-9)
    noise = [similarity.cka(*(similarity.u_centred(generator.normal(size=(125, 64))) for _ in range(2)))
             for _ in range(40)]  # fmt: skip
    assert abs(np.mean(noise)) < 4 * np.std(noise) / np.sqrt(40) + 1e-3  # the plain one is at .34


def test_retrieval_fits_what_scikit_learn_fits() -> None:
    generator = np.random.default_rng(1)
    x, y = generator.normal(size=(20, 6)), generator.normal(size=(20, 40))
    train, test = np.arange(14), np.arange(14, 20)
    found = similarity.fitted_similarity(x, y, train, test, 3)
    theirs = PLSSVD(n_components=3, scale=False).fit(x[train], y[train])
    of_x, of_y = theirs.transform(x[test], y[test])
    np.testing.assert_allclose(found, similarity.cosines(of_x, of_y), atol=1e-9)


def states(noise: float, depths: int = 2, concepts: int = 40, shared: bool = True) -> np.ndarray[Any, Any]:
    """Return states of three languages that say the same concept at the last depth, and nothing before it."""
    generator = np.random.default_rng(2)
    found = generator.normal(size=(depths, 3, concepts, 16))
    if shared:
        turns = [np.linalg.qr(generator.normal(size=(16, 16)))[0] for _ in range(3)]
        common = generator.normal(size=(concepts, 16))
        for language, turn in enumerate(turns):
            found[-1, language] = common @ turn + noise * generator.normal(size=(concepts, 16))
    return found.astype(np.float32)


def test_planted_alignment_is_found_where_it_is() -> None:
    found = alignment(states(0.1), np.ones((3, 3, 40), bool), SETTINGS)
    for name, of in found.items():
        assert of["score"][-1] > (0.6 if name == "neighbours" else 0.8), name
        assert of["p_adjusted"][-1] == 1 / 40 and of["p_adjusted"][0] > 0.05
        assert of["low"][-1] <= of["score"][-1] <= of["high"][-1] and of["control"][-1] < 0.2
    np.testing.assert_allclose(found["neighbours"]["control"], 3 / 39, atol=0.02)
    np.testing.assert_allclose(found["retrieval"]["control"], 1 / 13.3, atol=0.02)
    with pytest.raises(UserError, match="`alignment` has 3 languages and 12 concepts; expected two languages with 20"):
        alignment(states(0.1, concepts=12), np.ones((3, 3, 12), bool), SETTINGS)


def test_p_values_are_of_maps_that_never_saw_what_they_are_asked() -> None:
    made = states(0.05, depths=1)
    made[:, :, ::2] = np.random.default_rng(3).normal(size=made[:, :, ::2].shape)  # what is learned from says nothing
    found = alignment(made, np.ones((3, 3, 40), bool), SETTINGS)["retrieval"]
    assert found["score"][0] > 3 * found["control"][0] and found["p_value"][0] > 0.05, "folds learn from each other"
    told = np.random.default_rng(3).normal(size=(1, 3, 24, 8)).astype(np.float32)
    told[0, :, 1::2, :3] += 6 * np.eye(3)[:, None]
    language = linear_probes(told, SETTINGS)["language"]
    assert language.score[0, 1::2].mean() > 0.9 and language.decides[0].mean() < 0.6


@pytest.mark.simulation
def test_alignment_finds_nothing_in_noise() -> None:
    """P-values of the null with the maximum over depths are uniform, of each measure: 60 draws."""
    small, low = LayerSettings(neighbours=3, folds=2, components=3, draws=19), []
    for seed in range(60):
        made = np.random.default_rng(seed).normal(size=(3, 2, 20, 6)).astype(np.float32)
        found = alignment(made, np.ones((2, 2, 20), bool), small)
        low.append([of["p_adjusted"].min() <= 0.1 for of in found.values()])
    assert (np.mean(low, 0) <= 0.1 + 3 * np.sqrt(0.1 * 0.9 / 60)).all()


def test_linear_probes_read_what_is_there_and_controls_do_not() -> None:
    made = states(0.05, concepts=15)
    made[0, :, :, :3] += 6 * np.eye(3)[:, None]  # the first depth tells languages apart, not concepts
    same = made.copy()
    same[1] = made[1, :1]  # the last depth has concepts, the same in all languages
    found = linear_probes(same, SETTINGS)
    language, control, (decided, _) = found["language"]
    assert decided.shape == (2, 7) and decided[0].mean() > 0.9
    assert language[0].mean() > 0.9 and control[0].mean() < 0.65 and language[1].mean() < 0.5
    concept, control, _ = found["concept"]
    assert concept[1].mean() == 1 and control[1].mean() < 0.3 and concept[0].mean() < 0.4
    with pytest.raises(UserError, match="`linear` has 2 languages"):
        linear_probes(same[:, :2], SETTINGS)


def test_all_scores_of_layers() -> None:
    parts = model_parts(reading_model("llama").float())
    assert shared_concepts(TASK, 5) == CONCEPTS[:5]
    got = word_states(parts, TASK, Letters(), CONCEPTS[:2])  # type: ignore[arg-type]
    tokens = [60, *Letters().encode([("fi", word(2, 1))])]
    with torch.no_grad():
        [reading] = read(parts, [tokens], ["residual"], positions=[[2]])
    np.testing.assert_allclose(got[:, 2, 1], reading.residual[:, 0, 0], rtol=1e-5, atol=1e-6)
    found = probe_layers(parts, TASK, Letters(), ["lens", "linear"], SETTINGS)  # type: ignore[arg-type]
    assert found.sizes == {"depth": 3} and found.attrs["level"] == 0.95
    names = [name for name in SCORES if name.startswith(("lens", "linear"))]
    assert all(np.isfinite(found[name]).all() for name in names)
    assert set(found) == {f"{name}{end}" for name in names for end in ("", *(f"_{one}" for one in STATISTICS))}
    assert found["lens_target"].attrs["units"] == "nat" and found["linear_concept"].attrs["control"]


def test_impossible_settings_are_refused() -> None:
    for changes, said in (
        ({"concepts": 1}, "`concepts` is 1; expected 2"), ({"folds": 1}, "`folds` is 1"),
        ({"level": 1.0}, "`level` is 1"),
        ({"draws": 1}, "`draws` is 1"),
    ):  # fmt: skip
        with pytest.raises(UserError, match=said):
            LayerSettings(**changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("probe", ["lens", "patching"])
def test_the_cost_is_what_torch_counts(probe: str) -> None:
    shape = DecoderConfig(width=128, layers=2, heads=4, kv_heads=2, ffn_width=256, vocab_size=61)
    parts = model_parts(Decoder(shape, seed=0).eval())
    with FlopCounterMode(display=False) as counted, torch.no_grad():
        probe_layers(parts, TASK, Letters(), [probe], SETTINGS)  # type: ignore[arg-type]
    expected = layer_flops(shape, [probe], 3, 12, (5, 3), SETTINGS)
    assert expected == pytest.approx(counted.get_total_flops(), rel=0.2)


def test_more_is_read_the_more_is_asked() -> None:
    shape = DecoderConfig(width=128, layers=2, heads=4, kv_heads=2, ffn_width=256, vocab_size=61)
    of = [layer_flops(shape, [name], 3, 12, (5, 3), SETTINGS) for name in ("alignment", "linear", "heads")]
    assert of[1] > of[0] > 0 == of[2]
    assert layer_flops(shape, ["linear"], 9, 100, (5, 3), SETTINGS) > 3 * of[1]
