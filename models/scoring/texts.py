"""Log-probabilities of whole texts: held-out loss, bits per byte, and minimal pairs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from calque.data.answers import LoggedAnswer
from calque.data.tasks import MinimalPair
from calque.data.tokens.encoding import Encoding
from calque.models.decoder.decoder import Decoder
from calque.models.decoder.targets import repeated_bigrams
from calque.models.scoring.batches import batches_by_length
from calque.models.scoring.language_model import LanguageModel, language_model
from calque.models.scoring.questions import Keep, Report, no_report
from calque.models.scoring.selection import EVERYTHING, Selection
from calque.models.scoring.share import ALONE, Share
from calque.models.scoring.token_logprobs import token_logprobs


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

    def repeated_bigram_share(self) -> float:
        """Return the share of the predicted tokens whose bigram occurred earlier in their window; NaN without any."""
        repeated = repeated_bigrams(torch.from_numpy(self.windows))
        return float(repeated.double().mean()) if repeated.numel() else math.nan


@torch.inference_mode()
def heldout_loss(
    model: Decoder | LanguageModel, texts: Mapping[str, HeldOut], languages: Sequence[str], report: Report = no_report,
    share: Share = ALONE,
) -> dict[str, NDArray[np.float64]]:  # fmt: skip
    """Return ``loss`` (nats/token), its two parts and ``bits_per_byte`` by language, shape (L,) each.

    They are NaN without held-out text, and where the loss is not finite. Bits per byte are loss / ln 2 / (bytes per
    token). The parts are ``loss_repeated_bigram``, over the tokens that
    :func:`~calque.models.decoder.targets.repeated_bigrams` marks, and ``loss_new_bigram``, over the others.
    Batches may hold windows of several languages.

    Parameters
    ----------
    model : Decoder or LanguageModel
    texts : mapping of language to HeldOut
    languages : sequence of str
        The cube's languages, length L.
    report : callable
        Called with the number of windows so far, and of all.
    share : Share
        Of this process; all processes get the same result.
    """
    reader = language_model(model)
    places = [(i, w) for i, code in enumerate(languages) if code in texts for w in texts[code].windows]
    batches, done = list(batches_by_length([window for _, window in places])), 0
    mine: dict[int, NDArray[np.float64]] = {}
    for number in share.deal([sum(len(places[i][1]) for i in members) for members in batches]):
        report(done, len(places))
        batch = torch.from_numpy(np.stack([places[i][1] for i in batches[number]])).to(reader.device)
        losses, repeated = -token_logprobs(reader, batch).double(), repeated_bigrams(batch)
        parts = [losses, losses * ~repeated, losses * repeated, ~repeated, repeated]
        mine[number] = torch.stack([part.double().sum(1) for part in parts], 1).cpu().numpy()
        done += len(batch)
    sums = np.zeros((len(languages), 5))  # losses of all tokens, of new and of repeated bigrams; counts of the latter
    for number, found in share.together(mine).items():
        for place, row in zip(batches[number], found, strict=True):
            sums[places[place][0]] += row
    totals, counts = sums[:, :3], np.stack([sums[:, 3] + sums[:, 4], sums[:, 3], sums[:, 4]], 1)
    scored = (counts > 0) & np.isfinite(totals)
    loss, new, repeat = (np.where(scored, totals, np.nan) / np.maximum(counts, 1)).T
    per_token = np.array([texts[code].bytes_per_token if code in texts else math.nan for code in languages])
    bits = loss / math.log(2) / per_token
    return {"loss": loss, "bits_per_byte": bits, "loss_new_bigram": new, "loss_repeated_bigram": repeat}


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
        keep: Keep | None = None, share: Share = ALONE,
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
        share : Share
            Of this process; all processes get the same result.
        """
        reader = language_model(model)
        batches, done = list(batches_by_length(self.sequences)), 0
        mine: dict[int, NDArray[np.float32]] = {}
        for number in share.deal([sum(len(self.sequences[i]) for i in members) for members in batches]):
            batch = torch.tensor([self.sequences[i] for i in batches[number]], device=reader.device)
            mine[number] = token_logprobs(reader, batch).sum(1).cpu().numpy()
            done += len(batch)
            report(done // 2, len(self.pairs))
        logprob = np.zeros(len(self.sequences))
        for number, found in share.together(mine).items():
            logprob[batches[number]] = found
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
