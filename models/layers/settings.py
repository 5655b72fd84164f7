"""How layers are probed. Light to import."""

from __future__ import annotations

from dataclasses import dataclass

from calque.data.arguments import check_numbers

MOST = 8
"""Pairs of questions that patching has for each concept, at most."""


@dataclass(frozen=True, kw_only=True)
class LayerSettings:
    """How layers are probed.

    Attributes
    ----------
    concepts : int
        Concepts whose words are asked (lens, linear probes); alignment takes all. 2 at least.
    neighbours : int
        Of a word, in mutual nearest neighbours.
    folds : int
        Parts of the concepts: one is held out in turn; 2 at least.
    components : int
        Directions that retrieval fits.
    draws : int
        Permutations of the null of alignment; 2 at least.
    level : float
        Of the intervals.
    seed : int
        Chooses permutations, control labels and folds.

    Raises
    ------
    UserError
        When one of them is impossible.
    """

    concepts: int = 24
    neighbours: int = 5
    folds: int = 5
    components: int = 8
    draws: int = 199
    level: float = 0.95
    seed: int = 0

    def __post_init__(self) -> None:
        check_numbers(self, {"concepts": 2, "neighbours": 1, "folds": 2, "components": 1, "draws": 2, "seed": 0})
