"""Tiny random models as ``transformers`` saves them, and a tokenizer beside them, for tests."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer

from calque.data.tokens.tokenizers import train
from calque.data.words.words import words
from calque.models.huggingface.library import transformers
from calque.models.huggingface.tokenizer import export_tokenizer

SHAPE = {
    "vocab_size": 512, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
    "max_position_embeddings": 256, "bos_token_id": 0, "eos_token_id": 0,
}  # fmt: skip
GROUPED = {"num_key_value_heads": 2}
KINDS: dict[str, dict[str, Any]] = {
    "llama": GROUPED | {"rope_parameters": {"rope_type": "default", "rope_theta": 5e5}},
    "qwen3": GROUPED | {"head_dim": 8, "tie_word_embeddings": True},
    "gpt_neox": {"rope_parameters": {"rope_type": "default", "rope_theta": 1e4, "partial_rotary_factor": 0.25}},
}
"""What each kind has besides ``SHAPE``."""


@cache
def tokenizer() -> Tokenizer:
    """Return a byte-level BPE of 500 tokens, ``<bos>`` first."""
    forms = words().forms.values()
    return train((f'"{form}" ' for group in forms for form in group), 500)


def model(kind: str, seed: int = 0, **changes: Any) -> Any:
    """Return a random model of a kind, its weights large enough for the context to matter."""
    library = transformers()
    config = library.AutoConfig.for_model(kind, **{**SHAPE, **KINDS.get(kind, {}), **changes})
    torch.manual_seed(seed)
    made = library.AutoModelForCausalLM.from_config(config).eval()
    with torch.no_grad():
        for parameter in made.parameters():
            if parameter.dim() > 1:
                parameter.normal_(std=parameter.shape[1] ** -0.5)
    return made


def save(folder: Path, kind: str, seed: int = 0, shard: str = "5GB", **changes: Any) -> Path:
    """Save a random model and the tokenizer to a folder."""
    model(kind, seed, **changes).save_pretrained(folder, max_shard_size=shard)
    export_tokenizer(tokenizer(), folder, 256)
    return folder


def revision(cache_folder: Path, name: str, commit: str, saved: Path, branch: str | None = None) -> Path:
    """Put a saved model into a cache laid out as the hub's, its files named by content; return its snapshot."""
    import hashlib

    root = cache_folder / f"models--{name.replace('/', '--')}"
    snapshot = root / "snapshots" / commit
    snapshot.mkdir(parents=True)
    (root / "blobs").mkdir(exist_ok=True)
    for file in sorted(saved.iterdir()):
        blob = root / "blobs" / hashlib.sha256(file.read_bytes()).hexdigest()
        blob.write_bytes(file.read_bytes())
        (snapshot / file.name).symlink_to(Path("../../blobs") / blob.name)
    if branch is not None:
        (root / "refs").mkdir(exist_ok=True)
        (root / "refs" / branch).write_text(commit)
    return snapshot
