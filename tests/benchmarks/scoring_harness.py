"""lm-evaluation-harness on the word task: the same prompts, forms and stop, through its own Hugging Face model.

Only its two requests are timed, ``loglikelihood`` and ``generate_until``; building its tasks and metrics is left out.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM

from calque.data.words.words import normalise
from calque.models.decoder.decoder import Decoder
from calque.models.scoring.language_model import LanguageModel
from calque.models.scoring.words import WordScorer


@dataclass(frozen=True, kw_only=True)
class Answers:
    """What was answered.

    Attributes
    ----------
    seconds : float
        Of the processor.
    questions : int
    said : list of str
        Normalised, up to the stop.
    logprob : list of list of float
        Of all forms of a question, sources last.
    answer_tokens : float
        Mean length of an answer, where it is known.
    """

    seconds: float
    questions: int
    answer_tokens: float = math.nan
    said: list[str]
    logprob: list[list[float]]


def ours(scorer: WordScorer, model: Decoder | LanguageModel) -> Answers:
    """Ask with :class:`WordScorer`."""
    began = time.process_time()
    found = {id(answer.question): answer for answer in scorer.answers(model)}
    seconds = time.process_time() - began
    order = [found[id(question)] for question in scorer.items]
    return Answers(
        seconds=seconds,
        questions=len(order),
        answer_tokens=sum(len(answer.tokens) for answer in order) / len(order),
        said=[_bare(scorer.encoding.decode(answer.tokens)[0], scorer.task.stop) for answer in order],
        logprob=[[*map(float, answer.targets), *map(float, answer.sources)] for answer in order],
    )


def harness(scorer: WordScorer, folder: Path, batch_size: int, every: int) -> Answers:
    """Ask every n-th question with the harness; the exported tokenizer begins every prompt as ours does."""
    items = scorer.items[::every]
    model = HFLM(
        pretrained=str(folder), device="cpu", dtype="float32", batch_size=batch_size, add_bos_token=True, max_length=512
    )
    task, stop = scorer.task, scorer.task.stop.strip()
    forms, asked = [], []
    for i, item in enumerate(items):
        source, target = (task.languages[place] for place in item.place[:2])
        concept = scorer.concepts[item.place[2]]
        texts = [*task.forms[target, concept], task.forms[source, concept][0]]
        forms += [Instance(request_type="loglikelihood", doc={}, arguments=(item.text, form), idx=i) for form in texts]
        settings = {"until": [stop], "max_gen_toks": scorer.new_tokens, "do_sample": False}
        asked.append(Instance(request_type="generate_until", doc={}, arguments=(item.text, settings), idx=i))
    began = time.process_time()
    logprob = model.loglikelihood(forms, disable_tqdm=True)
    said = model.generate_until(asked, disable_tqdm=True)
    seconds = time.process_time() - began
    by_question: list[list[float]] = [[] for _ in items]
    for request, (value, _) in zip(forms, logprob, strict=True):
        by_question[request.idx].append(float(value))
    said = [_bare(text, stop) for text in said]
    return Answers(seconds=seconds, questions=len(items), said=said, logprob=by_question)


def agreement(one: Answers, other: Answers) -> dict[str, float]:
    """Return the share of equal answers and the largest difference of log-probabilities, in nats."""
    assert len(one.said) == len(other.said)
    same = sum(a == b for a, b in zip(one.said, other.said, strict=True)) / len(one.said)
    pairs = zip(one.logprob, other.logprob, strict=True)
    away = max(float(np.abs(np.subtract(a, b)).max()) for a, b in pairs)
    assert not math.isnan(away)
    return {"answers_equal": same, "largest_difference_nats": away}


def thinned(answers: Answers, every: int) -> Answers:
    """Return every n-th answer; the seconds stay those of all."""
    return replace(answers, said=answers.said[::every], logprob=answers.logprob[::every])


def teach(decoder: Decoder, scorer: WordScorer, steps: int, seed: int = 0) -> float:
    """Train on complete lines of the word list until answers end; return the last loss, nats/token."""
    task, encoding = scorer.task, scorer.encoding
    rng = np.random.default_rng(seed)
    optimizer = torch.optim.AdamW(decoder.parameters(), lr=2e-3)
    loss = torch.tensor(math.nan)
    for _ in range(steps):
        rows = []
        for i in rng.integers(len(scorer.items), size=8):
            item = scorer.items[i]
            form = task.forms[task.languages[item.place[1]], scorer.concepts[item.place[2]]][0]
            rows.append([*item.prompt, *encoding.encode([(item.target, f"{form}{task.stop}\n")])][:64])
        width = max(map(len, rows))
        tokens = torch.tensor([row + [0] * (width - len(row)) for row in rows])
        logits = decoder(tokens[:, :-1])
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten(), ignore_index=0)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    decoder.eval()
    return loss.item()


def _bare(text: str, stop: str) -> str:
    return normalise(text.partition(stop.strip())[0])
