"""What a scoring will ask and cost, before it starts."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from calque.data.errors import UserError
from calque.data.quantities import format_count, format_duration, plural
from calque.data.result import Result, Rows
from calque.sweeps.score.display import PARTS
from calque.sweeps.score.file import ScoreFile
from calque.sweeps.score.notes import NAMES
from calque.sweeps.score.positions import Position
from calque.sweeps.score.scored_model import ScoredModel
from calque.sweeps.score.scoring import run_id
from calque.sweeps.score.sources import RevisionSource

if TYPE_CHECKING:
    from rich.console import RenderableType

MEASURED, STATED, UNKNOWN = "measured", "stated", "unknown"


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ScoringPlan(Result):
    """What a scoring will ask and cost.

    Attributes
    ----------
    cube : str
        The file that would be written.
    checkpoints, to_score : int
        All that have a position, and those without a row in the cube. Among these, some may have the same weights:
        they are scored once.
    questions : dict of str to list of int
        By task: items asked, and how many there are; of the loss, tokens of text.
    tokens : dict of str to int
        Most tokens read at a checkpoint, by part.
    n_params : int
        Of the first checkpoint, embeddings left out, the output projection included.
    flops : float
        Of one checkpoint, at most.
    seconds : float, optional
        Of one checkpoint; None where it is not known.
    basis : str
        Where the seconds are from: ``measured`` (checkpoints in the cube), ``stated`` (FLOP/s), or ``unknown``.
    left_out : tuple of str
        Revisions whose names tell no position in training.
    """

    cube: str
    checkpoints: int
    to_score: int
    questions: dict[str, list[int]]
    tokens: dict[str, int]
    n_params: int
    flops: float
    seconds: float | None
    basis: str
    left_out: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return what ``sweeps score --dry-run --json`` writes."""
        whole = None if self.seconds is None else self.seconds * self.to_score
        return {"schema": 1, **asdict(self), "left_out": list(self.left_out), "total_flops": self.flops * self.to_score,
                "total_seconds": whole}  # fmt: skip

    def tables(self) -> dict[str, Rows]:
        """Return ``questions``, a row a task."""
        rows = [{"task": task, "asked": asked, "there_are": there} for task, (asked, there) in self.questions.items()]
        return {"questions": Rows(rows, ("task",))}

    def renderables(self) -> Sequence[RenderableType]:
        """Return the plan in lines."""
        from rich.text import Text

        asked = [f"{n} of {there} {NAMES[task]}" for task, (n, there) in self.questions.items() if task != "loss"]
        read = [f"{format_count(n)} in {PARTS[part]}" for part, n in self.tokens.items()]
        lines = [
            f"{self.cube}: {self.to_score} of {plural(self.checkpoints, 'checkpoint')} to score",
            f"questions a checkpoint: {', '.join(asked)}; loss on {format_count(self.questions['loss'][0])} tokens",
            f"tokens a checkpoint, at most: {', '.join(read)}",
            f"FLOPs: at most {self.flops:.2g} a checkpoint ({format_count(self.n_params)} parameters), "
            f"{self.flops * self.to_score:.2g} in all",
            self._time(),
        ]
        if self.left_out:
            lines.append(f"left out, since their names give no position: {', '.join(self.left_out[:4])}")
        return [Text(line) for line in lines]

    def _time(self) -> str:
        if self.seconds is None:
            return (
                "time: not known before a checkpoint is scored; score one with `revisions`, or state `flops_per_second`"
            )
        how = "as the checkpoints scored so far" if self.basis == MEASURED else "at the stated FLOP/s, without loading"
        whole = format_duration(self.seconds * self.to_score)
        return f"time: {format_duration(self.seconds)} a checkpoint, {how}; {whole} in all"

    def plot(self, *, ax: Any = None, backend: str = "matplotlib") -> Any:
        """Draw the tokens of each part as bars on ``ax``; ``backend`` is matplotlib alone.

        Returns
        -------
        matplotlib.axes.Axes

        Raises
        ------
        UserError
            For another backend.
        """
        if backend != "matplotlib":
            raise UserError(f"`backend` is '{backend}'; expected matplotlib")
        import matplotlib.pyplot as plt

        axes = plt.subplots()[1] if ax is None else ax
        axes.bar([PARTS[part] for part in self.tokens], list(self.tokens.values()))
        axes.set_ylabel("tokens a checkpoint, at most")
        return axes


def plan_scoring(
    source: RevisionSource, subject: ScoredModel, positions: Mapping[str, Position], output: str | os.PathLike[str],
    name: str, *, flops_per_second: float | None = None, left_out: Sequence[str] = (),
) -> ScoringPlan:  # fmt: skip
    """Return what scoring revisions will ask and cost; no weights are read or fetched.

    Parameters
    ----------
    source : RevisionSource
    subject : ScoredModel
    positions : mapping of revision to Position
    output : path
        The cube; checkpoints in it are not scored again, and their seconds are taken for the others.
    name : str
        Name of the run in the cube.
    flops_per_second : float, optional
        Rate that the device reaches, where nothing has been measured.
    left_out : sequence of str
        Revisions without a position.

    Raises
    ------
    UserError
        When the rate is impossible, the output is of another model or other questions, or the first revision has no
        usable tokenizer or configuration.
    """
    output = Path(output)
    if flops_per_second is not None and not flops_per_second > 0:
        raise UserError(f"`flops_per_second` is {flops_per_second:g}; expected a rate such as 5e13")
    file = ScoreFile(output, run_id(subject, name))
    first = next(iter(positions))
    with source.described(first) as folder:
        scorer = subject.scorer(first, folder)
        inner, head = subject.parameters(folder)
    reads = scorer.reads()
    flops = 2.0 * sum(inner * tokens + head * logits for tokens, logits in reads.values())
    measured = [sum(row.seconds.values()) for row in file.rows.values()]
    measured = [seconds for seconds in measured if seconds == seconds]
    seconds, basis = (median(measured), MEASURED) if measured else (None, UNKNOWN)
    if flops_per_second is not None:
        seconds, basis = flops / flops_per_second, STATED
    return ScoringPlan(
        cube=str(output), checkpoints=len(positions), to_score=sum(one not in file.rows for one in positions),
        questions={task: list(counts) for task, counts in scorer.counts().items()},
        tokens={part: tokens for part, (tokens, _) in reads.items()}, n_params=inner + head, flops=flops,
        seconds=seconds, basis=basis, left_out=tuple(left_out),
    )  # fmt: skip
