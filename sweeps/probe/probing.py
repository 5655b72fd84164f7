"""Probing the revisions of a model into one cube: each once, also after interruptions."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import xarray as xr

from calque.data import cube
from calque.data.cube.anonymous import anonymous
from calque.data.errors import UserError
from calque.data.locks import locked
from calque.models.components.token_sets import tokens_of_words
from calque.models.config.probes import ABLATIONS, ACROSS, PROBES, done, of_group
from calque.models.huggingface.config_file import brief, positions_of, read_config
from calque.models.probing.asked import Asked
from calque.models.probing.one_model import probe_model
from calque.models.reading.families import model_parts
from calque.sweeps.probe.ablating import Ablating
from calque.sweeps.probe.checkpoints import with_revisions
from calque.sweeps.probe.file import ProbedRow, ProbeFile
from calque.sweeps.score.attempts import attempted
from calque.sweeps.score.display import ScoreDisplay
from calque.sweeps.score.positions import Position
from calque.sweeps.score.scored_model import LastLoaded, ScoredModel
from calque.sweeps.score.sources import RevisionSource
from calque.sweeps.score.trained_run import TrainedRunModel, TrainedRunSource


@dataclass(kw_only=True)
class ProbeResult:
    """The result of probing.

    Attributes
    ----------
    file : ProbeFile
    failed : dict of str to str
        Revisions that could not be probed, and why.
    """

    file: ProbeFile
    failed: dict[str, str] = field(default_factory=dict)


def probe_revisions(
    source: RevisionSource, subject: ScoredModel, positions: Mapping[str, Position], output: str | os.PathLike[str],
    name: str, asked: Asked, display: ScoreDisplay, anonymously: bool = False,
) -> ProbeResult:  # fmt: skip
    """Probe revisions in the order of training; what ``output`` holds is not probed again.

    A revision that cannot be probed, for whatever reason, is passed over and reported; the others are probed.

    Parameters
    ----------
    source : RevisionSource
        Where the revisions are.
    subject : ScoredModel
        Loads them, and knows the words whose tokens are used.
    positions : mapping of revision to Position
    output : path
        The cube; it is complete and readable after every revision.
    name : str
        Name of the run in a new cube.
    asked : Asked
    display : ScoreDisplay
    anonymously : bool
        Leave out of a new cube what tells its maker (``calque.data.cube.anonymous``).

    Raises
    ------
    UserError
        When ``output`` is of another model or other settings or cannot be written, another process writes to it, or no
        revision at all could be probed. What was probed is kept.
    """
    output = Path(output)
    with locked(output.with_name(f".{output.name}.lock"), f"probing into {output}", wait=0):
        probing = Probing(
            source, subject, LastLoaded(subject), list(positions), output, name, asked, display, anonymously
        )
        for count, (revision, position) in enumerate(positions.items(), 1):
            display.done(revision, probing.attempt(revision, position), count)
    probed = probing.probed
    nothing = len(probed.failed) == len(positions) or not any(probed.file.rows.values())
    if probed.failed and nothing:
        revision, why = next(iter(probed.failed.items()))
        others = f" (and none of {len(probed.failed) - 1} others)" if len(probed.failed) > 1 else ""
        raise UserError(f"'{brief(revision, 40)}'{others} was not probed: {why}")
    return probed


class Probing:
    """Probes revisions one by one; the file of the cube is locked meanwhile.

    Parameters
    ----------
    source : RevisionSource
        Where the revisions are.
    subject : ScoredModel
        Knows the words whose tokens are used, and what identifies the scores.
    models : LastLoaded
        Loads the revisions.
    revisions : sequence of str
        All that will be probed, in the order of training.
    output : path
        The cube.
    name : str
        Name of the run in a new cube.
    asked : Asked
    display : ScoreDisplay
    anonymously : bool
        Leave out of a new cube what tells its maker.

    Attributes
    ----------
    probed : ProbeResult

    Raises
    ------
    UserError
        When ``output`` is of another model or other settings, or there are too few checkpoints to compare.
    """

    def __init__(
        self, source: RevisionSource, subject: ScoredModel, models: LastLoaded, revisions: Sequence[str],
        output: str | os.PathLike[str], name: str, asked: Asked, display: ScoreDisplay, anonymously: bool,
    ) -> None:  # fmt: skip
        self.source, self.subject, self.models, self.display = source, subject, models, display
        self.name, self.asked, self.anonymously = name, asked, anonymously
        self.probed = ProbeResult(file=ProbeFile(output, asked.attributes(subject.identity)))
        self.across = Ablating(source, subject, self.probed.file, asked.probes, asked.ablations, revisions)

    def attempt(self, revision: str, position: Position) -> str:
        """Probe a ``revision`` at its ``position``, or record why not; return a phrase that says what was done."""

        def opened() -> str:
            self.display.doing(revision, self.source.opening)
            with self.source.fetched(revision) as folder:
                return self._one(revision, position, folder)

        return attempted(opened, revision, self.probed.failed, "not probed")

    def lacks(self, revision: str) -> bool:
        """Return whether a ``revision`` has not all that is asked of it."""
        return bool(self._alone(revision) or self._due(revision))

    def after_scoring(self, revision: str, position: Position, folder: Path) -> str:
        """Probe a ``revision`` at its ``position``, scored from ``folder`` into the same file, as ``attempt`` does."""

        def reread() -> str:
            self.probed.file.load()
            return self._one(revision, position, folder)

        return attempted(reread, revision, self.probed.failed, "not probed")

    def _alone(self, revision: str) -> list[str]:
        """Return the probes of one model that a ``revision`` lacks."""
        there = self.probed.file.probed(revision)
        return [name for name in self.asked.probes if name not in ACROSS and name not in there]

    def _due(self, revision: str) -> tuple[str, ...]:
        """Return the probes that compare checkpoints and that a ``revision`` lacks."""
        return self.across.due(revision) if self.across.probes else ()

    def _one(self, revision: str, position: Position, folder: Path) -> str:
        """Probe one revision unless its weights have been; return a phrase that says what was done."""
        file = self.probed.file
        if file.root is None and isinstance(self.source, TrainedRunSource):
            file.begin(*self._own())
        sha256 = self.models.fingerprint(revision, folder).sha256
        file.check({revision: sha256})
        for rows in file.rows.values():
            if revision in rows and rows[revision].sha256 != sha256:
                del rows[revision]
        alone, due, phrase = self._alone(revision), self._due(revision), "probed before"
        for group in PROBES:
            of = of_group(group, alone)
            twin = next(
                (n for n, r in file.rows[group].items() if r.sha256 == sha256 and set(of) <= done(r.scores)), ""
            )
            if of and twin:
                scores = file.rows[group][twin].scores[[v for v in file.rows[group][twin].scores
                                                        if not str(v).startswith(ACROSS)]]  # fmt: skip
                self._put(group, revision, sha256, scores, float("nan"), position)
                alone, phrase = [name for name in alone if name not in of], f"has the weights of {twin}"
        if not alone and not due:
            return phrase
        began = time.monotonic()
        scorer = self.subject.scorer(revision, folder)
        context = self._context(folder)
        sets = tokens_of_words(scorer.words.task, scorer.words.encoding)
        self.display.doing(revision, "loading")
        model = self.models.load(revision, folder)
        parts = model_parts(model)
        if file.root is None:
            file.begin(self._known(), {})
        if alone:
            self.display.doing(revision, f"probing {', '.join(alone)}")
        for group, found in probe_model(parts, sets, self.asked, alone, words=scorer.words, context=context).items():
            self._put(group, revision, sha256, found, time.monotonic() - began, position)
        if due:
            self.across.run(
                revision, model, parts, scorer,
                lambda row: self._put(ABLATIONS, revision, sha256, row, time.monotonic() - began, position),
                lambda what: self.display.doing(revision, what),
            )  # fmt: skip
        return f"probed in {time.monotonic() - began:.1f} s"

    def _put(
        self, group: str, revision: str, sha256: str, scores: xr.Dataset, seconds: float, position: Position
    ) -> None:
        """Add scores to the row of a revision, in place of what they compute anew."""
        row = self.probed.file.rows[group].get(revision)
        if row is not None:
            kept = row.scores.drop_vars([name for name in scores.data_vars if name in row.scores])
            scores = xr.merge([kept, scores], combine_attrs="no_conflicts")
        self.probed.file.put(group, revision, ProbedRow(sha256=sha256, scores=scores, seconds=seconds), position)

    def _context(self, folder: Path) -> int | None:
        """Return the tokens that the model takes, where it says so; refuse prompts that are longer."""
        run = isinstance(self.subject, TrainedRunModel)
        most = self.subject.config.training.context if run else positions_of(read_config(folder))  # type: ignore[attr-defined]
        need = 2 * self.asked.heads.half + 1
        if most is not None and need > most:
            raise UserError(
                f"prompts have {need} tokens and the model takes {most}; lower `length` to {(most - 1) // 2}"
            )
        return most

    def _own(self) -> tuple[xr.Dataset, dict[str, xr.Dataset]]:
        """Return all that the cube of a run of ours holds."""
        assert isinstance(self.source, TrainedRunSource)
        path = self.source.run.folder / "run.nc"
        root = with_revisions(cube.read(path), str(path))
        return (anonymous(root) if self.anonymously else root), cube.read_groups(path)

    def _known(self) -> xr.Dataset:
        """Return what is known of the model, for a new cube."""
        static = self.subject.static(self.name)
        coords = {name: coord for name, coord in static.coords.items() if coord.dims == ("run",)}
        root = xr.Dataset(coords=coords, attrs=static.attrs)
        return anonymous(root) if self.anonymously else root
