"""Existing checkpoints into a cube: the function behind ``sweeps score``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import xarray as xr

from calque.data.cube import read
from calque.data.errors import UserError
from calque.data.quantities import parse_count
from calque.data.result import Result, Rows, check_backend
from calque.sweeps.score.display import ScoreDisplay
from calque.sweeps.score.positions import PatternPositions, TablePositions, place_revisions
from calque.sweeps.score.questions import Questions
from calque.sweeps.score.scored_model import HuggingFaceModel, ScoredModel
from calque.sweeps.score.scoring import ScoreResult
from calque.sweeps.score.scoring import score as score_all
from calque.sweeps.score.sources import RevisionSource, choose_revisions, open_source
from calque.sweeps.score.trained_run import TrainedRunModel, TrainedRunSource

if TYPE_CHECKING:
    from rich.console import RenderableType

DTYPES = ("auto", "float32", "bfloat16", "float16")


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ScoredCheckpoints(Result):
    """Checkpoints scored into a cube.

    Attributes
    ----------
    scored : ScoreResult
        The cube's file with a row a checkpoint, and the revisions that could not be scored.
    left_out : tuple of str
        Revisions whose names tell no position in training.
    """

    scored: ScoreResult
    left_out: tuple[str, ...] = ()

    @property
    def failed(self) -> dict[str, str]:
        """Revisions that could not be scored, and why."""
        return self.scored.failed

    @cached_property
    def cube(self) -> xr.Dataset:
        """The cube, read from its file."""
        return read(self.scored.file.path)

    def to_dict(self) -> dict[str, Any]:
        """Return what ``sweeps score --json`` writes."""
        return self.scored.to_dict()

    def tables(self) -> dict[str, Rows]:
        """Return ``checkpoints``, a row each, and ``failed``."""
        found = self.to_dict()
        rows = [
            {**{k: v for k, v in row.items() if k not in ("flags", "seconds")}, "flags": " ".join(row["flags"]),
             **row["seconds"]}
            for row in found["checkpoints"]
        ]  # fmt: skip
        return {"checkpoints": Rows(rows, ("revision",)), "failed": Rows(found["failed"], ("revision",))}

    def doubts(self) -> list[str]:
        """Return what a person should know, a line each: what was left out, not scored, or flagged."""
        lines = list(self.scored.lines())
        if self.left_out:
            shown = ", ".join(self.left_out[:4]) + (", ..." if len(self.left_out) > 4 else "")
            lines.insert(0, f"left out, since their names give no position: {shown}")
        return lines

    def renderables(self) -> Sequence[RenderableType]:
        """Return the doubts, a line each, and how many checkpoints there are."""
        from rich.text import Text

        count = f"{self.scored.file.path}: {len(self.scored.file.rows)} checkpoints"
        return [Text(line) for line in [*self.doubts(), count]]

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


def score(
    model: str | os.PathLike[str], *, output: str | os.PathLike[str], revisions: str | None = None,
    pattern: str | None = None, tokens_per_step: float | str | None = None,
    positions: str | os.PathLike[str] | None = None, languages: str | Sequence[str] | None = None,
    template: str | None = None, shots: int | None = None, shot_seed: int | None = None, concepts: int | None = None,
    minimal_pairs: int | None = None, heldout: str | None = None, heldout_tokens: int | str | None = None,
    tokenizer: str | os.PathLike[str] | None = None, name: str | None = None, device: str = "auto",
    dtype: str = "auto",
    anonymous: bool = False,
) -> ScoredCheckpoints:  # fmt: skip
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
        CSV file with columns revision, tokens and, where it is known, step.
    languages : str or sequence of str, optional
        Codes, in a text with commas between; all nine when None.
    template : str, optional
        Wording of the questions: names, brackets or sentence.
    shots, shot_seed : int, optional
        Lines shown before a question, and the seed that chooses them.
    concepts, minimal_pairs : int, optional
        At most so many concepts, and pairs a language and phenomenon.
    heldout : str, optional
        Text for the loss: sample, none, or a folder of text.
    heldout_tokens : int or str, optional
        Tokens of it a language.
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

    Returns
    -------
    ScoredCheckpoints
        Its ``failed`` names the revisions that could not be scored.

    Raises
    ------
    UserError
        When no revision has a position, the output is of another model or other questions, or an argument makes no
        sense.
    """
    given = {
        "template": template, "shots": shots, "shot_seed": shot_seed, "concepts": concepts,
        "minimal_pairs": minimal_pairs, "heldout_tokens": _count(heldout_tokens, "heldout_tokens"),
    }  # fmt: skip
    changes = {key: value for key, value in given.items() if value is not None}
    where = _positions(pattern, _count(tokens_per_step, "tokens_per_step"), positions)
    source = open_source(str(model))
    names, named = choose_revisions(source, revisions)
    if isinstance(source, TrainedRunSource):
        own = {"pattern": pattern, "positions": positions, "languages": languages, "heldout": heldout,
               "tokenizer": tokenizer}  # fmt: skip
        for parameter, value in own.items():
            if value is not None:
                raise UserError(f"'{model}' is a run of Calque, which records its own; leave out `{parameter}`")
        where = source
    order, left_out = place_revisions(names, where, named)
    subject = _subject(source, changes, languages, heldout, tokenizer, Path(output), device, dtype)
    with ScoreDisplay(len(order)) as display:
        scored = score_all(source, subject, order, Path(output), name or source.name, display, anonymous)
    return ScoredCheckpoints(scored=scored, left_out=tuple(left_out))


def _positions(pattern: str | None, tokens_per_step: int | None, table: str | os.PathLike[str] | None) -> Any:
    if table is not None:
        if pattern is not None or tokens_per_step is not None:
            raise UserError("`positions` gives where revisions stand; leave out `pattern` and `tokens_per_step`")
        return TablePositions(Path(table))
    if pattern is None and tokens_per_step is not None:
        raise UserError("`tokens_per_step` needs `pattern`, such as 'step{step}'")
    return None if pattern is None else PatternPositions(pattern, tokens_per_step)


def _count(given: float | str | None, parameter: str) -> int | None:
    try:
        return None if given is None else int(parse_count(str(given) if isinstance(given, str) else f"{given:.15g}"))
    except ValueError as error:
        raise UserError(f"`{parameter}`: {error}") from None


def _subject(
    source: RevisionSource, changes: dict[str, Any], languages: str | Sequence[str] | None, heldout: str | None,
    tokenizer: str | os.PathLike[str] | None, output: Path, device: str, dtype: str,
) -> ScoredModel:  # fmt: skip
    place = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
    try:
        torch.empty(1, device=place)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(
            f"`device` is '{device}', which is not available ({reason}); expected auto, cpu or cuda"
        ) from None
    if dtype not in DTYPES:
        raise UserError(f"`dtype` is '{dtype}'; expected one of {', '.join(DTYPES)}")
    if isinstance(source, TrainedRunSource):
        if dtype not in ("auto", "float32"):
            raise UserError(
                f"'{source.name}' is a run of Calque, scored in float32 as it was trained; leave out `dtype`"
            )
        return TrainedRunModel(source, changes, place)
    if languages is not None:
        codes = languages.split(",") if isinstance(languages, str) else languages
        changes |= {"languages": tuple(code.strip() for code in codes)}
    if heldout is not None:
        changes |= {"heldout": heldout}
    kind = ("float32" if place == "cpu" else "bfloat16") if dtype == "auto" else dtype
    folder = None if tokenizer is None else Path(tokenizer)
    if folder is not None and folder.name == "tokenizer.json":
        folder = folder.parent
    return HuggingFaceModel(
        source.name, Questions(**changes), device=place, dtype=getattr(torch, kind), tokenizer=folder,
        tokenizer_sha256=_earlier_tokenizer(output),
    )  # fmt: skip


def _earlier_tokenizer(output: Path) -> str | None:
    if not output.exists():
        return None
    old = read(output)
    return str(old["tokenizer_sha256"].values[0]) if "tokenizer_sha256" in old.coords else None
