"""Panels of lines and their colours: which lines share a panel, which panels stand side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from calque.phases.explore.series import WHOLE, ScoreLine
from calque.phases.explore.study import Study
from calque.phases.series.metric_series import units_of

CHOICES = ("auto", "metric", "part", "condition", "run", "size", "mix", "cube")
SHARE_LABEL = "share of items"


@dataclass(frozen=True, kw_only=True, eq=False)
class PanelOfLines:
    """Lines that share axes; ``lines`` by the label of their colour."""

    title: str
    unit: str
    lines: dict[str, list[ScoreLine]] = field(default_factory=dict)


def arrange(study: Study, series: Sequence[ScoreLine], split: str, colour: str, beside: str) -> list[PanelOfLines]:
    """Return the panels of some series; shares and other scores never share an axis.

    ``auto`` overlays seeds: metrics in colours with one panel a condition; of one metric the conditions in colours;
    parts in colours with one panel a metric and condition.

    Parameters
    ----------
    study : Study
        Runs with their coordinates.
    series : sequence of ScoreLine
        Lines to draw.
    split : str
        How the runs are split into parts.
    colour : str
        Property that gives the colour, one of ``CHOICES``.
    beside : str
        Property that gives the panel, one of ``CHOICES``, or none for a single panel.
    """
    metrics = {s.metric for s in series}
    conditions = {study.condition(s.run) for s in series}
    if colour == "auto":
        alone = "condition" if len(conditions) > 1 else "run"
        colour = "part" if split != WHOLE else "metric" if len(metrics) > 1 else alone
    keys = _keys(study, split)
    shown = ["condition", "metric"] if beside == "auto" and split != WHOLE else []
    if beside == "auto" and split == WHOLE:
        shown = ["condition"] if colour == "metric" else ["metric"] if colour in ("condition", "run") else []
    elif beside not in ("auto", "none"):
        shown = [beside]
    shown = [by for by in shown if by != colour]
    panels: dict[tuple[str, ...], PanelOfLines] = {}
    for s in series:
        unit = SHARE_LABEL if s.share else _axis_label(study, s.metric)
        labels = tuple(keys[by](s) for by in shown)
        title = " · ".join(labels)
        panel = panels.setdefault((unit, *labels), PanelOfLines(title=title, unit=unit))
        panel.lines.setdefault(keys[colour](s), []).append(s)
    return list(panels.values())


def _axis_label(study: Study, metric: str) -> str:
    units = units_of(study.cube, metric) if metric in study.cube.variables else ""
    return study.shown(metric) + (f", {units}" if units else "")


def _keys(study: Study, split: str) -> dict[str, Callable[[ScoreLine], str]]:
    def column(name: str) -> Callable[[ScoreLine], str]:
        known = name in study.runs
        return lambda s: str(study.runs[name].iloc[study.position(s.run)]) if known else s.run

    return {
        "metric": lambda s: study.shown(s.metric), "part": lambda s: s.part or WHOLE,
        "condition": lambda s: study.condition(s.run), "run": lambda s: s.run, "size": column("size"),
        "mix": column("mix"), "cube": column("cube"),
    }  # fmt: skip
