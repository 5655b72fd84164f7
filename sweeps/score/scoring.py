"""Scoring the revisions of a model into one cube: each once, also after interruptions."""

from __future__ import annotations

import gc
import hashlib
import json
import math
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from calque.data.cube.anonymous import anonymous
from calque.data.errors import UserError
from calque.data.locks import locked
from calque.sweeps.score.display import ScoreDisplay
from calque.sweeps.score.file import ScoredRow, ScoreFile
from calque.sweeps.score.flags import flag_messages
from calque.sweeps.score.positions import Position
from calque.sweeps.score.scored_model import ScoredModel
from calque.sweeps.score.sources import RevisionSource


@dataclass(kw_only=True)
class ScoreResult:
    """The result of scoring.

    Attributes
    ----------
    file : ScoreFile
    failed : dict of str to str
        Revisions that could not be scored, and why.
    """

    file: ScoreFile
    failed: dict[str, str] = field(default_factory=dict)

    def lines(self) -> list[str]:
        """Return messages for the user: failures and flagged checkpoints, one line each."""
        order = self.file.order()
        doubts = flag_messages(order, [self.file.rows[name].sha256 for name in order], self.file.flags())
        return [*(f"'{revision}' was not scored: {why}" for revision, why in self.failed.items()), *doubts]

    def to_dict(self) -> dict[str, Any]:
        """Return the result as JSON-ready values."""
        from calque.data.cube import CHECKPOINT_FLAGS

        flags = self.file.flags().tolist()
        rows = [(name, self.file.rows[name]) for name in self.file.order()]
        return {
            "schema": 1,
            "cube": str(self.file.path),
            "checkpoints": [
                {
                    "revision": name, "tokens": row.position.tokens, "step": row.position.step, "sha256": row.sha256,
                    "commit": row.commit or None,
                    "flags": [word for i, word in enumerate(CHECKPOINT_FLAGS) if flag >> i & 1],
                    "seconds": {k: None if math.isnan(v) else round(v, 3) for k, v in row.seconds.items()},
                }
                for (name, row), flag in zip(rows, flags, strict=True)
            ],
            "failed": [{"revision": name, "reason": why} for name, why in self.failed.items()],
        }  # fmt: skip


def run_id(subject: ScoredModel, name: str) -> str:
    """Return the hash that identifies a cube of ``subject`` under the run's ``name``."""
    text = json.dumps({"name": name, **subject.identity}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def score(
    source: RevisionSource,
    subject: ScoredModel,
    positions: Mapping[str, Position],
    output: Path,
    name: str,
    display: ScoreDisplay,
    anonymously: bool = False,
) -> ScoreResult:
    """Score revisions in the order of training; those in ``output`` are not scored again.

    A revision that is damaged or cannot be scored is skipped and reported; the others are scored.

    Parameters
    ----------
    source : RevisionSource
        Where the revisions are.
    subject : ScoredModel
        Loads and scores them.
    positions : mapping of revision to Position
    output : Path
        The cube; it is complete and readable after every revision.
    name : str
        Name of the run in the cube.
    display : ScoreDisplay
    anonymously : bool
        Leave out of the cube what tells its maker (``calque.data.cube.anonymous``).

    Raises
    ------
    UserError
        When ``output`` is of another model or other questions or cannot be written, another process writes to it, or
        the source cannot be reached. What was scored is kept.
    """
    with locked(output.with_name(f".{output.name}.lock"), f"scoring into {output}", wait=0):
        identity = run_id(subject, name)
        scored = ScoreResult(file=ScoreFile(output, identity))
        scored.file.move(positions)
        _Scoring(source, subject, scored, name, identity, display, anonymously).all(positions)
    return scored


class _Scoring:
    def __init__(
        self, source: RevisionSource, subject: ScoredModel, scored: ScoreResult, name: str, identity: str,
        display: ScoreDisplay, anonymously: bool,
    ) -> None:  # fmt: skip
        self.source, self.subject, self.scored, self.display = source, subject, scored, display
        self.name, self.identity, self.anonymously = name, identity, anonymously

    def all(self, positions: Mapping[str, Position]) -> None:
        for count, (revision, position) in enumerate(positions.items(), 1):
            commit = self.source.revisions[revision]
            row = self.scored.file.rows.get(revision)
            if row is not None and commit and row.commit == commit:
                self.display.done(revision, "scored before", count)
                continue
            with ExitStack() as stack:
                self.display.doing(revision, "fetching")
                folder = stack.enter_context(self.source.fetched(revision))
                try:
                    how = self.one(revision, position, commit, folder)
                except UserError as error:
                    self.scored.failed[revision] = str(error)
                    how = "not scored"
            self.display.done(revision, how, count)

    def one(self, revision: str, position: Position, commit: str, folder: Path) -> str:
        """Score one revision unless its weights have been scored; return a phrase that says what was done."""
        file = self.scored.file
        self.display.doing(revision, "reading its weights")
        weights, rest = self.subject.fingerprint(revision, folder)
        same = [name for name, row in file.rows.items() if (row.sha256, row.config_sha256) == (weights, rest)]
        if revision in same:
            if file.rows[revision].commit != commit:
                file.put(revision, replace(file.rows[revision], commit=commit))
            return "scored before"
        if same:
            seconds = dict.fromkeys(file.rows[same[0]].seconds, math.nan)
            file.put(revision, replace(file.rows[same[0]], position=position, commit=commit, seconds=seconds))
            return f"has the weights of {same[0]}"
        began = time.monotonic()
        scorer = self.subject.scorer(revision, folder)
        gc.collect()  # frees the model before, which has reference cycles
        model = self.subject.load(revision, folder)
        loaded = time.monotonic()
        with torch.inference_mode():
            scores = scorer(model, lambda done, of: self.display.doing(revision, f"{100 * done // of} % of the words"))
        if file.static is None:
            static = self.subject.static(self.name).assign_attrs(run_id=self.identity)
            file.static = anonymous(static) if self.anonymously else static
        seconds = {"loading_seconds": loaded - began, "scoring_seconds": time.monotonic() - loaded}
        file.put(
            revision,
            ScoredRow(
                position=position, sha256=weights, config_sha256=rest, commit=commit, scores=scores, seconds=seconds
            ),
        )
        return f"scored in {seconds['scoring_seconds']:.1f} s"
