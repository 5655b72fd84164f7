"""Scoring the revisions of a model into one cube: each once, also after interruptions."""

from __future__ import annotations

import hashlib
import json
import math
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from statistics import mean
from typing import Any, Protocol

import torch

from calque.data.answers import AnswersFile, LoggedAnswer, answers_path
from calque.data.cube.anonymous import anonymous
from calque.data.errors import UserError
from calque.data.locks import locked
from calque.data.quantities import format_duration
from calque.models.huggingface.config_file import brief
from calque.models.scoring.selection import Selection
from calque.sweeps.score.attempts import attempted
from calque.sweeps.score.display import ScoreDisplay
from calque.sweeps.score.file import Fingerprint, ScoredRow, ScoreFile
from calque.sweeps.score.flags import flag_messages
from calque.sweeps.score.notes import architecture_changes, selection_note
from calque.sweeps.score.positions import Position
from calque.sweeps.score.scored_model import LastLoaded, ScoredModel
from calque.sweeps.score.sources import RevisionSource


class Further(Protocol):
    """What is done with a revision once it is scored, while its model is loaded."""

    models: LastLoaded

    def lacks(self, revision: str) -> bool:
        """Return whether anything is left to do with a ``revision`` whose weights are those of its row."""
        ...

    def after_scoring(self, revision: str, position: Position, folder: Path) -> str:
        """Do it with a ``revision`` in ``folder`` at its ``position``, into the cube's file; return what was done.

        What cannot be done is recorded, not raised.
        """
        ...


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
        """Return messages for the user, a line each: failures, flags, changes of architecture, what was asked."""
        order = self.file.order()
        return [
            *(f"'{brief(revision, 60)}' was not scored: {why}" for revision, why in self.failed.items()),
            *flag_messages(order, self.file.evidence(), self.file.flags()),
            *architecture_changes({name: self.file.rows[name].fingerprint for name in order}),
            *([] if self.file.static is None else selection_note(self.file.static)),
        ]

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
                    "revision": name, "tokens": row.position.tokens, "step": row.position.step,
                    "sha256": row.fingerprint.sha256,
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
    output: str | os.PathLike[str],
    name: str,
    display: ScoreDisplay,
    anonymously: bool = False,
    further: Further | None = None,
) -> ScoreResult:
    """Score revisions in the order of training; those in ``output`` are not scored again.

    A revision that is damaged or cannot be scored, for whatever reason, is passed over and reported; the others are
    scored.

    Parameters
    ----------
    source : RevisionSource
        Where the revisions are.
    subject : ScoredModel
        Loads and scores them, and says which answers are logged.
    positions : mapping of revision to Position
    output : path
        The cube; it is complete and readable after every revision.
    name : str
        Name of the run in the cube.
    display : ScoreDisplay
    anonymously : bool
        Leave out of the cube what tells its maker (``calque.data.cube.anonymous``).
    further : Further, optional
        What is done with each revision besides.

    Raises
    ------
    UserError
        When ``output`` is of another model or other questions or cannot be written, another process writes to it, or
        no revision at all could be scored. What was scored is kept.
    """
    output = Path(output)
    with locked(output.with_name(f".{output.name}.lock"), f"scoring into {output}", wait=0):
        identity = run_id(subject, name)
        scored = ScoreResult(file=ScoreFile(output, identity))
        answers = _answers(output, subject.log, identity)
        scored.file.move(positions)
        if answers is not None:
            answers.place({revision: (row.position.step, row.position.tokens)
                           for revision, row in scored.file.rows.items()})  # fmt: skip
        logging = None if subject.log is None else answers
        _Scoring(source, subject, scored, logging, name, identity, display, anonymously, further).all(positions)
    if scored.failed and not scored.file.rows:
        revision, why = next(iter(scored.failed.items()))
        others = f" (and none of {len(scored.failed) - 1} others)" if len(scored.failed) > 1 else ""
        raise UserError(f"'{brief(revision, 40)}'{others} was not scored: {why}")
    return scored


def _answers(output: Path, log: Selection | None, identity: str) -> AnswersFile | None:
    """Return the file of answers beside the cube, where they are logged or have been."""
    path = answers_path(output)
    if log is None:
        return AnswersFile(path) if path.exists() else None
    return AnswersFile(path, {"run_id": identity, "log_answers": log.limit or "all", "sample_seed": log.seed})


class _Scoring:
    def __init__(
        self, source: RevisionSource, subject: ScoredModel, scored: ScoreResult, answers: AnswersFile | None,
        name: str, identity: str, display: ScoreDisplay, anonymously: bool, further: Further | None,
    ) -> None:  # fmt: skip
        self.source, self.subject, self.scored, self.display = source, subject, scored, display
        self.further, self.models = further, LastLoaded(subject) if further is None else further.models
        self.answers, self.name, self.identity, self.anonymously = answers, name, identity, anonymously
        self.spent: list[float] = []

    def all(self, positions: Mapping[str, Position]) -> None:
        for count, (revision, position) in enumerate(positions.items(), 1):
            how = self.attempt(revision, position)
            left = sum(name not in self.scored.file.rows for name in list(positions)[count:])
            if left and self.spent:
                how += f", about {format_duration(left * mean(self.spent))} left"
            self.display.done(revision, how, count)

    def attempt(self, revision: str, position: Position) -> str:
        """Score one revision, or record why that cannot be done; only a full disk ends the whole."""
        commit = self.source.revisions[revision]
        row = self.scored.file.rows.get(revision)
        complete = self.further is None or not self.further.lacks(revision)
        if row is not None and commit and row.commit == commit and self.logged(revision, row.fingerprint) and complete:
            return "scored before"

        def opened() -> str:
            self.display.doing(revision, self.source.opening)
            with self.source.fetched(revision) as folder:
                how, began = self.one(revision, position, commit, folder), time.monotonic()
                if self.further is None:
                    return how
                what = self.further.after_scoring(revision, position, folder)
                self.scored.file.load()
                if how.startswith("scored in"):
                    self.spent[-1] += time.monotonic() - began
                return f"{how}, {what}"

        return attempted(opened, revision, self.scored.failed, "not scored")

    def logged(self, revision: str, fingerprint: Fingerprint) -> bool:
        """Return whether the answers of ``revision`` are there, as far as any are asked for."""
        return self.answers is None or self.answers.has(revision, fingerprint.sha256)

    def one(self, revision: str, position: Position, commit: str, folder: Path) -> str:
        """Score one revision unless its weights have been scored; return a phrase that says what was done."""
        file = self.scored.file
        self.display.doing(revision, "reading its weights")
        fingerprint = self.models.fingerprint(revision, folder)
        same = [
            name for name, row in file.rows.items()
            if row.fingerprint.same(fingerprint) and self.logged(name, row.fingerprint)
        ]  # fmt: skip
        if revision in same:
            row = replace(file.rows[revision], commit=commit, fingerprint=fingerprint)
            if (row.commit, row.fingerprint) != (file.rows[revision].commit, file.rows[revision].fingerprint):
                file.put(revision, row)
            return "scored before"
        if same:
            seconds = dict.fromkeys(file.rows[same[0]].seconds, math.nan)
            if self.answers is not None:
                self.answers.copy(revision, same[0], step=position.step, tokens=position.tokens)
            row = replace(file.rows[same[0]], position=position, commit=commit, seconds=seconds)
            file.put(revision, replace(row, fingerprint=fingerprint))
            return f"has the weights of {same[0]}"
        began = time.monotonic()
        scorer = self.subject.scorer(revision, folder)
        model = self.models.load(revision, folder)
        loaded = time.monotonic()
        said: list[LoggedAnswer] = []
        with torch.inference_mode():
            scores = scorer(
                model, partial(self.display.part, revision), keep=None if self.answers is None else said.append
            )
        if file.static is None:
            static = self.subject.static(self.name).assign_attrs(run_id=self.identity)
            static = static.assign_coords(items_json=("run", [json.dumps(scorer.counts())]))
            file.static = anonymous(static) if self.anonymously else static
        seconds = {"loading_seconds": loaded - began, "scoring_seconds": time.monotonic() - loaded}
        if self.answers is not None:  # before the row: without its answers a row is scored again
            self.answers.put(
                revision, said, run=self.name, step=position.step, tokens=position.tokens, sha256=fingerprint.sha256
            )
        file.put(
            revision,
            ScoredRow(
                position=position, fingerprint=fingerprint, commit=commit, finite=scorer.finite(scores), scores=scores,
                seconds=seconds,
            ),
        )  # fmt: skip
        self.spent.append(time.monotonic() - began)
        return f"scored in {seconds['scoring_seconds']:.1f} s"
