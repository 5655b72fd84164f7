"""The reading layer against TransformerLens, an independent implementation (extra ``oracle``; no network)."""

from __future__ import annotations

import importlib
import importlib.util
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from calque.models.huggingface.tokenizer import export_tokenizer
from calque.models.reading.families import model_parts
from calque.models.reading.reading import QUANTITIES, read
from tests.huggingface_models import tokenizer
from tests.reading_models import THEIRS, in_transformers, reading_model, some_prompts

pytestmark = [
    pytest.mark.contract,
    pytest.mark.skipif(
        importlib.util.find_spec("transformer_lens") is None, reason="needs TransformerLens: the extra `oracle`"
    ),
    pytest.mark.filterwarnings("ignore"),
]


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def bridge(model: Any, folder: Path) -> Any:
    """Return a model of ``transformers`` behind TransformerLens, which takes its configuration from a folder."""
    model.config.architectures = [type(model).__name__]
    model.save_pretrained(folder)
    export_tokenizer(tokenizer(), folder, 256)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        library = importlib.import_module("transformer_lens.model_bridge")
        return library.TransformerBridge.boot_transformers(str(folder), dtype=torch.float32)


@pytest.mark.parametrize("name", [*THEIRS, "plain", "grouped", "normed", "multiplied"])
@torch.no_grad()
def test_what_is_read_is_what_transformer_lens_reads(name: str, tmp_path: Path) -> None:
    made = reading_model(name, torch.float32)
    witness = made if name in THEIRS else in_transformers(reading_model(name), name).float()
    prompts = some_prompts((9, 9))
    logits, cache = bridge(witness, tmp_path / "m").run_with_cache(torch.tensor(prompts))
    parts = model_parts(made)
    [found] = read(parts, prompts, QUANTITIES)
    pairs = [(parts.unembedding(found.final), logits)]
    for layer in range(len(parts.blocks)):
        at = f"blocks.{layer}."
        pairs += [
            (found.residual[layer], cache[f"{at}hook_resid_pre"]),
            (found.residual[layer + 1], cache[f"{at}hook_resid_post"]),
            (found.attention[layer], cache[f"{at}hook_attn_out"]),
            (found.mlp[layer], cache[f"{at}hook_mlp_out"]),
            (found.patterns[layer], cache[f"{at}attn.hook_pattern"]),
            (found.heads[layer].transpose(1, 2), cache[f"{at}attn.hook_z"].reshape(2, 9, 4, -1)),
        ]
    for ours, theirs in pairs:
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)
