"""Log-probabilities of whole texts: held-out loss, bits per byte, and minimal pairs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from calque.data.answers import LoggedAnswer
from calque.data.tasks import MinimalPair
from calque.data.tokens.encoding import Encoding
from calque.models.decoder.decoder import Decoder
from calque.models.scoring.batches import batches_by_length, rows_at_once
from calque.models.scoring.language_model import LanguageModel, language_model
from calque.models.scoring.questions import Keep, Report, no_report
from calque.models.scoring.selection import EVERYTHING, Selection


@dataclass(frozen=True, kw_only=True)
class HeldOut:
    """Held-out text of one language.

    Attributes
    ----------
    windows : array of int, shape (n, context + 1)
        Token ids.
    bytes_per_token : float
        UTF-8 bytes of the text, divided by its tokens.
    """

    windows: NDArray[np.int64]
    bytes_per_token: float


@torch.inference_mode()
def heldout_loss(
    model: Decoder | LanguageModel, texts: Mapping[str, HeldOut], languages: Sequence[str], report: Report = no_report
) -> dict[str, NDArray[np.float64]]:
    """Return ``loss`` (nats/token) and ``bits_per_byte`` by language, shape (L,) each.

    They are NaN without held-out text, and where the loss is not finite. Bits per byte are loss / ln 2 / (bytes per
    token).

    Parameters
    ----------
    model : Decoder or LanguageModel
    texts : mapping of language to HeldOut
    languages : sequence of str
        The cube's languages, length L.
    report : callable
        Called with the number of languages so far, and of all.
    """
    reader = language_model(model)
    loss = np.full(len(languages), np.nan)
    bits = np.full(len(languages), np.nan)
    for i, code in enumerate(languages):
        if code not in texts or not len(texts[code].windows):
            continue
        report(i, len(languages))
        windows, total = texts[code].windows, 0.0
        size = rows_at_once(windows.shape[1], windows.shape[1] * reader.vocabulary)
        for start in range(0, len(windows), size):
            batch = torch.from_numpy(windows[start : start + size]).to(reader.device)
            logits = reader.read(batch[:, :-1])[0].float()
            total += float(F.cross_entropy(logits.flatten(0, 1), batch[:, 1:].flatten(), reduction="sum"))
        loss[i] = total / (windows.shape[0] * (windows.shape[1] - 1)) if math.isfinite(total) else math.nan
        bits[i] = loss[i] / math.log(2) / texts[code].bytes_per_token
    return {"loss": loss, "bits_per_byte": bits}


class MinimalPairScorer:
    """Scores minimal pairs: whether a model gives the good text a higher probability than the bad one.

    Parameters
    ----------
    pairs : sequence of MinimalPair
    encoding : Encoding
        Its token that begins a document is put before every text.
    languages : sequence of str
        The cube's languages, length L.
    selection : Selection
        Which of the pairs are asked.
    """

    def __init__(
        self, pairs: Sequence[MinimalPair], encoding: Encoding, languages: Sequence[str],
        selection: Selection = EVERYTHING,
    ) -> None:  # fmt: skip
        possible = [pair for pair in pairs if pair.language in languages]
        self.possible = len(possible)
        self.phenomena = tuple(sorted({pair.phenomenon for pair in possible}))
        self.pairs = [possible[i] for i in selection.pick("minimal_pairs", len(possible))]
        texts = [(pair.language, text) for pair in self.pairs for text in (pair.good, pair.bad)]
        self.sequences = [[encoding.begin(code), *encoding.encode([(code, text)])] for code, text in texts]
        self.places = [(languages.index(p.language), self.phenomena.index(p.phenomenon)) for p in self.pairs]
        self.shape = (len(languages), len(self.phenomena))

    def missing(self) -> dict[str, NDArray[np.float64]]:
        """Return the variables of a checkpoint without minimal pairs: NaN, shape (L, phenomena)."""
        return {name: np.full(self.shape, np.nan) for name in ("minimal_pair_correct", "minimal_pair_total")}

    @torch.inference_mode()
    def __call__(
        self, model: Decoder | LanguageModel, report: Report = no_report, *, log: Selection | None = None,
        keep: Keep | None = None,
    ) -> dict[str, NDArray[np.float64]]:  # fmt: skip
        """Return ``minimal_pair_correct`` and ``minimal_pair_total``, shape (L, phenomena); NaN where there is none.

        A pair whose log-probabilities are not finite is missing, as if it had not been asked.

        Parameters
        ----------
        model : Decoder or LanguageModel
        report : callable
            Called with the number of pairs so far, and of all.
        log : Selection, optional
            Of the pairs that are logged.
        keep : callable, optional
            Called with each of them.
        """
        reader = language_model(model)
        logprob, done = np.zeros(len(self.sequences)), 0
        for members in batches_by_length(self.sequences, logits_per_token=reader.vocabulary):
            batch = torch.tensor([self.sequences[i] for i in members], device=reader.device)
            logits = reader.read(batch[:, :-1])[0].float()
            each = F.cross_entropy(logits.transpose(1, 2), batch[:, 1:], reduction="none")
            logprob[members] = -each.sum(1).cpu().numpy()
            done += len(members)
            report(done // 2, len(self.pairs))
        correct, total = self.missing().values()
        good, bad = logprob[0::2], logprob[1::2]
        if log is not None and keep is not None:
            for i in log.pick("minimal_pairs", len(self.pairs)):
                keep(_row(self.pairs[i], float(good[i]), float(bad[i])))
        for place, better, finite in zip(self.places, good > bad, np.isfinite(good) & np.isfinite(bad), strict=True):
            if not finite:
                continue
            correct[place] = np.nan_to_num(correct[place]) + better
            total[place] = np.nan_to_num(total[place]) + 1
        return {"minimal_pair_correct": correct, "minimal_pair_total": total}


def _row(pair: MinimalPair, good: float, bad: float) -> LoggedAnswer:
    finite = math.isfinite(good) and math.isfinite(bad)
    return LoggedAnswer(
        task="minimal_pairs", source=pair.language, target=pair.language, phenomenon=pair.phenomenon, prompt="",
        expected=(pair.good,), answer=(pair.good if good > bad else pair.bad) if finite else None,
        outcome=("correct" if good > bad else "wrong") if finite else "not_finite",
        expected_logprob=good if math.isfinite(good) else None, other_logprob=bad if math.isfinite(bad) else None,
    )  # fmt: skip
