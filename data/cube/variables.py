"""The variables that schema 1 of the cube names: their units, meanings and flags."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from calque.data.metrics import TRIALS_OF

SCHEMA = 1
NOT_ASKED = -1
POSITIONS = ("tokens", "step", "flops", "loss_tokens")
OUTCOMES = ("wrong", "translated", "copied", "other_language")
OVERLAPS = ("none", "shared_token", "identical")
EXPOSURES = ("never_paired", "paired", "in_lines")
CHECKPOINT_FLAGS = ("duplicate_weights", "outlier", "not_finite", "shared_file")
CHECKPOINT_KINDS = ("planned", "further")
METRIC_KINDS = ("proportion", "count", "continuous")


def _flags(long_name: str, meanings: Sequence[str], missing: str) -> dict[str, Any]:
    values = np.arange(-1, len(meanings), dtype=np.int8)
    return {"long_name": long_name, "flag_values": values, "flag_meanings": " ".join((missing, *meanings))}


ATTRIBUTES: dict[str, dict[str, Any]] = {
    "tokens": {"units": "tokens", "long_name": "training tokens seen"},
    "step": {"units": "optimizer steps", "long_name": "optimizer steps taken"},
    "flops": {"units": "flop", "long_name": "training floating-point operations so far"},
    "loss_tokens": {"units": "tokens", "long_name": "training tokens so far that carried loss"},
    "loss": {"units": "nat/token", "long_name": "held-out cross-entropy", "metric_kind": "continuous"},
    "bits_per_byte": {
        "units": "bit/byte",
        "long_name": "held-out bits per byte",
        "metric_kind": "continuous",
    },
    "loss_new_bigram": {
        "units": "nat/token",
        "long_name": "held-out cross-entropy on tokens whose bigram did not occur earlier in the context",
        "metric_kind": "continuous",
    },
    "loss_repeated_bigram": {
        "units": "nat/token",
        "long_name": "held-out cross-entropy on tokens whose bigram occurred earlier in the context",
        "metric_kind": "continuous",
    },
    "translation_outcome": _flags("outcome of asking for a word in another language", OUTCOMES, "not_asked"),
    "translation_logprob": {"units": "nat", "long_name": "log p(target word), summed over accepted forms"},
    "copy_logprob": {"units": "nat", "long_name": "log p(source word)"},
    "overlap": _flags("what source and target word share under the run's tokenizer", OVERLAPS, "no_such_item"),
    "exposure": _flags(
        "whether training text pairs these two strings: never, as an entry, inside aligned lines alone",
        EXPOSURES,
        "unknown",
    ),
    "edit_similarity": {"units": "1", "long_name": "1 - edit distance / longer length, of source and target word"},
    "zipf_frequency": {"units": "1", "long_name": "log10 of uses of the word per billion words"},
    "script": {"long_name": "script of the language's text (ISO 15924)"},
    "minimal_pair_correct": {"units": "1", "long_name": "minimal pairs whose good member is more probable"},
    "minimal_pair_total": {"units": "1", "long_name": "minimal pairs asked"},
    "nonce_copied": {
        "units": "1",
        "long_name": "invented words repeated after a same-language prompt",
        "metric_kind": "count",
        "trials": "nonce_total",
    },
    "nonce_total": {"units": "1", "long_name": "invented words asked"},
    "checkpoint_sha256": {"long_name": "SHA-256 of the checkpoint's weights"},
    "revision": {"long_name": "name of the checkpoint where it was scored from"},
    "config_sha256": {"long_name": "SHA-256 of the checkpoint's configuration"},
    "weight_files": {"long_name": "SHA-256 and name of every file with weights, a line each"},
    "settings_json": {"long_name": "what the checkpoint's configuration says of the architecture (JSON)"},
    "commit": {"long_name": "commit of the revision, where it has one"},
    "checkpoint_flags": {
        "long_name": "doubts about the checkpoint",
        "flag_masks": np.array([1 << i for i in range(len(CHECKPOINT_FLAGS))], np.int8),
        "flag_meanings": " ".join(CHECKPOINT_FLAGS),
    },
    "checkpoint_kind": _flags(
        "whether the checkpoint was planned, or taken near a transition", CHECKPOINT_KINDS, "unknown"
    ),
    "forecast_takeoff": {
        "units": "tokens",
        "long_name": "takeoff as it was forecast at this checkpoint, median; infinite beyond the run",
    },
    "forecast_takeoff_low": {"units": "tokens", "long_name": "5 % point of the takeoff as it was forecast"},
    "forecast_takeoff_high": {"units": "tokens", "long_name": "95 % point of the takeoff as it was forecast"},
    "adaptive_json": {"long_name": "how the run's further checkpoints were decided (JSON); empty where none were"},
    "share": {"units": "1", "long_name": "share of the language among training tokens"},
    "repeated_bigram_share": {
        "units": "1",
        "long_name": "share of the language's held-out tokens whose bigram occurred earlier in the context",
    },
    "epochs": {"units": "1", "long_name": "times that the run reads the training text of the language"},
    "text_bytes": {"units": "byte", "long_name": "UTF-8 bytes of the training text of the language"},
    "tokens_per_word": {"units": "1", "long_name": "tokens a word of the language's text (in zh, ja a character)"},
    "bytes_per_token": {"units": "byte", "long_name": "UTF-8 bytes a token of the language's text"},
}
"""CF-style attributes of the variables that schema 1 names."""


def missing_value(name: str, kind: str) -> Any:
    """Return what stands in a variable where there is no value.

    Parameters
    ----------
    name : str
        The variable.
    kind : str
        NumPy's letter for its type, such as ``f``.
    """
    if name == "checkpoint_flags":
        return 0
    if name in POSITIONS:
        return np.nan
    missing = {"f": np.nan, "i": NOT_ASKED, "u": 0, "b": False, "M": np.datetime64("NaT"), "m": np.timedelta64("NaT")}
    return missing.get(kind, "")


ENCODED_COUNTS = (*TRIALS_OF, *TRIALS_OF.values())
