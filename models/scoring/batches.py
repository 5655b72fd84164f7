"""Sizes of scoring batches."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

BATCH_TOKENS = 16_384
"""Tokens of a batch, those in the cache included."""
BATCH_LOGITS = 1 << 27
"""Logits of a batch: half a gigabyte in float32."""


def rows_at_once(tokens: int, logits: int) -> int:
    """Return the number of rows of a batch, at least one.

    Parameters
    ----------
    tokens : int
        Tokens of a row, those in the cache included.
    logits : int
        Logits of a row: positions times vocabulary.
    """
    return max(1, min(BATCH_TOKENS // max(1, tokens), BATCH_LOGITS // max(1, logits)))


def batches_by_length(
    sequences: Sequence[Sequence[int]], extra: int = 0, logits: int = 0, logits_per_token: int = 0
) -> Iterator[list[int]]:
    """Yield batches, each a list of indices of sequences of one length.

    Parameters
    ----------
    sequences : sequence of sequences of int
    extra : int
        Tokens that will be appended to each.
    logits, logits_per_token : int
        Logits that a sequence needs, and those it needs for each of its tokens.
    """
    by_length: dict[int, list[int]] = defaultdict(list)
    for index, sequence in enumerate(sequences):
        by_length[len(sequence)].append(index)
    for length, members in sorted(by_length.items()):
        size = rows_at_once(length + extra, logits + length * logits_per_token)
        for start in range(0, len(members), size):
            yield members[start : start + size]
