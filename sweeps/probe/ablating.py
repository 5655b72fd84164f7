"""Ablations of a model's revisions: which are due at each, and their rows; every hybrid is kept as it is scored."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from calque.data.errors import UserError
from calque.data.quantities import plural
from calque.models.ablations.allocation import allocation
from calque.models.ablations.checkpoint_tables import (
    allocation_row,
    scaling_row,
    swap_ranges,
    swap_row,
    with_interactions,
)
from calque.models.ablations.scaling import scaling_scores
from calque.models.ablations.settings import AblationSettings
from calque.models.ablations.swaps import of_host
from calque.models.ablations.weights import components
from calque.models.ablations.word_losses import KINDS, WordLosses
from calque.models.ablations.word_scores import WordScores
from calque.models.config.probes import ABLATIONS, ACROSS, of_group
from calque.models.reading.parts import ModelParts
from calque.models.scoring.language_model import LanguageModel
from calque.models.scoring.scorer import Scorer
from calque.sweeps.probe.file import ProbeFile
from calque.sweeps.probe.states import RevisionStates, spaced
from calque.sweeps.score.scored_model import ScoredModel
from calque.sweeps.score.sources import RevisionSource

CHECKPOINTS = "checkpoints_json"
"""Attribute of the group: the revisions that are swapped with one another."""
CLUSTERS = 6
"""Groups of concepts over which the interval of an allocation is."""
Array = NDArray[np.float64]


class Ablating:
    """The probes of a group ``ablations`` that compare checkpoints.

    Parameters
    ----------
    source : RevisionSource
        Where the revisions are.
    subject : ScoredModel
        Loads them.
    file : ProbeFile
        Where rows are.
    probes : sequence of str
        Names of probes; others than these are left out.
    settings : AblationSettings
    order : sequence of str
        The revisions that are probed, in the order of training.

    Raises
    ------
    UserError
        When there are less than two checkpoints to compare, or the file compares others.
    """

    def __init__(
        self, source: RevisionSource, subject: ScoredModel, file: ProbeFile, probes: Sequence[str],
        settings: AblationSettings, order: Sequence[str],
    ) -> None:  # fmt: skip
        self.file, self.settings = file, settings
        self.probes = tuple(name for name in of_group(ABLATIONS, probes) if name in ACROSS)
        if not self.probes:
            return
        said = file.attributes[ABLATIONS].get(CHECKPOINTS)
        chosen = spaced(order, settings.checkpoints) if said is None else tuple(json.loads(said))
        if len(chosen) < 2:
            raise UserError(
                f"`probes` has {self.probes[0]}, which compares checkpoints, and there is one; name more in `revisions`"
            )
        if lacking := [name for name in chosen if name not in source.revisions]:
            raise UserError(
                f"{file.path} compares '{lacking[0]}' with other checkpoints, and the model has none of this name; "
                "choose another `output`"
            )
        file.attributes[ABLATIONS][CHECKPOINTS] = json.dumps(chosen)
        file.finish = self.finish
        self.states = RevisionStates(source, subject, chosen)

    def finish(self, group: xr.Dataset) -> xr.Dataset:
        """Return the ``group`` with what its rows give together."""
        return with_interactions(group, self.file.order(), self.settings.level)

    def due(self, revision: str) -> tuple[str, ...]:
        """Return the probes that a ``revision`` lacks.

        Swaps are of those that are compared, scaling of their last, allocation of all but their first.
        """
        row = self.file.rows[ABLATIONS].get(revision)
        scores = xr.Dataset() if row is None else row.scores
        chosen = self.states.revisions
        at = {"swaps": chosen, "scaling": chosen[-1:], "allocation": chosen[1:]}
        found = []
        for name in self.probes:
            if name == "allocation":
                lacks = name not in scores
            else:
                by_concept = scores.get(f"{name}_by_concept")
                lacks = by_concept is None or bool(by_concept.isnull().all(("measure", "concept")).any())
            if revision in at[name] and lacks:
                found.append(name)
        return tuple(found)

    def run(
        self, revision: str, model: LanguageModel, parts: ModelParts, scorer: Scorer, put: Callable[[xr.Dataset], None],
        doing: Callable[[str], None],
    ) -> None:  # fmt: skip
        """Compute what is due at a revision.

        Parameters
        ----------
        revision : str
        model, parts : LanguageModel, ModelParts
            Loaded; restored after.
        scorer : Scorer
            Knows words and tokenizer.
        put : callable
            Called with the row after every hybrid.
        doing : callable
            Called with what is being done.
        """
        words = WordScores(scorer.words.task, scorer.words.encoding, self.settings.concepts)
        due = self.due(revision)

        def score() -> Array:
            return words(model)

        for name in (one for one in due if one != "allocation"):
            doing(
                f"{name} with {plural(len(words.concepts), 'concept')} ({plural(words.questions, 'question')} a hybrid)"
            )
            row = self.file.rows[ABLATIONS].get(revision)
            held = None if row is None else row.scores.get(f"{name}_by_concept")
            if name == "swaps":
                self._swap(revision, parts, score, words.concepts, held, put)
            else:
                self._scale(revision, parts, score, words.concepts, held, put)
        if "allocation" in due:  # the last, for it may be refused
            doing(f"allocation with {plural(len(words.concepts), 'concept')}")
            put(self._allocate(revision, parts, words))

    def _swap(
        self, revision: str, parts: ModelParts, score: Callable[[], Array], concepts: Sequence[str],
        held: xr.DataArray | None, put: Callable[[xr.Dataset], None],
    ) -> None:  # fmt: skip
        ranges = swap_ranges(parts, self.settings)

        def keep(scores: Array) -> None:
            put(swap_row(scores, self.states.revisions, list(ranges), concepts))

        known = None if held is None else held.values.astype(float)
        keep(of_host(parts.model, revision, self.states, ranges, score, known=known, keep=keep))

    def _allocate(self, revision: str, parts: ModelParts, words: WordScores) -> xr.Dataset:
        """Return what made the losses change since the compared checkpoint before."""
        before = self.states[self.states.revisions[self.states.revisions.index(revision) - 1]]
        after = {name: value.detach().clone() for name, value in parts.model.named_parameters()}
        named, found = components(parts), {}
        for kind in KINDS:
            losses = WordLosses(words.scorer, kind, CLUSTERS)
            found[kind] = allocation(
                parts.model, before, after, named, losses.of(parts), losses.count, level=self.settings.level
            )
        return allocation_row(found)

    def _scale(
        self, revision: str, parts: ModelParts, score: Callable[[], Array], concepts: Sequence[str],
        held: xr.DataArray | None, put: Callable[[xr.Dataset], None],
    ) -> None:  # fmt: skip
        named, factors = components(parts), [f for f in self.settings.factors if f != 1] + [1.0]
        row = partial(scaling_row, names=list(named), factors=factors, concepts=concepts, level=self.settings.level)
        final = {name: value.detach().clone() for name, value in parts.model.named_parameters()}
        known = None if held is None else held.values.astype(float)

        def keep(scores: Array) -> None:
            put(row(scores))

        keep(scaling_scores(
            parts.model, self.states[self.states.revisions[0]], final, named, factors, score, known=known, keep=keep
        ))  # fmt: skip
