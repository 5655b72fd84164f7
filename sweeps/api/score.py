"""Existing checkpoints into a cube: the function behind ``sweeps score``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import xarray as xr

from calque.data.arguments import checked
from calque.data.cube import read
from calque.data.errors import UserError
from calque.data.quantities import plural
from calque.data.result import Result, Rows, check_backend
from calque.models.config.probes import checked_probes
from calque.models.probing.asked import Asked
from calque.sweeps.api.probed import ProbedCheckpoints
from calque.sweeps.probe.opening import open_probed
from calque.sweeps.probe.probing import Probing
from calque.sweeps.score.display import ScoreDisplay
from calque.sweeps.score.notes import left_out_note
from calque.sweeps.score.opening import count, open_positions, open_selection, open_subject
from calque.sweeps.score.plan import ScoringPlan, plan_scoring
from calque.sweeps.score.positions import place_revisions
from calque.sweeps.score.scored_model import LastLoaded
from calque.sweeps.score.scoring import ScoreResult
from calque.sweeps.score.scoring import score as score_all
from calque.sweeps.score.sources import FolderSource, choose_revisions, open_source
from calque.sweeps.score.trained_run import TrainedRunSource

if TYPE_CHECKING:
    from rich.console import RenderableType


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ScoredCheckpoints(Result):
    """Checkpoints scored into a cube.

    Attributes
    ----------
    scored : ScoreResult
        The cube's file with a row a checkpoint, and the revisions that could not be scored.
    left_out : tuple of str
        Revisions whose names tell no position in training.
    final : str, optional
        Name of the model that a Trainer leaves beside its checkpoints.
    probed : ProbedCheckpoints, optional
        What was probed in the same pass.
    """

    scored: ScoreResult
    left_out: tuple[str, ...] = ()
    final: str | None = None
    probed: ProbedCheckpoints | None = None

    @property
    def failed(self) -> dict[str, str]:
        """Revisions that could not be scored or probed, and why."""
        return {**({} if self.probed is None else self.probed.failed), **self.scored.failed}

    @cached_property
    def cube(self) -> xr.Dataset:
        """The cube, read from its file."""
        return read(self.scored.file.path)

    def to_dict(self) -> dict[str, Any]:
        """Return what ``sweeps score --json`` writes."""
        return self.scored.to_dict() | ({} if self.probed is None else {"probed": self.probed.to_dict()})

    def tables(self) -> dict[str, Rows]:
        """Return ``checkpoints``, a row each, ``failed``, and the tables of what was probed but these two."""
        found = self.to_dict()
        rows = [
            {**{k: v for k, v in row.items() if k not in ("flags", "seconds")}, "flags": " ".join(row["flags"]),
             **row["seconds"]}
            for row in found["checkpoints"]
        ]  # fmt: skip
        own = {"checkpoints": Rows(rows, ("revision",)), "failed": Rows(found["failed"], ("revision",))}
        return own | ({} if self.probed is None else {k: v for k, v in self.probed.tables().items() if k not in own})

    def doubts(self) -> list[str]:
        """Return what a person should know, a line each: what was left out, not scored, or flagged."""
        return [*left_out_note(self.left_out, self.final), *self.scored.lines()]

    def renderables(self) -> Sequence[RenderableType]:
        """Return the doubts, a line each, how many checkpoints there are, and what was probed."""
        from rich.text import Text

        whole = f"{self.scored.file.path}: {plural(len(self.scored.file.rows), 'checkpoint')}"
        lines: list[RenderableType] = [Text(line) for line in [*self.doubts(), whole]]
        return lines if self.probed is None else [*lines, *self.probed.renderables()]

    def plot(self, metric: str = "translation", *, ax: Any = None, backend: str = "matplotlib") -> Any:
        """Draw a metric over tokens.

        Parameters
        ----------
        metric : str
            A metric of the cube.
        ax : matplotlib.axes.Axes, optional
            Where to draw; a new figure when None.
        backend : {"matplotlib", "hvplot"}
            ``hvplot`` gives an interactive picture.

        Returns
        -------
        matplotlib.axes.Axes or holoviews.Overlay
        """
        check_backend(backend)
        import calque.phases.api.accessor  # noqa: F401  (registers cube.calque)

        return self.cube.calque.plot(metric, ax=ax, backend=backend)


@checked
def score(
    model: str | os.PathLike[str], *, output: str | os.PathLike[str], revisions: str | None = None,
    pattern: str | None = None, tokens_per_step: float | str | None = None,
    positions: str | os.PathLike[str] | None = None, languages: str | Sequence[str] | None = None,
    template: str | None = None, shots: int | None = None, shot_seed: int | None = None, concepts: int | None = None,
    minimal_pairs: int | None = None, heldout: str | None = None, heldout_tokens: int | str | None = None,
    tasks: str | Sequence[str] | None = None, limit: int | None = None, sample_seed: int = 0,
    log_answers: int | str | None = None, tokenizer: str | os.PathLike[str] | None = None, name: str | None = None,
    device: str = "auto", dtype: str = "auto", anonymous: bool = False, dry_run: bool = False,
    flops_per_second: float | None = None, probes: str | Sequence[str] | None = None,
) -> ScoredCheckpoints | ScoringPlan:  # fmt: skip
    """Score existing checkpoints into a cube; what it holds already is not scored again.

    Parameters
    ----------
    model : str or path
        A folder with a model or with one in each of its folders, a model's folder in the hub's cache, a run of Calque
        (``results/STUDY/runs/NAME``), or ``OWNER/NAME`` on the hub.
    output : path
        The cube to write, or to resume.
    revisions : str, optional
        Names or patterns such as ``step*``, with commas between, or ``all``.
    pattern : str, optional
        How a name gives its position: ``{step}`` or ``{tokens}`` where it stands, ``*`` for anything.
    tokens_per_step : number or str, optional
        Tokens of an optimizer step, such as ``2M``.
    positions : path, optional
        CSV file with columns revision, tokens and, where it is known, step; it goes before ``pattern``.
    languages : str or sequence of str, optional
        Codes, in a text with commas between; all nine when None.
    template : str, optional
        Wording of the questions: names, brackets, sentence or codes.
    shots, shot_seed : int, optional
        Lines shown before a question, and the seed that chooses them.
    concepts, minimal_pairs : int, optional
        Word questions about at most so many concepts, in all pairs of languages, and at most so many minimal pairs a
        language and phenomenon. Neither bounds the invented words.
    heldout : str, optional
        Text for the loss: sample, none, or a folder of text.
    heldout_tokens : int or str, optional
        Tokens of it a language.
    tasks : str or sequence of str, optional
        Some of words, nonce, minimal_pairs, loss, in a text with commas between; all when None.
    limit : int, optional
        At most so many items of each task but the loss, the same at every checkpoint.
    sample_seed : int
        Chooses these items, and those of ``log_answers``.
    log_answers : int or str, optional
        Write what the model says to so many items of each task, or to ``all``, beside the cube
        (``results.answers.parquet``, read by ``calque.data.answers.read_answers``).
    tokenizer : path, optional
        Folder with a ``tokenizer.json`` for all revisions; their own when None.
    name : str, optional
        Name of the run in the cube; the model's when None.
    device : str
        auto, cpu, cuda, cuda:1, ...
    dtype : str
        auto, float32, bfloat16 or float16; auto is float32 on a CPU, else bfloat16.
    anonymous : bool
        Leave out of the cube what tells its maker: environment, absolute paths, addresses.
    dry_run : bool
        Score nothing; return a plan: checkpoints, questions, tokens, FLOPs, time.
    flops_per_second : float, optional
        Rate of the device, for the time of the plan where no checkpoint has been scored.
    probes : str or sequence of str, optional
        Probes of each checkpoint while its model is loaded, as ``calque.probe`` names them and with its defaults, into
        the same cube; None probes nothing. ``calque.probe`` on the cube goes on with what is there.

    Returns
    -------
    ScoredCheckpoints or ScoringPlan
        ``failed`` of the first names the revisions that could not be scored or probed.

    Raises
    ------
    UserError
        When no revision has a position or could be scored, the output is of another model or other questions, or an
        argument makes no sense.
    """
    given = {
        "template": template, "shots": shots, "shot_seed": shot_seed, "concepts": concepts,
        "minimal_pairs": minimal_pairs, "heldout_tokens": count(heldout_tokens, "heldout_tokens"),
    }  # fmt: skip
    changes = {key: value for key, value in given.items() if value is not None}
    chosen = () if probes is None else checked_probes(probes)
    if chosen and dry_run:
        raise UserError("`dry_run` plans the scoring alone, and `probes` is given; leave out one of them")
    selection, log = open_selection(tasks, limit, sample_seed, log_answers)
    where = open_positions(pattern, tokens_per_step, positions)
    source = open_source(model)
    names, named = choose_revisions(source, revisions)
    if isinstance(source, TrainedRunSource):
        own = {"pattern": pattern, "positions": positions, "languages": languages, "heldout": heldout,
               "tokenizer": tokenizer}  # fmt: skip
        for parameter, value in own.items():
            if value is not None:
                raise UserError(f"'{model}' is a run of Calque, which records its own; leave out `{parameter}`")
        where = source
    order, left_out = place_revisions(names, where, named)
    subject = open_subject(
        source, changes, languages=languages, heldout=heldout, tokenizer=tokenizer, output=Path(output), device=device,
        dtype=dtype, selection=selection, log=log,
    )  # fmt: skip
    if dry_run:
        return plan_scoring(
            source, subject, order, Path(output), name or source.name, flops_per_second=flops_per_second,
            left_out=left_out,
        )  # fmt: skip
    probing: Probing | None = None
    with ScoreDisplay(len(order)) as display:
        if chosen:
            words = open_probed(
                source, languages=languages, tokenizer=tokenizer, output=output, device=device, dtype=dtype
            )
            probing = Probing(
                source, words, LastLoaded(subject), list(order), output, name or source.name, Asked(probes=chosen),
                display, anonymous,
            )  # fmt: skip
        scored = score_all(source, subject, order, output, name or source.name, display, anonymous, probing)
    final = source.final if isinstance(source, FolderSource) else None
    probed = None if probing is None else ProbedCheckpoints(probed=probing.probed, probes=chosen)
    return ScoredCheckpoints(scored=scored, left_out=tuple(left_out), final=final, probed=probed)
