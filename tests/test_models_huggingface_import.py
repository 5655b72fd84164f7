"""Checkpoints of the Llama architecture become our decoder; what differs is refused by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from calque.data.errors import UserError
from calque.models.decoder.decoder import Decoder
from calque.models.huggingface.architecture import decoder_config
from calque.models.huggingface.importing import import_decoder
from calque.models.huggingface.library import transformers
from calque.models.huggingface.weights import file_digests, weight_files, weights_sha256
from tests.huggingface_models import SHAPE, save

CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "grouped queries, another rope base": ("llama", {}),
    "tied": ("llama", {"tie_word_embeddings": True}),
    "one key-value head": ("llama", {"num_key_value_heads": 1}),
    "in parts": ("llama", {"shard": "20KB"}),
    "norms on queries and keys": ("qwen3", {}),
    "mistral without a window": ("mistral", {"num_key_value_heads": 2, "sliding_window": None}),
}


@torch.inference_mode()
def logits_of(folder: Path, dtype: torch.dtype = torch.float32) -> tuple[torch.Tensor, torch.Tensor]:
    tokens = torch.randint(0, 512, (2, 30), generator=torch.Generator().manual_seed(0))
    theirs = transformers().AutoModelForCausalLM.from_pretrained(folder, dtype=dtype).eval()
    return import_decoder(folder)(tokens), theirs(tokens).logits


@pytest.mark.parametrize("case", CASES)
def test_an_imported_model_gives_the_same_logits(case: str, tmp_path: Path) -> None:
    kind, changes = CASES[case]
    folder = save(tmp_path / "m", kind, **changes)
    assert (len(weight_files(folder)) > 1) == (case == "in parts")
    torch.testing.assert_close(*logits_of(folder), rtol=0, atol=1e-5)


def test_weights_in_bfloat16_are_read_exactly(tmp_path: Path) -> None:
    folder = save(tmp_path / "m", "llama")
    library = transformers()
    library.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16).save_pretrained(folder)
    assert json.loads((folder / "config.json").read_text())["dtype"] == "bfloat16"
    torch.testing.assert_close(*logits_of(folder), rtol=0, atol=1e-5)


def test_a_decoder_in_bfloat16_keeps_exact_positions(tmp_path: Path) -> None:
    folder = save(tmp_path / "m", "llama")
    tokens = torch.randint(0, 512, (1, 250), generator=torch.Generator().manual_seed(0))
    library = transformers()
    with torch.inference_mode():
        exact = import_decoder(folder)(tokens)
        theirs = library.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16).eval()(tokens).logits
        ours = import_decoder(folder, torch.bfloat16)(tokens)
    assert ours.dtype == torch.bfloat16
    ours_away, theirs_away = ((logits.float() - exact).square().mean().sqrt() for logits in (ours, theirs))
    assert ours_away < 1.5 * theirs_away, "as near to the exact ones as transformers comes"


def test_a_configuration_of_transformers_4_is_read(tmp_path: Path) -> None:
    folder = save(tmp_path / "m", "llama")
    path = folder / "config.json"
    given = json.loads(path.read_text())
    theta = given.pop("rope_parameters")["rope_theta"]
    path.write_text(json.dumps(given | {"rope_theta": theta, "rope_scaling": None}))
    assert import_decoder(folder).config.rope_base == 5e5
    torch.testing.assert_close(*logits_of(folder), rtol=0, atol=1e-5)


def test_an_imported_decoder_can_be_trained_on(tmp_path: Path) -> None:
    for tied in (False, True):
        decoder = import_decoder(save(tmp_path / str(tied), "llama", tie_word_embeddings=tied))
        assert (decoder.head.weight is decoder.embedding.weight) == tied
        assert sum(p.numel() for p in decoder.parameters()) == decoder.config.n_params
        decoder(torch.zeros(1, 4, dtype=torch.long)).sum().backward()
        assert all(parameter.grad is not None for parameter in decoder.parameters())


def test_pickled_weights_are_read_without_running_code(tmp_path: Path) -> None:
    folder = save(tmp_path / "m", "llama")
    expected = import_decoder(folder)
    (folder / "model.safetensors").unlink()
    torch.save({n: w for n, w in transformers_state(expected).items()}, folder / "pytorch_model.bin")
    assert torch.equal(import_decoder(folder).head.weight, expected.head.weight)

    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path(tmp_path / "sprung").touch, ())

    torch.save({"model.norm.weight": Trap()}, folder / "pytorch_model.bin")
    with pytest.raises(UserError, match=r"pytorch_model.bin is damaged or holds no weights"):
        import_decoder(folder)
    assert not (tmp_path / "sprung").exists()


def transformers_state(decoder: Decoder) -> dict[str, torch.Tensor]:
    from calque.models.huggingface.architecture import names

    state = decoder.state_dict()
    return {theirs: state[mine] for mine, theirs in names(decoder.config).items()}


def test_damaged_files_are_refused_by_name(tmp_path: Path) -> None:
    folder = save(tmp_path / "m", "llama")
    weights = folder / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match=r"m/model.safetensors is damaged or holds no weights"):
        import_decoder(folder)
    weights.unlink()
    with pytest.raises(UserError, match=r"m holds no weights; expected one of model.safetensors"):
        import_decoder(folder)
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": "model-1.safetensors"}}))
    with pytest.raises(UserError, match="names the file model-1.safetensors, which is missing"):
        import_decoder(folder)
    index.write_text(json.dumps({"weight_map": {"a": "../model.safetensors"}}))
    with pytest.raises(UserError, match=r"names '../model.safetensors' where a file \*.safetensors beside it is"):
        import_decoder(folder)
    index.write_text("{")
    with pytest.raises(UserError, match=r"index.json is damaged"):
        import_decoder(folder)
    (folder / "config.json").write_text("{")
    with pytest.raises(UserError, match=r"config.json is damaged"):
        import_decoder(folder)
    with pytest.raises(UserError, match=r"holds no config.json"):
        import_decoder(tmp_path)


def test_weights_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    folder = save(tmp_path / "m", "llama")
    path = folder / "config.json"
    given = json.loads(path.read_text())
    path.write_text(json.dumps(given | {"num_hidden_layers": 3}))
    with pytest.raises(UserError, match=r"it lacks model.layers.2"):
        import_decoder(folder)
    path.write_text(json.dumps(given | {"num_hidden_layers": 1}))
    with pytest.raises(UserError, match=r"it holds model.layers.1"):
        import_decoder(folder)
    path.write_text(json.dumps(given | {"intermediate_size": 64}))
    with pytest.raises(UserError, match=r"do not fit its config.json \(.*size mismatch"):
        import_decoder(folder)


REFUSED = {
    "rope scaling 'llama3'": {"rope_scaling": {"rope_type": "llama3", "factor": 8.0}},
    "rope scaling 'linear'": {"rope_parameters": {"rope_type": "linear", "rope_theta": 1e4, "factor": 2.0}},
    "attention_bias is set": {"attention_bias": True},
    "mlp_bias is set": {"mlp_bias": True},
    "its activation is 'gelu'": {"hidden_act": "gelu"},
    "its architecture is 'olmo2'": {"model_type": "olmo2"},
    "its architecture is 'gpt_neox'": {"model_type": "gpt_neox"},
    "a sliding window of 4096": {"model_type": "mistral", "sliding_window": 4096},
    "heads of 16 where width 32 over 4 heads is 8": {"head_dim": 16},
    "heads of 128": {"model_type": "qwen3"},
    "quantization_config is set": {"quantization_config": {"bits": 4}},
    "rotary positions on a part": {"partial_rotary_factor": 0.5},
}


@pytest.mark.parametrize("reason", REFUSED)
def test_other_architectures_are_refused_by_name(reason: str) -> None:
    with pytest.raises(UserError, match=f"my-model is not what Calque's decoder computes: .*{reason}"):
        decoder_config({"model_type": "llama", **SHAPE, **REFUSED[reason]}, "my-model")


def test_every_difference_is_named() -> None:
    with pytest.raises(UserError, match="attention_bias is set; its activation is 'relu'"):
        decoder_config({"model_type": "llama", **SHAPE, "attention_bias": True, "hidden_act": "relu"}, "m")
    with pytest.raises(UserError, match="lacks or garbles 'hidden_size'"):
        decoder_config({"model_type": "llama", "num_attention_heads": 4}, "m")


def test_a_hash_is_of_the_files(tmp_path: Path) -> None:
    one, again, other = (save(tmp_path / name, "llama", seed) for name, seed in (("a", 0), ("b", 0), ("c", 1)))
    digests = [weights_sha256(file_digests(weight_files(folder))) for folder in (one, again, other)]
    assert digests[0] == digests[1] != digests[2]
    parts = save(tmp_path / "d", "llama", 0, shard="20KB")
    before = weights_sha256(file_digests(weight_files(parts)))
    last = weight_files(parts)[-1]
    changed = bytearray(last.read_bytes())
    changed[-1] ^= 1
    last.write_bytes(changed)
    assert weights_sha256(file_digests(weight_files(parts))) != before
