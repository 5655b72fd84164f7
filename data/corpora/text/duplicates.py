"""Which documents occur before, and which are held out, from a hash of each: exact, in bounded memory."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

HASH = np.dtype("<u8")
EMPTY = 0
"""The hash that stands for a document without text."""
BUCKET = 1 << 20
"""Hashes compared with each other at a time."""


def document_hash(text: str) -> int:
    """Return 64 bits of the BLAKE2b hash of a text, 1 or more; uniform.

    Two different texts of n have the same with probability n² / 2⁶⁵: 3 in 10,000 for a hundred million.
    """
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little") or 1


def compare(hashes: list[NDArray[np.uint64]], first: NDArray[np.bool_], heldout: float) -> dict[str, int]:
    """Mark the first of equal documents, and hold out those with the lowest hashes.

    Whether a document is held out depends on its text alone, so that no copy of it is trained on, whatever file it
    is in. At least one document is.

    Parameters
    ----------
    hashes : list of array of uint64
        Of the documents of each file, ``EMPTY`` for those without text; may be memory-mapped.
    first : array of bool, shape (documents of all files,)
        All false; set where a document has text and none before it has the same.
    heldout : float
        Share of the different documents to hold out.

    Returns
    -------
    dict
        ``documents`` (different ones), ``duplicates``, ``heldout`` (of the different ones) and ``threshold``:
        documents whose hash is below are held out.
    """
    used, lowest, buckets = 0, 1 << 64, -(-len(first) // BUCKET)
    for bucket in range(buckets):
        low, high = ((bucket + k) * (1 << 64) // buckets for k in (0, 1))
        found, places = _between(hashes, max(low, EMPTY + 1), high - 1)
        different, where = np.unique(found, return_index=True)
        first[np.sort(places[where])] = True
        used += len(different)
        if len(different):
            lowest = min(lowest, int(different[0]))
    threshold = min(max(int(heldout * 2**64), lowest + 1), 2**64 - 1)
    held = place = texts = 0
    for own in hashes:
        held += int(np.count_nonzero(first[place : place + len(own)] & (own < np.uint64(threshold))))
        texts += int(np.count_nonzero(own))
        place += len(own)
    return {"documents": used, "duplicates": texts - used, "heldout": held, "threshold": threshold}


def _between(hashes: list[NDArray[np.uint64]], low: int, high: int) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Return the hashes from low to high, both included, in the order of the documents, and the documents' places."""
    found, places, place = [np.empty(0, HASH)], [np.empty(0, np.int64)], 0
    for own in hashes:
        for start in range(0, len(own), BUCKET):
            block = np.asarray(own[start : start + BUCKET])
            inside = np.flatnonzero((block >= np.uint64(low)) & (block <= np.uint64(high)))
            found.append(block[inside])
            places.append(inside + place + start)
        place += len(own)
    return np.concatenate(found), np.concatenate(places)
