"""Log-probabilities of the words that answer a question, without generating an answer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from calque.models.decoder.decoder import Cache, Decoder
from calque.models.scoring.generation import continuation_logprob
from calque.models.scoring.language_model import LanguageModel, language_model
from calque.models.scoring.prompts import Prompts
from calque.models.scoring.questions import Question

Array = NDArray[np.float32]


@torch.inference_mode()
def word_logprobs(model: Decoder | LanguageModel, questions: Sequence[Question], prompts: Prompts) -> Array:
    """Return log p of the target word and of the source word of each question, shape (questions, 2), nats.

    Each is summed over the accepted forms; NaN where one of them is not finite.

    Parameters
    ----------
    model : Decoder or LanguageModel
    questions : sequence of Question
    prompts : Prompts
        Theirs, in their order.
    """
    reader, found = language_model(model), np.full((len(questions), 2), np.nan, np.float32)
    for _, members, first, cache in prompts.read(reader):
        batch, place = [questions[i] for i in members], 0
        logprobs = forms_logprobs(reader, batch, first, cache)
        for i, item in zip(members, batch, strict=True):
            middle, end = place + len(item.targets), place + len(item.targets) + len(item.sources)
            found[i] = together(logprobs[place:middle]), together(logprobs[middle:end])
            place = end
    return found


def forms_logprobs(model: LanguageModel, batch: Sequence[Question], first: torch.Tensor, cache: Cache) -> Array:
    """Return log p of every target form of each question, then of its source forms, one question after the other.

    Parameters
    ----------
    model : LanguageModel
    batch : sequence of Question
    first : Tensor, shape (batch, vocabulary)
        Logits after their prompts.
    cache : Cache
        After their prompts.
    """
    forms = [(row, form) for row, item in enumerate(batch) for form in item.targets + item.sources]
    rows, form_tokens = map(list, zip(*forms, strict=True))
    return np.asarray(continuation_logprob(model, first, cache, rows, form_tokens).cpu().numpy())


def together(logprobs: Array) -> np.float32:
    """Return the log-probability of several forms together; NaN where one of the ``logprobs`` is not finite."""
    return np.float32(np.logaddexp.reduce(logprobs) if np.isfinite(logprobs).all() else np.nan)
