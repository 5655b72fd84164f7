"""Common prefixes of prompts, which a model reads only once."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

STRIDE = 2
"""Lengths of shared prefixes are multiples of this: with fewer lengths, more remainders fit one batch."""


def shared_prefixes(prompts: Sequence[Sequence[int]]) -> list[int]:
    """Return the length of the prefix of each prompt that is read once for all prompts that begin with it.

    Nodes of the prompts' trie are chosen, at most one on the path to each prompt, such that the total number of tokens
    read is smallest: those up to a node once, those below it for every prompt.

    Parameters
    ----------
    prompts : sequence of sequences of int
        Token ids, none empty.

    Returns
    -------
    list of int
        0 where nothing is shared. At least one token of every prompt remains outside its prefix.
    """
    order = sorted(range(len(prompts)), key=lambda i: list(prompts[i]))
    common = [_common(prompts[a], prompts[b]) for a, b in pairwise(order)]
    found = [0] * len(prompts)

    def choose(start: int, stop: int) -> tuple[int, list[tuple[int, int, int]]]:
        """Return the fewest tokens to read the prompts ``order[start:stop]``, and the (start, stop, length) shared."""
        lengths = [len(prompts[i]) for i in order[start:stop]]
        if stop - start == 1:
            return lengths[0], []
        depth = min(common[start : stop - 1])
        cuts = [start, *(i + 1 for i in range(start, stop - 1) if common[i] == depth), stop]
        apart, parts = 0, list[tuple[int, int, int]]()
        for a, b in pairwise(cuts):
            cost, shared = choose(a, b)
            apart, parts = apart + cost, parts + shared
        length = min(depth, min(lengths) - 1) // STRIDE * STRIDE
        together = sum(lengths) - length * (len(lengths) - 1)
        return (together, [(start, stop, length)]) if length and together <= apart else (apart, parts)

    for start, stop, length in choose(0, len(order))[1] if prompts else []:
        for i in order[start:stop]:
            found[i] = length
    return found


def _common(one: Sequence[int], other: Sequence[int]) -> int:
    return next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
