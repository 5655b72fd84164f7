"""Two analyses of one design, place by place: the function behind ``phases compare``."""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calque.data.arguments import checked
from calque.data.errors import UserError
from calque.data.quantities import plural
from calque.data.result import Result, Rows, check_backend
from calque.phases.api.detect import Detection
from calque.phases.json_files import read_json
from calque.phases.wording import estimate_words, outcome_words, ratio_words

if TYPE_CHECKING:
    from rich.console import RenderableType

AGREES, DIFFERS, UNPLACED = "agrees", "differs", "no place"
SAME_SETTINGS = ("level", "rise", "scale", "family", "axis")
"""Settings without which places are not of the same estimand."""


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Comparison(Result):
    """Whether the places that two analyses found agree within their intervals.

    Attributes
    ----------
    rows : tuple of dict
        One for every takeoff and lag of both: ``what``, ``run``, ``group``, ``metric`` (of a lag ``first > second``),
        the place, interval and outcome of each, and ``verdict``: agrees, differs, or no place where one has none.
    only : tuple of str
        Series of one analysis that the other does not have.
    """

    rows: tuple[dict[str, Any], ...]
    only: tuple[str, ...]

    @property
    def counts(self) -> dict[str, int]:
        """Number of rows by verdict."""
        found = Counter(row["verdict"] for row in self.rows)
        return {verdict: found[verdict] for verdict in (AGREES, DIFFERS, UNPLACED)}

    def to_dict(self) -> dict[str, Any]:
        """Return what ``phases compare --json`` writes."""
        return {"schema": 1, "counts": self.counts, "rows": list(self.rows), "only_in_one": list(self.only)}

    def tables(self) -> dict[str, Rows]:
        """Return ``rows``, one for every takeoff and lag."""
        return {"rows": Rows(self.rows, ("what", "run", "group", "metric"))}

    def renderables(self) -> Sequence[RenderableType]:
        """Return a table of what does not agree, and the count."""
        from rich.table import Table
        from rich.text import Text

        table = Table("what", "run", "metric", "found", "reference", "verdict")
        for row in self.rows:
            if row["verdict"] != AGREES:
                run = f"{row['run']} {row['group']}".strip()
                words = [_words(row, side) for side in ("", "reference_")]
                table.add_row(row["what"], run, row["metric"].replace("_", " "), *words, row["verdict"])
        counts = self.counts
        placed = counts[AGREES] + counts[DIFFERS]
        said = (
            f"{counts[AGREES]} of {plural(placed, 'place')} agree with the reference: their intervals overlap. "
            f"{plural(counts[UNPLACED], 'question has', 'questions have')} no place in one of the two."
            if placed
            else "no place is found in both, so nothing can be compared"
        )
        others = [Text(f"only in one of them: {', '.join(self.only)}")] if self.only else []
        return [*([table] if table.row_count else []), Text(said), *others]

    def plot(self, *, ax: Any = None, backend: str = "matplotlib") -> Any:
        """Draw the takeoffs of both with their intervals, those of the reference below.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw; a new figure when None.
        backend : {"matplotlib"}
            No other.

        Returns
        -------
        matplotlib.axes.Axes

        Raises
        ------
        UserError
            For another backend, or where no takeoff has a place.
        """
        check_backend(backend)
        if backend != "matplotlib":
            raise UserError(f"`backend` is '{backend}'; a comparison is drawn with matplotlib alone")
        from calque.phases.report.figures import SPARE, new_axes
        from calque.phases.report.forest import Estimate, draw_tokens

        shown = [row for row in self.rows if row["what"] == "takeoff" and row["verdict"] != UNPLACED]
        if not shown:
            raise UserError("no takeoff has a place in both analyses; print the comparison instead")
        estimates = [
            Estimate(
                f"{row['run']} {row['metric']}{name}", row[f"{side}value"], row[f"{side}low"], row[f"{side}high"], hue
            )
            for row in shown
            for side, name, hue in (("", "", SPARE[0]), ("reference_", ", reference", SPARE[1]))
        ]
        return draw_tokens(new_axes(0.9 + 0.26 * len(estimates)) if ax is None else ax, estimates)


@checked
def compare(found: str | os.PathLike[str] | Detection, reference: str | os.PathLike[str] | Detection) -> Comparison:
    """Say whether two analyses of one design found the same places, within their intervals.

    Two places agree if their intervals overlap. This is lenient, as is due: on another kind of processor a run is
    another run of its design. Outcomes are shown beside each other, and no test is made of them.

    Parameters
    ----------
    found : path or Detection
        What ``calque.detect`` returned, or the file that ``phases detect --json`` wrote.
    reference : path or Detection
        What it is compared with, such as docs/findings/quick.json.

    Returns
    -------
    Comparison
        A row for every takeoff and lag that both have.

    Raises
    ------
    UserError
        When a file is missing or another command's, or when the two asked for different things.
    """
    mine, theirs = (
        one.to_dict() if isinstance(one, Detection) else read_json("detect", Path(one)) for one in (found, reference)
    )
    for name in SAME_SETTINGS:
        ours, other = mine["settings"].get(name), theirs["settings"].get(name)
        if ours != other:
            raise UserError(f"`{name}` is {ours} in one analysis and {other} in the other; detect both with the same")
    rows, reference_rows = _places(mine), _places(theirs)
    both = [key for key in rows if key in reference_rows]
    if not both:
        raise UserError("the two analyses have no series in common; expected two of one design, with runs named alike")
    alone = [key for key in (*rows, *reference_rows) if (key in rows) != (key in reference_rows)]
    only = [" ".join(part for part in key if part) for key in alone]
    return Comparison(rows=tuple(_row(key, rows[key], reference_rows[key]) for key in both), only=tuple(only))


Key = tuple[str, str, str, str]


def _places(found: Mapping[str, Any]) -> dict[Key, dict[str, Any]]:
    """Return value, low, high and outcome of every takeoff and lag; ratios of lags are no longer logarithms."""
    out = {}
    for t in found["transitions"]:
        if t["estimand"] == "takeoff":
            place = {"value": t["tokens"], "low": t["low"], "high": t["high"], "outcome": t["outcome"]}
            out["takeoff", t["run"], t["group"], t["metric"]] = place
    for lag in found["lags"]:
        ratio = {name: None if lag[key] is None else math.exp(lag[key]) for name, key in
                 (("value", "log_ratio"), ("low", "low"), ("high", "high"))}  # fmt: skip
        out["lag", lag["run"], lag["group"], f"{lag['first']} > {lag['second']}"] = {**ratio, "outcome": lag["outcome"]}
    return out


def _row(key: Key, mine: Mapping[str, Any], theirs: Mapping[str, Any]) -> dict[str, Any]:
    if any(all(side[name] is None for name in ("value", "low", "high")) for side in (mine, theirs)):
        verdict = UNPLACED
    else:
        low, high = max(_end(mine, "low"), _end(theirs, "low")), min(_end(mine, "high"), _end(theirs, "high"))
        verdict = AGREES if low <= high else DIFFERS
    names = dict(zip(("what", "run", "group", "metric"), key, strict=True))
    return {**names, **mine, **{f"reference_{name}": value for name, value in theirs.items()}, "verdict": verdict}


def _end(place: Mapping[str, Any], name: str) -> float:
    """Return an end of an interval; an open one is infinitely far."""
    return float(place[name]) if place[name] is not None else math.copysign(math.inf, -1 if name == "low" else 1)


def _words(row: Mapping[str, Any], side: str) -> str:
    value, low, high, outcome = (row[f"{side}{name}"] for name in ("value", "low", "high", "outcome"))
    if value is None and low is None and high is None:
        return outcome_words(outcome)
    if row["what"] == "takeoff":
        return estimate_words(value, low, high, outcome)
    return ratio_words(value, low, high, outcome)
