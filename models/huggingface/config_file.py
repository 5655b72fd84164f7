"""The ``config.json`` of a model: read and checked before anything relies on it."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from calque.data.errors import UserError, escaped, file_error

WHOLE = (
    "hidden_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads", "intermediate_size", "vocab_size",
    "max_position_embeddings", "head_dim", "n_positions", "n_embd", "n_layer", "n_head",
)  # fmt: skip
"""Settings that are whole numbers of at least 1 where they are given; lists of them in some architectures."""
POSITIVE = ("rope_theta", "partial_rotary_factor", "rotary_pct", "rotary_emb_base")
NOT_NEGATIVE = ("rms_norm_eps", "layer_norm_eps", "layer_norm_epsilon", "norm_epsilon")
ROPE = ("rope_scaling", "rope_parameters")
BOOLEAN = ("tie_word_embeddings", "attention_bias", "mlp_bias", "use_sliding_window")
POSITIONS = ("max_position_embeddings", "n_positions")
MOST = 2**40
"""Larger than any size, smaller than what overflows a product of two."""
MOST_BYTES = 64 << 20
"""Of a file of settings or an index."""
NOISE = (
    "_name_or_path", "transformers_version", "architectures", "dtype", "torch_dtype", "use_cache",
    "initializer_range", "_attn_implementation",
)  # fmt: skip
"""Settings that say nothing of what a model computes."""


def read_object(path: str | os.PathLike[str], expected: str) -> dict[str, Any]:
    """Return the object in a JSON file.

    Parameters
    ----------
    path : path
        A regular file of at most ``MOST_BYTES``.
    expected : str
        What should be there, for the error when it is missing.

    Raises
    ------
    UserError
        When it is missing or damaged.
    """
    path = Path(path)
    try:
        if not path.is_file() and path.exists():
            raise UserError(f"{path} is no regular file; expected {expected}")
        if path.stat().st_size > MOST_BYTES:
            raise UserError(f"{path} has over {MOST_BYTES >> 20} MB, which no such file has; fetch it again")
        found = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(f"{path.parent} holds no {path.name}; expected {expected}") from None
    except OSError as error:
        raise file_error(error, "read", path) from error
    except UserError:
        raise
    except (ValueError, RecursionError):
        raise UserError(f"{path} is damaged; fetch it again") from None
    if not isinstance(found, dict):
        raise UserError(f"{path} is damaged; fetch it again")
    return found


def read_config(folder: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the ``config.json`` in ``folder``, its numbers checked as far as Calque relies on them.

    Raises
    ------
    UserError
        When it is missing or damaged, or a setting is of the wrong type or impossible.
    """
    path = Path(folder) / "config.json"
    found = read_object(path, "a model as transformers saves it")
    for name, value in found.items():
        wrong = _wrong(name, value)
        if wrong:
            raise UserError(f"{path}: {brief(name, 40)} is {brief(value, 40)}; expected {wrong}: fetch it again")
    for name in ROPE:
        inner = found.get(name) or {}
        for key, value in inner.items():
            wrong = _wrong(key, value)
            if wrong:
                raise UserError(f"{path}: {brief(key, 40)} in {name} is {brief(value, 40)}; expected {wrong}")
    return found


def positions_of(config: Mapping[str, Any]) -> int | None:
    """Return the longest input that a ``config`` states, in tokens, or None."""
    given = [config[name] for name in POSITIONS if isinstance(config.get(name), int)]
    return min(given, default=None)


def loops(config: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    """Yield the settings of ``config``, nested ones included, that say how many parts a model has, and their values."""
    for name, value in config.items():
        if isinstance(value, Mapping):
            yield from loops(value)
        elif isinstance(value, int) and re.fullmatch(r"(num|n)_\w*?(layer|expert|block)s?", name):
            yield name, value


def said_of_architecture(config: Mapping[str, Any]) -> str:
    """Return what a ``config`` says of the architecture, as JSON: its plain values, without those in ``NOISE``."""
    plain = {
        name: value for name, value in config.items()
        if name not in NOISE and (value is None or isinstance(value, bool | int | float | str) or name in ROPE)
    }  # fmt: skip
    return json.dumps(plain, sort_keys=True)


def brief(what: object, most: int = 160) -> str:
    """Return ``what``, an error or a value, on one line of at most ``most`` characters, control characters escaped."""
    text = escaped(" ".join(str(what).split()))
    return text if len(text) <= most else text[: most - 3] + "..."


def _wrong(name: str, value: Any) -> str:
    """Return what was expected of a setting, or an empty string where it is possible."""
    if name == "model_type":
        return "" if isinstance(value, str | None) else "the name of an architecture"
    if name in BOOLEAN:
        return "" if isinstance(value, bool | None) else "true or false"
    if name in ROPE:
        return "" if isinstance(value, dict | None) else "settings of rotary positions"
    if name in WHOLE:
        values = value if isinstance(value, list) and value else [value]
        whole = all(v is None or (type(v) is int and 1 <= v <= MOST) for v in values)
        return "" if whole else "a whole number of at least 1"
    if isinstance(value, float) and not math.isfinite(value):
        return "a finite number"
    if value is not None and name in POSITIVE and not (_number(value) and value > 0):
        return "a number above 0"
    if value is not None and name in NOT_NEGATIVE and not (_number(value) and value >= 0):
        return "a number of at least 0"
    return ""


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300
