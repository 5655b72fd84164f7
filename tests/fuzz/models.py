"""The kind ``models``: spoilt configurations, indices, weights and tokenizers of tiny models through ``sweeps score``.

No fault is a refusal in one line with exit 2, exit 1 where a whole revision stands beside the spoilt one, or a cube in
which every number is finite or its checkpoint is flagged.
"""

from __future__ import annotations

import json
import struct
import tempfile
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from calque.data import cube
from calque.sweeps.api import score  # noqa: F401  imported once, not by every child
from calque.sweeps.cli import main
from tests.fuzz.frame import Attempt, Ran, refused_well, run_command
from tests.fuzz.mutations import VALUES, Rng, pick, spoil_bytes
from tests.huggingface_models import save

Files = dict[str, bytes]
KINDS = ("llama", "qwen3", "gpt_neox", "gpt2")
NUMBERS: tuple[Any, ...] = (
    0, -1, 1, 2, 3, 7, 1e6, 10**6, 10**12, 2**63, 10**400, 0.5, -0.0, 1e-300, float("nan"), float("inf"), *VALUES,
)  # fmt: skip
PARTS = ("", ".", "..", "/", "folder", "../model.safetensors", "/dev/zero", "model-9.safetensors", "a" * 300, "\x00",
         "config.json", "\x1b[31m.safetensors", 5, None, [], {})  # fmt: skip
QUESTIONS = ("--languages", "en,de", "--shots", "0", "--tasks", "words,minimal_pairs", "--limit", "4", "--heldout",
             "none", "--pattern", "step{step}", "--tokens-per-step", "2k")  # fmt: skip


@cache
def whole(kind: str) -> Mapping[str, bytes]:
    """Return the files of a tiny model, its weights in several files with an index."""
    with tempfile.TemporaryDirectory() as folder:
        changes = {"n_positions": 256, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_inner": 48} if kind == "gpt2" else {}
        save(Path(folder), kind, shard="40KB", **changes)
        return {path.name: path.read_bytes() for path in sorted(Path(folder).iterdir())}


def make(rng: Rng) -> Attempt:
    """Return a spoilt model, in one case of eight beside a whole one, and what is checked."""
    kind, name = pick(rng, KINDS), pick(rng, list(SPOILERS))
    files = dict(whole(kind))
    SPOILERS[name](rng, files)
    beside = not int(rng.integers(8))
    there = {f"m/step1/{part}": data for part, data in files.items()}
    if beside:
        there |= {f"m/step2/{part}": data for part, data in whole(kind).items()}
    return Attempt(label=f"{kind}: {name}", files=there, check=lambda folder: check(folder, beside))


def check(folder: Path, beside: bool) -> str | None:
    """Score the spoilt model and judge what came."""
    (folder / "m" / "step1" / "folder").mkdir()
    out = folder / "out.nc"
    ran = run_command(main, ["sweeps", "score", str(folder / "m"), *QUESTIONS, "-o", str(out)])
    said = "\n".join(line for line in ran.error.splitlines() if not line.startswith("["))
    if "Warning" in said:
        return f"a warning: {said[-300:]!r}"
    if ran.code == 0 or (ran.code == 1 and beside):
        if ran.code == 1 and "'step1' was not scored" not in said:
            return f"exit 1 without a reason: {said[-200:]!r}"
        return _numbers(out)
    return refused_well(Ran(code=ran.code, out=ran.out, error=said.replace(str(folder), "")))


def _numbers(path: Path) -> str | None:
    """Return which number of a cube is not finite without a flag."""
    found = cube.read(path)
    flagged = (found["checkpoint_flags"].values[0].astype(int) & 4) > 0
    asked = found["translation_outcome"].values[0] >= 0
    for name in ("translation_logprob", "copy_logprob"):
        if not np.isfinite(found[name].values[0][asked]).all() and not flagged.all():
            return f"{name} is not finite where a word was asked for"
    short = asked.sum((1, 2, 3)) < 4
    return "answers are missing without a flag" if (short & ~flagged).any() else None


def _spoil_json(rng: Rng, files: Files, name: str, values: tuple[Any, ...] = NUMBERS) -> None:
    """Replace, drop or add values somewhere in a JSON file."""
    found = json.loads(files[name])
    for _ in range(int(rng.integers(1, 3))):
        places = list(_places(found))
        holder, key = places[int(rng.integers(len(places)))]
        if int(rng.integers(6)):
            holder[key] = pick(rng, values)
        elif isinstance(holder, dict):
            del holder[key]
        else:
            holder.pop(key)
        if not isinstance(found, dict) or not found:
            break
    files[name] = json.dumps(found).encode("utf-8", "surrogatepass")


def _places(value: Any, depth: int = 0) -> Any:
    """Yield holders and keys of all values, the topmost twice as often."""
    keys = list(value) if isinstance(value, dict) else range(min(len(value), 20)) if isinstance(value, list) else ()
    for key in keys:
        yield value, key
        if depth == 0:
            yield value, key
        yield from _places(value[key], depth + 1)


def _config(rng: Rng, files: Files) -> None:
    _spoil_json(rng, files, "config.json")


def _config_bytes(rng: Rng, files: Files) -> None:
    files["config.json"] = spoil_bytes(rng, files["config.json"])


def _numbers_of_config(rng: Rng, files: Files) -> None:
    found = json.loads(files["config.json"])
    names = [name for name, value in found.items() if isinstance(value, int | float)]
    found[pick(rng, names)] = pick(rng, NUMBERS)
    files["config.json"] = json.dumps(found).encode("utf-8", "surrogatepass")


def _index(rng: Rng, files: Files) -> None:
    found = json.loads(files["model.safetensors.index.json"])
    if int(rng.integers(2)):
        found["weight_map"][pick(rng, list(found["weight_map"]))] = pick(rng, PARTS)
        files["model.safetensors.index.json"] = json.dumps(found).encode()
    else:
        _spoil_json(rng, files, "model.safetensors.index.json", (*PARTS, *NUMBERS))


def _shard(rng: Rng, files: Files) -> str:
    return str(pick(rng, [name for name in files if name.endswith(".safetensors")]))


def _header(rng: Rng, files: Files) -> None:
    name = _shard(rng, files)
    (size,) = struct.unpack("<Q", files[name][:8])
    inner = {"header": files[name][8 : 8 + size]}
    _spoil_json(rng, inner, "header", (*NUMBERS, "F64", "BF16", [0, 4], [2**40, 2**41], [1, 32]))
    files[name] = struct.pack("<Q", len(inner["header"])) + inner["header"] + files[name][8 + size :]


def _weights(rng: Rng, files: Files) -> None:
    name = _shard(rng, files)
    match int(rng.integers(4)):
        case 0:
            files[name] = files[name][: int(rng.integers(len(files[name])))]
        case 1:
            del files[name]
        case 2:
            files[name] = files[name][:-64] + np.full(16, np.nan, np.float32).tobytes()
        case _:
            files[name] = spoil_bytes(rng, files[name])


def _tokenizer(rng: Rng, files: Files) -> None:
    if int(rng.integers(3)):
        _spoil_json(rng, files, "tokenizer.json", (*VALUES, 5, "BPE", "x", {"type": "ByteLevel"}, {"type": "Digits"}))
    else:
        files["tokenizer.json"] = spoil_bytes(rng, files["tokenizer.json"])


def _tokenizer_settings(rng: Rng, files: Files) -> None:
    _spoil_json(rng, files, "tokenizer_config.json", VALUES)


SPOILERS: dict[str, Callable[[Rng, Files], None]] = {
    "config: any value": _config, "config: a number": _numbers_of_config, "config: bytes": _config_bytes,
    "index": _index, "header": _header, "weights": _weights, "tokenizer": _tokenizer,
    "tokenizer_config": _tokenizer_settings,
}  # fmt: skip
