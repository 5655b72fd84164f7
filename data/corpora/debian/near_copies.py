"""Which paragraphs nearly copy one of a few others: shared runs of letters, counted with numpy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

NEAR = 0.6  # Jaccard similarity of the runs of letters from which two paragraphs count as one
LETTERS_AT_ONCE = 2_000_000
COMMON = 32  # a run that occurs in this many of the other texts is ignored
MULTIPLIER = 0x9E3779B97F4A7C15


def near_copies(texts: Sequence[str], of: Sequence[str], width: int) -> NDArray[np.bool_]:
    """Return which of ``texts`` share at least ``NEAR`` of their runs of letters with one of ``of``.

    Similarity is ``|A & B| / |A | B|`` over the runs of ``width`` letters, each counted as often as it occurs.

    Parameters
    ----------
    texts, of : sequence of str
        Letters only (:func:`calque.data.corpora.debian.text.normalised`).
    width : int
        Letters a run.

    Returns
    -------
    array of bool, shape (len(texts),)
        A text shorter than ``width`` is never a near copy.
    """
    found = np.zeros(len(texts), np.bool_)
    runs, holders = _runs(of, width)
    order = np.argsort(runs, kind="stable")
    runs, holders = runs[order], holders[order]
    of_sizes = np.bincount(holders, minlength=len(of))
    for first, batch in _batches(texts):
        hashes, owners = _runs(batch, width)
        sizes = np.bincount(owners, minlength=len(batch))
        left = np.searchsorted(runs, hashes, "left")
        count = np.searchsorted(runs, hashes, "right") - left
        telling = (count > 0) & (count <= COMMON)
        left, count, owners = left[telling], count[telling], owners[telling]
        if not count.size:
            continue
        place = np.repeat(left - np.concatenate(([0], np.cumsum(count)[:-1])), count) + np.arange(count.sum())
        pairs, shared = np.unique(np.repeat(owners, count) * len(of) + holders[place], return_counts=True)
        owner, holder = np.divmod(pairs, len(of))
        near = shared >= NEAR * (sizes[owner] + of_sizes[holder] - shared)
        found[first + owner[near]] = True
    return found


def _batches(texts: Sequence[str]) -> Iterator[tuple[int, Sequence[str]]]:
    first, letters = 0, 0
    for place, text in enumerate(texts):
        letters += len(text)
        if letters >= LETTERS_AT_ONCE:
            yield first, texts[first : place + 1]
            first, letters = place + 1, 0
    if first < len(texts):
        yield first, texts[first:]


def _runs(texts: Sequence[str], width: int) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Return a hash of every run of letters and the index of the text it stands in."""
    lengths = np.array([len(text) for text in texts], np.int64)
    letters = np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), "<u4").astype(np.uint64)
    owners = np.repeat(np.arange(len(texts)), lengths)
    if len(letters) < width:
        return np.empty(0, np.uint64), np.empty(0, np.int64)
    windows = len(letters) - width + 1
    hashes = np.zeros(windows, np.uint64)
    for offset in range(width):
        hashes = hashes * np.uint64(MULTIPLIER) + letters[offset : offset + windows]
    hashes ^= hashes >> np.uint64(29)
    inside = owners[:windows] == owners[width - 1 :]
    return hashes[inside], owners[:windows][inside]
