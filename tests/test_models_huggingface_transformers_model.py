"""Models that are not ours, behind what scorers ask: the same numbers as ``transformers`` alone gives."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from calque.data.errors import UserError
from calque.data.words.words import word_task
from calque.models.huggingface.config_file import read_config
from calque.models.huggingface.importing import import_decoder
from calque.models.huggingface.library import transformers
from calque.models.huggingface.tokenizer import ModelEncoding, encoding_of
from calque.models.huggingface.transformers_model import load_transformers_model
from calque.models.scoring.words import WordScorer
from tests.huggingface_models import KINDS, save


@pytest.mark.parametrize("kind", [*KINDS, "gpt2", "olmo2"])
@torch.inference_mode()
def test_answers_are_those_of_transformers_itself(kind: str, tmp_path: Path) -> None:
    """The harness's way: one whole pass a form, and ``generate`` for the answer."""
    folder = save(tmp_path / "m", kind)
    scorer = WordScorer(word_task(("en", "fi"), shots=1), encoding_of(folder, read_config(folder)), max_concepts=2)
    model = transformers().AutoModelForCausalLM.from_pretrained(folder).eval()
    for answer in list(scorer.answers(load_transformers_model(folder)))[::7]:
        prompt = torch.tensor([answer.question.prompt])
        expected = []
        for form in answer.question.targets + answer.question.sources:
            logprob = model(torch.cat([prompt, torch.tensor([form])], 1)).logits[0].log_softmax(-1)
            expected.append(sum(float(logprob[prompt.shape[1] - 1 + i, token]) for i, token in enumerate(form)))
        np.testing.assert_allclose([*answer.targets, *answer.sources], expected, rtol=1e-5, atol=1e-4)
        made = model.generate(
            prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=scorer.new_tokens, do_sample=False,
            eos_token_id=None, pad_token_id=0,
        )[0, prompt.shape[1] :].tolist()  # fmt: skip
        assert made[: len(answer.tokens)] == answer.tokens


def test_both_ways_of_reading_a_llama_agree(tmp_path: Path) -> None:
    folder = save(tmp_path / "m", "llama")
    scorer = WordScorer(word_task(("en", "de"), shots=1), encoding_of(folder, read_config(folder)), max_concepts=6)
    ours, theirs = scorer(import_decoder(folder)), scorer(load_transformers_model(folder))
    np.testing.assert_array_equal(ours["translation_outcome"], theirs["translation_outcome"])
    np.testing.assert_allclose(ours["translation_logprob"], theirs["translation_logprob"], rtol=1e-5)


def test_a_model_with_more_rows_than_tokens_is_scored(tmp_path: Path) -> None:
    folder = save(tmp_path / "m", "gpt_neox", vocab_size=640)
    row = WordScorer(word_task(("en",), shots=0), encoding_of(folder, read_config(folder)), 3)(
        load_transformers_model(folder)
    )
    assert np.isfinite(row["translation_logprob"][:, :, :3]).all()


def test_missing_weights_are_never_drawn_at_random(tmp_path: Path) -> None:
    folder = save(tmp_path / "m", "gpt_neox")
    given = read_config(folder)
    (folder / "config.json").write_text(json.dumps(given | {"num_hidden_layers": 3}))
    with pytest.raises(UserError, match=r"it lacks gpt_neox.layers.2"):
        load_transformers_model(folder)
    (folder / "config.json").write_text(json.dumps(given | {"num_hidden_layers": 1}))
    with pytest.raises(UserError, match=r"it holds gpt_neox.layers.1"):
        load_transformers_model(folder)
    (folder / "config.json").write_text(json.dumps(given | {"intermediate_size": 96}))
    with pytest.raises(UserError, match=r"m \(gpt_neox\) cannot be loaded|it does not fit in"):
        load_transformers_model(folder)


def test_what_cannot_be_scored_is_refused(tmp_path: Path) -> None:
    folder = save(tmp_path / "m", "gpt_neox")
    given = read_config(folder)
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(b"nothing")
    with pytest.raises(UserError, match=r"m/model.safetensors is damaged or holds no weights \("):
        load_transformers_model(folder)
    (folder / "model.safetensors").write_bytes(whole)
    (folder / "config.json").write_text(json.dumps(given | {"auto_map": {"AutoModelForCausalLM": "code.Model"}}))
    with pytest.raises(UserError, match="brings code of its own, which is never run"):
        load_transformers_model(folder)
    (folder / "config.json").write_text(json.dumps(given | {"model_type": "nonesuch"}))
    with pytest.raises(UserError, match=r"m \(nonesuch\) cannot be loaded"):
        load_transformers_model(folder)
    state_space = save(tmp_path / "mamba", "mamba", state_size=4, num_attention_heads=None)
    with pytest.raises(UserError, match=r"mamba\) cannot be scored: it does not continue from a cache"):
        load_transformers_model(state_space)


def test_the_beginning_is_what_the_models_files_say(tmp_path: Path) -> None:
    folder = save(tmp_path / "m", "llama")
    assert encoding_of(folder, read_config(folder)).begin("en") == 0
    settings = folder / "tokenizer_config.json"
    settings.write_text(json.dumps({"bos_token": {"content": "Ġ"}}))
    space = encoding_of(folder, {}).tokenizer.token_to_id("Ġ")
    assert encoding_of(folder, {"bos_token_id": 7}).begin("en") == space
    settings.unlink()
    assert encoding_of(folder, {"bos_token_id": 7}).begin("en") == 7
    assert encoding_of(folder, {}).begin("en") == 0
    with pytest.raises(UserError, match="no token of the model in .* begins a document"):
        encoding_of(folder, {"bos_token_id": 900, "vocab_size": 512})
    settings.write_text("[")
    with pytest.raises(UserError, match=r"tokenizer_config.json is damaged"):
        encoding_of(folder, {})
    (folder / "tokenizer.json").unlink()
    with pytest.raises(UserError, match=r"holds no tokenizer.json"):
        encoding_of(folder, {})


def test_answers_have_no_space_before_them_where_texts_begin_with_one() -> None:
    """SentencePiece puts a space before every text; an answer stands right after a quotation mark."""
    pieces = ["<s>", "▁", '"', "▁dog", "dog", "▁cat", "cat", *"▁abcdefghijklmnopqrstuvwxyzABCDEFGH:-\n"]
    vocabulary = {piece: i for i, piece in enumerate(dict.fromkeys(pieces))}
    tokenizer = Tokenizer(models.Unigram([(piece, -1.0) for piece in vocabulary], unk_id=0))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    tokenizer.decoder = decoders.Metaspace(prepend_scheme="first")
    scorer = WordScorer(word_task(("en",), shots=0), ModelEncoding(tokenizer, 0))
    dog = next(item for item in scorer.items if item.place[2] == scorer.concepts.index("dog"))
    assert dog.targets[0] == [vocabulary["dog"]]
