"""What a run and a position are, for all formats: every run becomes one line of positions that only rise.

The order of the rows is the order in which training went. Where positions fall, training was resumed, a counter began
again, rows of several runs stand together, or the order means nothing. Only who made the log knows: rows are sorted,
or replaced by later ones, where the log or the caller says so, always with a note; otherwise they are refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from calque.data.errors import UserError
from calque.data.quantities import plural
from calque.phases.formats.base import Array, Log, Request, brief
from calque.phases.formats.files import natural

NUMBERED = re.compile(
    r"(?P<stem>.*?)[/_\-. ]*(?:version|part|restart|resumed?|attempt|segment|job|try)?[_\-. ]?(?P<number>\d+)",
    re.IGNORECASE,
)
VERSION = re.compile(r"(?:.*/)?version_\d+")
"""What Lightning calls the folder of a start, be it of a new training or of one that goes on."""
MOST_RUNS = 10_000


def settle(log: Log, request: Request) -> Log:
    """Return a log in which the positions of every run only rise, or stay where rows are parts of one checkpoint.

    Parameters
    ----------
    log : Log
        As a reader found it.
    request : Request
        What was read; ``join`` and ``unsorted`` say what falling positions mean.

    Returns
    -------
    Log
        Rows by run, with notes on what was sorted, joined or replaced.

    Raises
    ------
    UserError
        When positions fall and nothing says why, or a counter began again.
    """
    notes = list(log.notes)
    log, part = _joined(log, notes) if request.join else (log, None)
    names = list(dict.fromkeys(log.run))
    if len(names) > MOST_RUNS:
        what = "is `run` the column that names the runs?" if request.run else "import fewer at once"
        raise UserError(f"{request.path} holds {plural(len(names), 'run')}; expected at most {MOST_RUNS}: {what}")
    if not request.join and sum(VERSION.fullmatch(str(n)) is not None for n in names) > 1:
        notes.append("each version_N is a run of its own; give `join` if one training was resumed there")
    order = rows_by_run(log.run)
    kept = [_rising(log, request, rows, notes, part) for rows in order]
    return replace(_taken(log, np.concatenate(kept)), notes=tuple(notes))


def _taken(log: Log, rows: NDArray[np.intp]) -> Log:
    return replace(
        log, run=log.run[rows], place=log.place[rows], step=None if log.step is None else log.step[rows],
        values={m: v[rows] for m, v in log.values.items()},
        trials={m: n if isinstance(n, float) else n[rows] for m, n in log.trials.items()},
        coordinates={c: v[rows] for c, v in log.coordinates.items()},
    )  # fmt: skip


def rows_by_run(run: NDArray[np.object_]) -> Iterator[NDArray[np.intp]]:
    """Yield the places of every run's rows, in the order in which the runs first stand there."""
    places: dict[str, list[int]] = {}
    for i, name in enumerate(run):
        places.setdefault(name, []).append(i)
    return (np.array(rows) for rows in places.values())


def _rising(
    log: Log, request: Request, rows: NDArray[np.intp], notes: list[str], part: NDArray[np.int_] | None
) -> NDArray[np.intp]:  # fmt: skip
    """Return the rows of one run in the order of their positions, without those that were replaced."""
    run = brief(str(log.run[rows[0]]))
    by_step = log.step is not None and bool(np.isfinite(log.step[rows]).all())
    counter = log.step if by_step and log.step is not None else log.place
    along = counter[rows]
    falls = _falls(along, None if part is None else part[rows])
    if len(falls):
        if not log.ordered or request.unsorted:
            rows = rows[np.argsort(along, kind="stable")]
        elif request.join:
            keep = _stands(along, falls)
            notes.append(
                f"run '{run}' was resumed: {plural(int((~keep).sum()), 'row')} that it went over again replaced"
            )
            rows = rows[keep]
        elif len(falls) == len(along) - 1:
            notes.append(f"run '{run}': its rows come latest first and were turned round")
            rows = rows[::-1]
        elif _sorted_as_text(along):
            notes.append(f"run '{run}': its rows are sorted as text, 10 before 2, and were sorted as numbers")
            rows = rows[np.argsort(along, kind="stable")]
        else:
            refuse_fall(request, run, float(along[falls[0] - 1]), float(along[falls[0]]), by_step)
    place = log.place[rows]
    wrong = np.flatnonzero(np.diff(place) < 0) + 1
    if len(wrong):
        i = int(wrong[0])
        raise UserError(
            f"{brief(str(request.path), 80)}: '{request.tokens}' of run '{run}' falls from {place[i - 1]:.10g} to "
            f"{place[i]:.10g} while the step rises from {counter[rows[i - 1]]:.10g} to {counter[rows[i]]:.10g}: the "
            "counter began again; use the steps with `tokens_per_step`, or mend the counter"
        )
    return rows


def _falls(along: Array, part: NDArray[np.int_] | None) -> NDArray[np.intp]:
    """Return where a position is below the one before it, or a later part of the training begins at the same one."""
    fall = np.diff(along) < 0
    if part is not None:
        fall |= (np.diff(part) != 0) & (np.diff(along) <= 0)
    return np.flatnonzero(fall) + 1


def _stands(along: Array, begins: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Return which rows stand when training was resumed at some of them: each replaces all from its position on."""
    bound = np.full(len(along) + 1, np.inf)
    bound[begins] = along[begins]
    later = np.minimum.accumulate(bound[::-1])[::-1][1:]
    kept: NDArray[np.bool_] = along < later
    return kept


def refuse_fall(
    request: Request, run: str, before: float, after: float, by_step: bool, columns: bool = True
) -> None:  # fmt: skip
    """Refuse positions that fall.

    Parameters
    ----------
    request : Request
        What was read.
    run : str
        Name of the run.
    before, after : float
        The positions between which it falls.
    by_step : bool
        Whether they are the tool's own steps.
    columns : bool
        Whether the format has columns, of which one may name the run.

    Raises
    ------
    UserError
        Always.
    """
    what = "step" if by_step or request.tokens is None else f"'{brief(request.tokens)}'"
    name = "" if request.run or not columns else "name the runs with `run` if there are several, "
    raise UserError(
        f"{brief(str(request.path), 80)}: {what} of run '{run}' falls from {before:.10g} to {after:.10g}; expected a "
        f"training in order: {name}give `join` if it was resumed there, or `unsorted` if the rows' order means nothing"
    )


def _sorted_as_text(along: Array) -> bool:
    words = [f"{v:.15g}" for v in along]
    return len(words) > 2 and words == sorted(words)


def _joined(log: Log, notes: list[str]) -> tuple[Log, NDArray[np.int_]]:
    """Return the log with runs that differ only in a number at their end as one, in the order of the number.

    The second value tells the rows of one part of a run from those of another.
    """
    names = list(dict.fromkeys(map(str, log.run)))
    stems = {name: (found["stem"] if (found := NUMBERED.fullmatch(name)) else name) for name in names}
    groups: dict[str, list[str]] = {}
    for name in sorted(names, key=natural):
        groups.setdefault(stems[name], []).append(name)
    new = {name: (stem or "run") if len(group) > 1 else name for stem, group in groups.items() for name in group}
    for stem, group in groups.items():
        if len(group) > 1:
            shown = ", ".join(map(brief, group[:6])) + (", ..." if len(group) > 6 else "")
            notes.append(f"{shown} joined as run '{brief(stem or 'run')}'")
    rank = {name: i for i, name in enumerate(name for group in groups.values() for name in group)}
    part = np.array([rank[str(r)] for r in log.run], int)
    order = np.argsort(part, kind="stable")
    log = replace(_taken(log, order), run=np.array([new[str(r)] for r in log.run[order]], object))
    return log, part[order]
