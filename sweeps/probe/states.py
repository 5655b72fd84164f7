"""Weights of checkpoints, read when they are asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from calque.models.ablations.weights import State
from calque.models.reading.families import model_parts
from calque.sweeps.score.scored_model import ScoredModel
from calque.sweeps.score.sources import RevisionSource


class RevisionStates(Mapping[str, State]):
    """All weights of some revisions; the one that was read last is kept in memory.

    Parameters
    ----------
    source : RevisionSource
        Where they are.
    subject : ScoredModel
        Loads them.
    revisions : sequence of str
        In the order of training.
    """

    def __init__(self, source: RevisionSource, subject: ScoredModel, revisions: Sequence[str]) -> None:
        self.source, self.subject, self.revisions = source, subject, tuple(revisions)
        self._last: tuple[str, State] | None = None

    def __getitem__(self, revision: str) -> State:
        if revision not in self.revisions:
            raise KeyError(revision)
        if self._last is None or self._last[0] != revision:
            self._last = None
            with self.source.fetched(revision) as folder:
                model = model_parts(self.subject.load(revision, folder)).model
            self._last = revision, {name: value.detach() for name, value in model.named_parameters()}
        return self._last[1]

    def __iter__(self) -> Iterator[str]:
        return iter(self.revisions)

    def __len__(self) -> int:
        return len(self.revisions)


def spaced(revisions: Sequence[str], count: int) -> tuple[str, ...]:
    """Return so many ``revisions``, evenly spaced, the first and the last among them; all where there are less.

    Parameters
    ----------
    revisions : sequence of str
        In the order of training.
    count : int
        2 at least.
    """
    if len(revisions) <= count:
        return tuple(revisions)
    places = np.round(np.linspace(0, len(revisions) - 1, count)).astype(int)
    return tuple(revisions[place] for place in places)
