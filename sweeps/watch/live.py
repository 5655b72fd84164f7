"""The live page of a study: where every run stands and its curves so far; as a file, without scripts."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from calque.data.errors import UserError, escaped
from calque.data.files import write_atomically
from calque.data.metrics import HEADLINE, METRICS
from calque.data.quantities import format_count, format_duration
from calque.sweeps.results.progress import RunProgress, read_progress, run_folder
from calque.sweeps.results.root import ResultsRoot
from calque.sweeps.study.study import Study
from calque.sweeps.watch.curves import Curve, CurveReader
from calque.sweeps.watch.recurring import Recurring

PAGE = "live.html"
SECONDS_BETWEEN = 15.0
TITLES = {name: METRICS[name].label for name in ("loss", *HEADLINE)} | {"tokens_per_second": "training, tokens/s"}
WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT = 520, 250, 52, 28, 10, 12


@dataclass(frozen=True, kw_only=True)
class Line:
    """A run's line in a chart: SVG points, colour, and the last value in words."""

    run: str
    points: str
    colour: str
    last: str


@dataclass(frozen=True, kw_only=True)
class Chart:
    """A chart: the measure's name and title, lines, and the places and words of its ticks."""

    name: str
    title: str
    lines: tuple[Line, ...]
    x_ticks: tuple[tuple[float, str], ...]
    y_ticks: tuple[tuple[float, str], ...]


class LivePage(Recurring):
    """Rewrites ``live.html`` in the results root, from entering to leaving the context.

    A root that cannot be written for a while is no reason to stop; the page is written when it can be again.

    Parameters
    ----------
    study : Study
    root : ResultsRoot
    seconds : float
        Between two versions.
    """

    def __init__(self, study: Study, root: ResultsRoot, seconds: float = SECONDS_BETWEEN) -> None:
        super().__init__("live page", seconds)
        self.study, self.root, self.read = study, root, CurveReader()

    def html(self, served: float | None = None) -> str:
        """Return the page as things stand; with ``served``, its script asks for it again after so many seconds."""
        if self.root.remote is not None:
            self.root.refresh(self.study.runs, cubes=True)
        standings = [read_progress(self.root.folder, run) for run in self.study.runs]
        curves = {run.name: self.read(run_folder(self.root.folder, run)) for run in self.study.runs}
        return render(self.study, str(self.root), standings, curves, served)

    def write(self) -> None:
        """Write the page now."""
        write_atomically(self.root.folder / PAGE, self.html().encode())
        self.root.publish(PAGE)

    def act(self) -> None:
        """Write the page if it can be written."""
        with suppress(OSError, UserError):  # runs go on; the page follows when it can
            self.write()


def render(
    study: Study, place: str, standings: list[RunProgress], curves: dict[str, dict[str, Curve]], served: float | None
) -> str:
    """Return the page.

    Parameters
    ----------
    study : Study
    place : str
        Where the results are, for people.
    standings : list of RunProgress
        In the study's order.
    curves : dict of str to dict of str to Curve
        By run, then by measure.
    served : float, optional
        Seconds after which the page's script asks a server for it again; None for a file, which has no script.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("calque.sweeps.watch", "."), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True, finalize=lambda value: escaped(value) if isinstance(value, str) else value,
    )  # fmt: skip
    colours = {run.name: f"hsl({i * 360 // len(study.runs)} 65% 50%)" for i, run in enumerate(study.runs)}
    charts = [chart(title, name, curves, colours) for name, title in TITLES.items()]
    done = sum(p.state == "done" for p in standings)
    left = [p.seconds_left for p in standings if p.seconds_left is not None]
    return environment.get_template("live.html.j2").render(
        study=study, place=place, rows=[_row(p, colours[p.run]) for p in standings], charts=[c for c in charts if c],
        done=done, longest=format_duration(max(left)) if left else "", now=time.strftime("%Y-%m-%d %H:%M:%S %Z"),
        served=served, width=WIDTH, height=HEIGHT, left=LEFT, bottom=HEIGHT - BOTTOM, top=TOP, right=WIDTH - RIGHT,
    )  # fmt: skip


def _row(p: RunProgress, colour: str) -> dict[str, Any]:
    return {
        "run": p.run, "colour": colour, "state": p.status, "message": p.message,
        "share": min(1.0, p.tokens / max(1, p.total_tokens)), "tokens": format_count(p.tokens),
        "total": format_count(p.total_tokens), "loss": "" if p.loss is None else f"{p.loss:.3f}",
        "rate": format_count(p.rate) if p.rate else "",
        "checkpoints": f"{p.checkpoints} / {p.total_checkpoints}",
        "left": format_duration(p.seconds_left),
    }  # fmt: skip


def chart(
    title: str, name: str, curves: dict[str, dict[str, Curve]], colours: dict[str, str]
) -> Chart | None:  # fmt: skip
    """Return the chart of one measure, tokens on a log axis; None while no run has a point.

    Parameters
    ----------
    title : str
        Above the chart.
    name : str
        Which curve of every run is drawn.
    curves : dict
        By run, its curves by name.
    colours : dict
        By run.
    """
    chosen = {}
    for run, of_run in curves.items():
        if name in of_run:
            here = of_run[name].tokens > 0
            if here.any():
                chosen[run] = Curve(tokens=of_run[name].tokens[here], values=of_run[name].values[here])
    if not chosen:
        return None
    x = np.log10(np.concatenate([curve.tokens for curve in chosen.values()]))
    y = np.concatenate([curve.values for curve in chosen.values()])
    rate = name in HEADLINE
    low, high = (
        (0.0, max(0.1, float(y.max()))) if rate or name == "tokens_per_second" else (float(y.min()), float(y.max()))
    )
    low, high = (low - 0.5, low + 0.5) if high <= low else (low, high)
    first, last = (x.min() - 0.1, x.max() + 0.1) if x.max() <= x.min() else (x.min(), x.max())

    def across(value: float) -> float:
        return round(float(LEFT + (value - first) / (last - first) * (WIDTH - LEFT - RIGHT)), 1)

    def up(value: float) -> float:
        return round(float(HEIGHT - BOTTOM - (value - low) / (high - low) * (HEIGHT - BOTTOM - TOP)), 1)

    lines = tuple(
        Line(
            run=run, colour=colours[run], last=_words(name, curve.values[-1]),
            points=" ".join(f"{across(np.log10(t))},{up(v)}" for t, v in zip(curve.tokens, curve.values, strict=True)),
        )
        for run, curve in chosen.items()
    )  # fmt: skip
    powers = [p for p in range(int(np.ceil(first)), int(np.floor(last)) + 1)] or [int(round((first + last) / 2))]
    x_ticks = tuple((across(p), format_count(10**p)) for p in powers if first <= p <= last)
    y_ticks = tuple((up(v), _words(name, v)) for v in np.linspace(low, high, 4))
    return Chart(name=name, title=title, lines=lines, x_ticks=x_ticks, y_ticks=y_ticks)


def _words(name: str, value: float) -> str:
    if name == "tokens_per_second":
        return format_count(round(value))
    return f"{value:.2f}"
