"""A study file to start from: the function behind ``sweeps init``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calque.data.arguments import checked
from calque.data.errors import UserError, file_error
from calque.data.files import named_file, write_atomically
from calque.data.quantities import parse_count, plural
from calque.data.result import Result, Rows
from calque.sweeps.study.schema import FILE_NAME, schema_text
from calque.sweeps.study.study import Study, read_study
from calque.sweeps.study.template import Outline, study_text

if TYPE_CHECKING:
    from rich.console import RenderableType


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class NewStudy(Result):
    """A study file that was written.

    Attributes
    ----------
    study : Study
        As it is read.
    schema : Path
        The JSON Schema beside it, for editors.
    """

    study: Study
    schema: Path

    def to_dict(self) -> dict[str, Any]:
        """Return what ``sweeps init --json`` writes."""
        runs = [
            {"run": run.name, "size": run.size, "corpus": run.corpus, "mix": run.mix, "seed": run.init_seed,
             "tokens": run.training.tokens}
            for run in self.study.runs
        ]  # fmt: skip
        return {"schema": 1, "study": str(self.study.path), "json_schema": str(self.schema), "runs": runs}

    def tables(self) -> dict[str, Rows]:
        """Return ``runs``, a row each."""
        return {"runs": Rows(self.to_dict()["runs"], ("run",))}

    def renderables(self) -> Sequence[RenderableType]:
        """Return what was written, and the next command."""
        from rich.text import Text

        path = self.study.path
        wrote = f"wrote {path}, of {plural(len(self.study.runs), 'run')}, and {self.schema.name} beside it, for editors"
        return [Text(wrote), Text(f"next: sweeps plan {path}")]

    def plot(self, cost: str = "hours", *, ax: Any = None, backend: str = "matplotlib") -> Any:
        """Draw one cost of every run as bars, as the plan of the study does.

        Parameters
        ----------
        cost : str
            hours, flops, disk_bytes or another of :meth:`calque.sweeps.api.plan.StudyPlan.plot`.
        ax : matplotlib.axes.Axes, optional
            Where to draw; a new figure when None.
        backend : {"matplotlib", "hvplot"}
            ``hvplot`` gives an interactive picture.

        Returns
        -------
        matplotlib.axes.Axes or holoviews.Bars
        """
        from calque.sweeps.api.plan import plan

        return plan(self.study).plot(cost, ax=ax, backend=backend)


@checked
def init(
    name: str, *, corpus: str = "world", sizes: str | Sequence[str] | None = None,
    mixes: str | Sequence[str] | None = None, seeds: int = 3, tokens: str | int | None = None,
    folder: str | os.PathLike[str] | None = None, output: str | os.PathLike[str] | None = None,
) -> NewStudy:  # fmt: skip
    """Write a study file to start from, and the JSON Schema that editors check it with; nothing is run.

    Parameters
    ----------
    name : str
        The study's name: letters, digits, ``-``, ``_`` and ``.``.
    corpus : str
        world, sample, debian, text or hub.
    sizes : str or sequence of str, optional
        Sizes of models, such as ``"nano,micro"``; the base's one when None.
    mixes : str or sequence of str, optional
        One mix, or several in a list, such as ``["uniform", "drop:en"]``; every size is run with each.
    seeds : int
        Runs of each size and mix, with seeds from 0.
    tokens : str or int, optional
        Training tokens of a run, such as ``"300M"``; the base's when None.
    folder : path, optional
        Folder of text, for the corpus ``text``: a folder for each language.
    output : path, optional
        The file to write; ``NAME.yaml`` when None.

    Returns
    -------
    NewStudy

    Raises
    ------
    UserError
        When a value is impossible, or another file of this name is there.
    """
    outline = Outline(
        name=name,
        corpus=corpus,
        sizes=[size.strip() for size in sizes.split(",")] if isinstance(sizes, str) else list(sizes or ()),
        mixes=[mixes] if isinstance(mixes, str) else list(mixes or ()),
        seeds=seeds,
        tokens=None if tokens is None else _tokens(tokens),
        folder=None if folder is None else os.fspath(folder),
    )
    path = named_file(output if output is not None else f"{name}.yaml", "`output`")
    text = study_text(outline)
    try:
        if path.exists() and (not path.is_file() or path.read_bytes() != text.encode()):
            raise UserError(f"{path} is there already and is not what would be written; choose another `output`")
        schema = path.parent / FILE_NAME
        write_atomically(schema, schema_text().encode())
        write_atomically(path, text.encode())
        path.chmod(0o755)  # a study is a command: its first line names what runs it
    except OSError as error:
        raise file_error(error, "write", str(path)) from error
    return NewStudy(study=read_study(path), schema=schema)


def _tokens(given: str | int) -> int:
    try:
        return int(parse_count(given))
    except ValueError as error:
        raise UserError(f"`tokens`: {error}") from None
