"""Any causal language model of ``transformers`` behind the interface of the scorers."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from calque.data.errors import UserError
from calque.models.decoder.decoder import Cache
from calque.models.huggingface.config_file import brief, loops, read_config
from calque.models.huggingface.importing import DERIVED
from calque.models.huggingface.library import transformers
from calque.models.huggingface.weights import stored_shapes, weight_files

CLOSE, CLOSE_16_BIT = 1e-3, 0.25
"""Tolerance of logits read in two parts against those read at once, in standard deviations of the logits."""
MOST_PARTS = 10_000
"""Most layers or experts that are believed without a look at the weights."""
SLACK, TABLES, PACKED = 1 << 20, 1 << 26, 16
"""Parameters that follow from others, elements of masks and tables, and values in one packed number."""


class TransformersModel:
    """A ``model`` of ``transformers`` as a :class:`~calque.models.scoring.language_model.LanguageModel`."""

    def __init__(self, model: Any) -> None:
        self.model = model

    @property
    def device(self) -> torch.device:
        """The device of the weights."""
        return torch.device(self.model.device)

    @property
    def vocabulary(self) -> int:
        """Rows of the output projection; often more than the tokenizer has tokens."""
        return int(self.model.get_output_embeddings().weight.shape[0])

    def read(self, tokens: Tensor, cache: Cache | None = None, last: int | None = None) -> tuple[Tensor, Cache]:
        """Return logits of ``tokens`` (the ``last`` positions) and the cache, as ``LanguageModel.read`` does."""
        past = transformers().DynamicCache([] if cache is None else cache)
        answer = self.model(input_ids=tokens, past_key_values=past, use_cache=True, logits_to_keep=last or 0)
        return answer.logits, [(layer.keys, layer.values) for layer in answer.past_key_values.layers]


@torch.inference_mode()
def load_transformers_model(
    folder: str | os.PathLike[str], dtype: torch.dtype = torch.float32, device: str = "cpu"
) -> TransformersModel:
    """Load a model of any architecture that is part of ``transformers``; code that comes with a model is never run.

    Parameters
    ----------
    folder : path
    dtype : torch.dtype
        In which the model computes.
    device : str

    Raises
    ------
    UserError
        When the architecture is unknown or needs code of its own, the files are damaged or do not fit their
        configuration, or the model cannot continue from a cache of keys and values.
    """
    folder = Path(folder)
    library, given = transformers(), read_config(folder)
    kind = given.get("model_type")
    if given.get("auto_map"):
        raise UserError(f"{folder} ({kind}) brings code of its own, which is never run; it cannot be scored")
    with _refused(folder, given):
        _check_size(folder, given)
        model, found = library.AutoModelForCausalLM.from_pretrained(
            folder, dtype=dtype, trust_remote_code=False, local_files_only=True, weights_only=True,
            output_loading_info=True,
        )  # fmt: skip
    for what, keys in (("lacks", "missing_keys"), ("does not fit in", "mismatched_keys"), ("holds", "unexpected_keys")):
        names = sorted(str(key) for key in found.get(keys, ()) if not str(key).endswith(DERIVED))
        if names:
            raise UserError(
                f"the weights of {folder} do not fit its config.json: it {what} {brief(names[0], 60)}; fetch both again"
            )
    wrapped = TransformersModel(model.to(device).eval())
    _check_cache(wrapped, folder, str(kind))
    return wrapped


@contextmanager
def _refused(folder: Path, given: Mapping[str, Any]) -> Iterator[None]:
    """Turn whatever the library raises, which is whatever its parts raise, into one sentence; silence its warnings."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except (UserError, MemoryError):
        raise
    except Exception as error:
        kind = brief(given.get("model_type"), 40)
        raise UserError(
            f"{folder} ({kind}) cannot be loaded ({brief(error, 100)}); fetch it again or choose another"
        ) from error


def _check_size(folder: Path, given: Mapping[str, Any]) -> None:
    """Refuse a configuration that asks for more than the files hold, before any of it is allocated."""
    shapes = stored_shapes(weight_files(folder))
    most = max((len(shapes), *(size for shape in shapes.values() for size in shape)))
    for name, value in loops(given):
        if value > most:
            raise UserError(
                f"the weights of {folder} do not fit its config.json: {brief(name, 40)} is {brief(value, 30)} and they "
                f"are {len(shapes)} tensors; fetch both again"
            )
    empty = _empty(folder)
    held = sum(math.prod(shape) for shape in shapes.values()) * (PACKED if given.get("quantization_config") else 1)
    asked = sum(parameter.numel() for parameter in empty.parameters())
    tables = sum(buffer.numel() for buffer in empty.buffers())
    if asked > 2 * held + SLACK or tables > held + TABLES:
        raise UserError(
            f"the weights of {folder} do not fit its config.json, which asks for {asked + tables:.3g} numbers where "
            f"they hold {held:.3g}; fetch both again"
        )


def _empty(folder: Path) -> Any:
    """Return the model that a configuration describes, without memory for its weights."""
    library = transformers()
    with torch.device("meta"):
        config = library.AutoConfig.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
        return library.AutoModelForCausalLM.from_config(config, trust_remote_code=False)


def parameter_counts(folder: str | os.PathLike[str]) -> tuple[int, int]:
    """Return the parameters of the layers and of the output projection, by the ``config.json`` in ``folder`` alone.

    Raises
    ------
    UserError
        When it is missing, damaged, or describes no model of ``transformers``.
    """
    folder = Path(folder)
    given = read_config(folder)
    for name, value in loops(given):
        if value > MOST_PARTS:
            raise UserError(f"{folder}: {brief(name, 40)} is {brief(value, 30)}; expected at most {MOST_PARTS}")
    with _refused(folder, given):
        return split_parameters(_empty(folder))[1:]


def split_parameters(model: Any) -> tuple[int, int, int]:
    """Return the parameters of a ``model`` of ``transformers``: all, those of its layers, of its output projection."""
    parameters, output = dict(model.named_parameters()), model.get_output_embeddings().weight
    ends = {id(part.weight) for part in (model.get_input_embeddings(), model.get_output_embeddings())}
    inner = sum(p.numel() for p in parameters.values() if id(p) not in ends)
    return sum(p.numel() for p in parameters.values()), inner, output.numel()


def _check_cache(model: TransformersModel, folder: Path, kind: str) -> None:
    """Check that tokens read in two parts give the logits of those read at once: the scorers rely on it."""
    tokens = torch.arange(1, 9, device=model.device)[None] % model.vocabulary
    remedy = f"{folder} ({kind}) cannot be scored: it does not continue from a cache of keys and values"
    try:
        whole, _ = model.read(tokens)
        _, cache = model.read(tokens[:, :5])
        rest, _ = model.read(tokens[:, 5:], cache)
    except Exception as error:  # architectures without such a cache fail in their own ways
        raise UserError(f"{remedy} ({brief(error, 80)})") from error
    away = (whole[:, 5:].float() - rest.float()).abs().max() / whole.float().std().clamp(min=1e-6)
    close = CLOSE if whole.dtype == torch.float32 else CLOSE_16_BIT
    if bool(torch.isfinite(whole).all()) and not float(away) <= close:
        raise UserError(f"{remedy} (logits differ by {float(away):.2g} standard deviations)")
