"""Training positions of revisions: read from their names by a pattern, or from a table."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from calque.data.errors import UserError
from calque.data.quantities import parse_count
from calque.sweeps.score.one_training import check_one_training

FIELDS = {"step": r"(?P<step>[0-9]+)", "tokens": r"(?P<tokens>[0-9]+(?:\.[0-9]+)?[kKmMbBtT]?)"}
HOW = (
    "give `pattern` 'step{step}' and `tokens_per_step` 2M, or `pattern` '*-tokens{tokens}', as its name has them, or "
    "`positions`, a CSV file with columns revision,tokens"
)


@dataclass(frozen=True, kw_only=True, order=True)
class Position:
    """A position in training: tokens, and optimizer steps where they are known."""

    tokens: int
    step: int | None = None


class Positions(Protocol):
    """Finds the training position of a revision by its name."""

    def of(self, revision: str) -> Position | None:
        """Return the position of ``revision``, or None when it is unknown."""
        ...

    def rest(self, revision: str) -> str:
        """Return what the name of ``revision`` says besides its position; empty where the name does not give it."""
        ...


class PatternPositions:
    """Positions in names such as ``step3000`` or ``stage1-step1000-tokens4B``.

    Parameters
    ----------
    pattern : str
        The whole name, with ``{step}`` or ``{tokens}`` or both in their place, and ``*`` for anything.
    tokens_per_step : int, optional
        Tokens of an optimizer step. It is used instead of ``{tokens}``, which names often round.

    Raises
    ------
    UserError
        When the pattern has neither, or ``{step}`` alone without ``tokens_per_step``.
    """

    def __init__(self, pattern: str, tokens_per_step: int | None = None) -> None:
        parts = re.split(r"(\{[^}]*\}|\*)", pattern)
        fields = [part[1:-1] for part in parts if part.startswith("{")]
        unknown = [field for field in fields if field not in FIELDS]
        if unknown or not fields or len(set(fields)) < len(fields):
            raise UserError(
                f"`pattern` is '{pattern}'; expected {{step}} or {{tokens}} in it, each once, and * for the rest"
            )
        if tokens_per_step is not None and tokens_per_step < 1:
            raise UserError(f"`tokens_per_step` is {tokens_per_step}; expected 1 or more")
        if fields == ["step"] and tokens_per_step is None:
            raise UserError(f"`pattern` '{pattern}' tells steps; give the tokens of a step: `tokens_per_step` 2M")
        if "step" not in fields and tokens_per_step is not None:
            raise UserError(f"`tokens_per_step` needs {{step}} in `pattern`, which is '{pattern}'")
        texts = (FIELDS[p[1:-1]] if p.startswith("{") else ".*" if p == "*" else re.escape(p) for p in parts)
        self.expression = re.compile("".join(texts))
        self.tokens_per_step = tokens_per_step

    def of(self, revision: str) -> Position | None:
        """Return the position in the name of ``revision``; None when it does not match the pattern."""
        match = self.expression.fullmatch(revision)
        if match is None:
            return None
        found = match.groupdict()
        step = None if found.get("step") is None else int(found["step"])
        if step is not None and self.tokens_per_step is not None:
            return Position(tokens=step * self.tokens_per_step, step=step)
        return Position(tokens=round(float(parse_count(found["tokens"]))), step=step)

    def rest(self, revision: str) -> str:
        """Return the name of ``revision`` without the part that gives its position."""
        match = self.expression.fullmatch(revision)
        assert match is not None, "only names with a position are taken apart"
        start, end = match.span("tokens" if self.tokens_per_step is None else "step")
        return f"{revision[:start]} {revision[end:]}"


class TableThenPattern:
    """Positions in a ``table``, and by a ``pattern`` for the revisions that it does not have."""

    def __init__(self, table: TablePositions, pattern: PatternPositions) -> None:
        self.table, self.pattern = table, pattern

    def of(self, revision: str) -> Position | None:
        """Return the position of ``revision`` in the table, or else in its name; None when neither has one."""
        return self.table.of(revision) or self.pattern.of(revision)

    def rest(self, revision: str) -> str:
        """Return the name of ``revision`` without the part that gives its position; empty where the table does."""
        return "" if self.table.of(revision) else self.pattern.rest(revision)


class TablePositions:
    """Positions in a CSV file with the columns ``revision``, ``tokens`` and, where it is known, ``step``.

    Parameters
    ----------
    path : path

    Raises
    ------
    UserError
        When the file is not of this form; the line is named.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        path = Path(path)
        self.found: dict[str, Position] = {}
        try:
            rows = list(csv.DictReader(path.read_text(encoding="utf-8-sig").splitlines()))
        except FileNotFoundError:
            raise UserError(f"`positions`: there is no file {path}") from None
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise UserError(f"`positions`: {path} cannot be read as CSV ({error})") from None
        for line, row in enumerate(rows, 2):
            if "revision" not in row or "tokens" not in row:
                raise UserError(f"{path}: its columns are {', '.join(map(str, row))}; expected revision,tokens")
            if row["revision"] in self.found:
                raise UserError(f"{path}:{line}: revision '{row['revision']}' comes twice; leave one out")
            self.found[row["revision"]] = Position(
                tokens=_count(row["tokens"], f"{path}:{line}: tokens"),
                step=_count(row["step"], f"{path}:{line}: step") if row.get("step") else None,
            )

    def of(self, revision: str) -> Position | None:
        """Return the position of ``revision`` in the table; None when it is not there."""
        return self.found.get(revision)

    def rest(self, revision: str) -> str:
        """Return nothing: the table gives the position of ``revision``, whatever its name says."""
        return ""


def _count(text: str | None, where: str) -> int:
    try:
        return int(parse_count(text or ""))
    except (ValueError, TypeError):
        raise UserError(f"{where} is '{text}'; expected a count such as 2B or 2000000000") from None


def place_revisions(
    revisions: Sequence[str], positions: Positions | None, named: bool
) -> tuple[dict[str, Position], list[str]]:
    """Return the positions of revisions in the order of training, and the revisions without one.

    Parameters
    ----------
    revisions : sequence of str
    positions : Positions, optional
    named : bool
        Whether the user named the revisions one by one; each must have a position then.

    Raises
    ------
    UserError
        When there are no positions, a named revision has none, two revisions have the same, or their names tell of
        several trainings.
    """
    if positions is None:
        raise UserError(f"nothing tells how many training tokens '{revisions[0]}' has seen: {HOW}")
    found = {revision: positions.of(revision) for revision in revisions}
    left_out = [revision for revision, position in found.items() if position is None]
    if left_out and (named or len(left_out) == len(revisions)):
        raise UserError(f"nothing tells how many training tokens '{left_out[0]}' has seen: {HOW}")
    known = {revision: position for revision, position in found.items() if position is not None}
    order = sorted(known, key=lambda revision: (known[revision].tokens, revision))
    by_name = [revision for revision in order if positions.rest(revision)]
    check_one_training(by_name, {revision: positions.rest(revision) for revision in by_name})
    for one, other in zip(order, order[1:], strict=False):
        if known[one].tokens == known[other].tokens:
            raise UserError(
                f"revisions '{one}' and '{other}' are both at {known[one].tokens} tokens; name those to score with "
                "`revisions`, or tell them apart with `positions`"
            )
    return {revision: known[revision] for revision in order}, left_out
