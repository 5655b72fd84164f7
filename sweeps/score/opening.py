"""What a person gives ``sweeps score``, as the objects that score: positions, questions, the model."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from calque.data.cube import read
from calque.data.errors import UserError
from calque.data.quantities import parse_count
from calque.models.scoring.selection import TASKS, Selection, logged
from calque.sweeps.score.positions import PatternPositions, Positions, TablePositions, TableThenPattern
from calque.sweeps.score.questions import Questions
from calque.sweeps.score.scored_model import HuggingFaceModel, ScoredModel
from calque.sweeps.score.sources import RevisionSource
from calque.sweeps.score.trained_run import TrainedRunModel, TrainedRunSource

DTYPES = ("auto", "float32", "bfloat16", "float16")


def open_positions(
    pattern: str | None, tokens_per_step: float | str | None, table: str | os.PathLike[str] | None
) -> Positions | None:
    """Return how revisions are placed: by a table, by their names, by the table before their names; None: not told.

    Parameters
    ----------
    pattern : str, optional
        How a name gives its position.
    tokens_per_step : number or str, optional
        Tokens of an optimizer step.
    table : path, optional
        CSV file of positions.

    Raises
    ------
    UserError
        When one of them is impossible, or tokens of a step are told without a pattern.
    """
    per_step = count(tokens_per_step, "tokens_per_step")
    if pattern is None and per_step is not None:
        raise UserError("`tokens_per_step` needs `pattern`, such as 'step{step}'")
    named = None if pattern is None else PatternPositions(pattern, per_step)
    told = None if table is None else TablePositions(table)
    return TableThenPattern(told, named) if told is not None and named is not None else told or named


def open_selection(
    tasks: str | Sequence[str] | None, limit: int | None, sample_seed: int, log_answers: int | str | None
) -> tuple[Selection, Selection | None]:
    """Return what is asked, and which answers are logged; None: none.

    Parameters
    ----------
    tasks : str or sequence of str, optional
        Tasks, in a text with commas between; all when None.
    limit : int, optional
        Most items of a task.
    sample_seed : int
        Chooses the items.
    log_answers : int or str, optional
        Answers of a task that are logged, or ``all``.

    Raises
    ------
    UserError
        When one of them is impossible.
    """
    given = tasks.split(",") if isinstance(tasks, str) else TASKS if tasks is None else tasks
    named = [task.strip() for task in given if task.strip()]
    most = None if limit is None else count(limit, "limit")
    chosen = Selection(tasks=tuple(dict.fromkeys(named)), limit=most, seed=sample_seed)
    return chosen, logged(log_answers, sample_seed)


def count(given: float | str | None, parameter: str) -> int | None:
    """Return a count such as ``2M`` as a number; ``given`` is of the ``parameter``.

    Raises
    ------
    UserError
        When it is no count.
    """
    try:
        return None if given is None else int(parse_count(str(given) if isinstance(given, str) else f"{given:.15g}"))
    except ValueError as error:
        raise UserError(f"`{parameter}`: {error}") from None


def open_subject(
    source: RevisionSource, changes: dict[str, Any], *, languages: str | Sequence[str] | None, heldout: str | None,
    tokenizer: str | os.PathLike[str] | None, output: str | os.PathLike[str], device: str, dtype: str,
    selection: Selection, log: Selection | None,
) -> ScoredModel:  # fmt: skip
    """Return the model whose revisions are scored, with its questions.

    Parameters
    ----------
    source : RevisionSource
        Where its revisions are.
    changes : dict
        Settings of the questions by name, where they are not the defaults.
    languages, heldout : optional
        Further settings of the questions to models that Calque did not train.
    tokenizer : path, optional
        Folder with the tokenizer of all revisions.
    output : path
        The cube, whose tokenizer has to be the same where it exists.
    device, dtype : str
        Where and in which precision the model computes.
    selection : Selection
        Which tasks and items are asked.
    log : Selection, optional
        Of the answers that are logged.

    Raises
    ------
    UserError
        When a setting is impossible.
    """
    output = Path(output)
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
        return TrainedRunModel(source, changes, place, selection, log)
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
        source.name, Questions(**changes, selection=selection), device=place, dtype=getattr(torch, kind),
        tokenizer=folder, tokenizer_sha256=_earlier_tokenizer(output), log=log,
    )  # fmt: skip


def _earlier_tokenizer(output: Path) -> str | None:
    if not output.exists():
        return None
    old = read(output)
    return str(old["tokenizer_sha256"].values[0]) if "tokenizer_sha256" in old.coords else None
