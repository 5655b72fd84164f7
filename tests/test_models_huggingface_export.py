"""What is exported computes the same in ``transformers``, and comes back as it was."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from calque.data.errors import UserError
from calque.data.tokens.tokenizers import train
from calque.models.config.sizes import SIZES, DecoderConfig, size
from calque.models.decoder.decoder import Decoder
from calque.models.huggingface.export import export
from calque.models.huggingface.importing import import_decoder
from calque.models.huggingface.library import transformers

TOKENIZER = train(["Wort für Wort, word for word " * 20], 300)
FAMILIES = {
    "cpu": size("micro", 300),
    "ladder": DecoderConfig(width=256, layers=2, heads=2, kv_heads=1, ffn_width=704, vocab_size=300),
    "one key-value head": DecoderConfig(
        width=64, layers=2, heads=4, kv_heads=1, ffn_width=96, vocab_size=300, tied=True
    ),
    "norms, untied, grouped": DecoderConfig(
        width=64, layers=2, heads=4, kv_heads=2, ffn_width=96, vocab_size=300, qk_norm=True, norm_eps=1e-6
    ),
}  # fmt: skip


def trained(config: DecoderConfig) -> Decoder:
    """A decoder after a few steps, every gain away from 1."""
    decoder = Decoder(config, seed=0)
    optimizer = torch.optim.AdamW(decoder.parameters(), lr=1e-2)
    tokens = torch.randint(0, config.vocab_size, (4, 17), generator=torch.Generator().manual_seed(1))
    for _ in range(3):
        logits = decoder(tokens[:, :-1])
        torch.nn.functional.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten()).backward()
        optimizer.step()
        optimizer.zero_grad()
    return decoder.eval()


def give(decoder: Decoder, folder: Path, **changes: object) -> str:
    return export(decoder, folder, **{"context": 64, "tokenizer": TOKENIZER, "origin": {"run": "r"}, **changes})  # type: ignore[arg-type]


@torch.inference_mode()
def same_logits(decoder: Decoder, folder: Path) -> None:
    model = transformers().AutoModelForCausalLM.from_pretrained(folder).eval()
    assert model.dtype == torch.float32
    tokens = torch.randint(0, decoder.config.vocab_size, (3, 40), generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(model(tokens).logits, decoder(tokens), rtol=0, atol=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("base", [None, 24], ids=["standard", "with multipliers"])
def test_logits_are_equal_after_training(family: str, base: int | None, tmp_path: Path) -> None:
    config = replace(FAMILIES[family], base_width=base, base_layers=None if base is None else 5)
    decoder = trained(config)
    architecture = give(decoder, tmp_path / "out")
    assert architecture == ("Qwen3ForCausalLM" if config.qk_norm else "LlamaForCausalLM")
    same_logits(decoder, tmp_path / "out")
    back = import_decoder(tmp_path / "out")
    assert back.config == replace(config, base_width=None, base_layers=None)
    for name, weight in decoder.folded_weights().items():
        assert torch.equal(back.state_dict()[name], weight), name


@pytest.mark.contract
@pytest.mark.parametrize("name", SIZES)
def test_every_size_is_of_a_family_that_transformers_has(name: str, tmp_path: Path) -> None:
    """The shape of every size, as its configuration says it, has as many parameters there as here."""
    from calque.models.huggingface.architecture import decoder_config, settings

    config = replace(size(name, 512), base_width=None, base_layers=None)
    given = settings(config, 64, 0)
    assert decoder_config(given, "it") == config
    library = transformers()
    with torch.device("meta"):
        (tmp_path / "config.json").write_text(json.dumps(given))
        model = library.AutoModelForCausalLM.from_config(library.AutoConfig.from_pretrained(tmp_path))
    assert sum(p.numel() for p in model.parameters()) == config.n_params


def test_the_tokenizer_begins_texts_as_training_did(tmp_path: Path) -> None:
    give(Decoder(FAMILIES["cpu"], seed=0), tmp_path / "out")
    tokenizer = transformers().AutoTokenizer.from_pretrained(tmp_path / "out")
    ids = TOKENIZER.encode("Wort für", add_special_tokens=False).ids
    assert tokenizer("Wort für")["input_ids"] == [0, *ids]
    assert tokenizer("Wort für", add_special_tokens=False)["input_ids"] == ids
    assert tokenizer.decode(ids) == "Wort für"
    assert (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.model_max_length) == (0, 0, 64)


def test_generation_runs_with_what_is_written(tmp_path: Path) -> None:
    give(Decoder(FAMILIES["ladder"], seed=0), tmp_path / "out")
    model = transformers().AutoModelForCausalLM.from_pretrained(tmp_path / "out")
    assert model.generation_config.eos_token_id == 0
    tokens = torch.tensor([[0, 5, 9]])
    assert model.generate(tokens, max_new_tokens=3, do_sample=False, pad_token_id=0).shape[1] <= 6


def test_large_weights_are_written_in_parts_and_read_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("calque.models.huggingface.export.SHARD", "100KB")
    decoder = trained(FAMILIES["cpu"])
    give(decoder, tmp_path / "out")
    assert len(list((tmp_path / "out").glob("model-*-of-*.safetensors"))) > 2
    same_logits(decoder, tmp_path / "out")
    back = import_decoder(tmp_path / "out")
    assert all(torch.equal(back.state_dict()[name], weight) for name, weight in decoder.state_dict().items())


def test_what_cannot_be_exported_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    decoder = Decoder(size("tiny", 100), seed=0)
    with pytest.raises(UserError, match="269 tokens and the model 100"):
        give(decoder, tmp_path / "out")
    with pytest.raises(UserError, match="`dtype` is 'int8'; expected one of float32"):
        give(decoder, tmp_path / "out", tokenizer=None, dtype="int8")
    (tmp_path / "there").mkdir()
    with pytest.raises(UserError, match="there already"):
        give(decoder, tmp_path / "there", tokenizer=None)
    assert [p.name for p in tmp_path.iterdir()] == ["there"]
