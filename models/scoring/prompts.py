"""Reading many prompts: shared prefixes once, the remainders in batches of one length."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from calque.models.decoder.decoder import Cache
from calque.models.scoring.batches import batches_by_length, rows_at_once
from calque.models.scoring.language_model import LanguageModel
from calque.models.scoring.prefixes import shared_prefixes
from calque.models.scoring.share import ALONE, Share


class Prompts:
    """Prompts and their shared prefixes; computed once, read by many models.

    Parameters
    ----------
    prompts : sequence of sequences of int
        Token ids, none empty.
    extra : int
        Tokens that will be appended to each.
    """

    def __init__(self, prompts: Sequence[Sequence[int]], extra: int = 0) -> None:
        self.prompts, self.extra = prompts, extra
        self.lengths = shared_prefixes(prompts)
        self.places: dict[tuple[int, ...], int] = {}
        self.prefixes: dict[int, list[tuple[int, ...]]] = defaultdict(list)
        for prompt, length in zip(prompts, self.lengths, strict=True):
            start = tuple(prompt[:length])
            if length and start not in self.places:
                self.places[start] = len(self.prefixes[length])
                self.prefixes[length].append(start)

    @property
    def tokens_read(self) -> int:
        """Tokens that a model reads for all prompts together."""
        shared = sum(length * len(group) for length, group in self.prefixes.items())
        return shared + sum(len(p) - length for p, length in zip(self.prompts, self.lengths, strict=True))

    def read(self, model: LanguageModel, share: Share = ALONE) -> Iterator[tuple[int, list[int], Tensor, Cache]]:
        """Yield the batches of prompts that are this process's ``share``, once ``model`` has read them.

        Yields
        ------
        number : int
            Of the batch among those of all processes.
        members : list of int
            Indices of the batch's prompts, all of one length.
        first : Tensor, shape (batch, vocabulary)
            Logits of the next token, float32.
        cache : Cache
        """
        caches: dict[int, Cache] = {}
        batches = list(batches_by_length(self.prompts, self.extra, logits=2 * model.vocabulary))
        costs = [sum(len(self.prompts[i]) - self.lengths[i] + self.extra for i in batch) for batch in batches]
        for number in share.deal(costs):
            batch = batches[number]
            members, logits, parts = [], [], []
            by_prefix: dict[int, list[int]] = defaultdict(list)
            for i in batch:
                by_prefix[self.lengths[i]].append(i)
            for length, those in sorted(by_prefix.items()):
                if length and length not in caches:
                    caches[length] = _read_all(model, self.prefixes[length])
                rest = torch.tensor([self.prompts[i][length:] for i in those], device=model.device)
                places = [self.places[tuple(self.prompts[i][:length])] for i in those] if length else []
                first, cache = model.read(rest, take(caches[length], places) if length else None, last=1)
                members += those
                logits.append(first[:, -1].float())
                parts.append(cache)
            yield number, members, torch.cat(logits), join(parts)


def _read_all(model: LanguageModel, sequences: Sequence[Sequence[int]]) -> Cache:
    size = rows_at_once(len(sequences[0]), model.vocabulary)
    chunks = [sequences[i : i + size] for i in range(0, len(sequences), size)]
    return join([model.read(torch.tensor(chunk, device=model.device), last=1)[1] for chunk in chunks])


def take(cache: Cache, rows: Sequence[int] | Tensor) -> Cache:
    """Return the part of ``cache`` with these ``rows``, in this order; a row may be repeated."""
    index = torch.as_tensor(rows, device=cache[0][0].device)
    return [(key.index_select(0, index), value.index_select(0, index)) for key, value in cache]


def join(parts: Sequence[Cache]) -> Cache:
    """Return the caches ``parts``, all of one length, as one with their rows concatenated."""
    if len(parts) == 1:
        return parts[0]
    return [
        (torch.cat([key for key, _ in layer]), torch.cat([value for _, value in layer]))
        for layer in zip(*parts, strict=True)
    ]
