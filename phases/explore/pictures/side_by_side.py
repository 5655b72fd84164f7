"""Pictures of panels side by side: all have the same tokens, those of one unit have one scale."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from calque.phases.explore.located import Located
from calque.phases.explore.pictures.colours import palette
from calque.phases.explore.pictures.curves import MOST_BANDS, CurvePicture
from calque.phases.explore.pictures.figure import reach
from calque.phases.explore.pictures.panels import PanelOfLines
from calque.phases.explore.pictures.takeoffs import Row, heights, known
from calque.phases.series.axis import Array


class SideBySide:
    """Pictures that are kept from one drawing to the next, and changed: to make new ones would take seconds."""

    def __init__(self) -> None:
        self._pictures: dict[str, list[CurvePicture]] = {}
        self._tokens = reach([])
        self._scores: dict[str, Any] = {}

    def draw(
        self, panels: Sequence[PanelOfLines], located: Located, split: str, *, log: bool, bands: bool, strips: bool,
        height: int, fits: bool = False, colours: Mapping[str, str] | None = None,
    ) -> list[Any]:  # fmt: skip
        """Return the pictures of panels.

        Parameters
        ----------
        panels : sequence of PanelOfLines
            Lines to draw.
        located : Located
            Transitions of their series.
        split : str
            How runs are split into parts, such as whole or pair.
        log : bool
            Whether the token axis is logarithmic.
        bands, strips : bool
            Whether to draw binomial bands, and takeoffs with their intervals below the curves.
        height : int
            Of each in pixels.
        fits : bool
            Whether to draw the fitted curves that are known, dashed.
        colours : mapping of str, optional
            Hexadecimal colours by label, in the order of their line styles; from the palette when None.

        Returns
        -------
        list of bokeh.plotting.figure
        """
        rows = [known(panel, located, split) if strips else [] for panel in panels]
        reach([s.tokens for panel in panels for of in panel.lines.values() for s in of], log, before=self._tokens)
        found: list[tuple[int, CurvePicture]] = []
        for unit in dict.fromkeys(panel.unit for panel in panels):
            of = [i for i, panel in enumerate(panels) if panel.unit == unit]
            ends = _scores([panels[i] for i in of], [rows[i] for i in of], bands)
            self._scores[unit] = reach(ends, before=self._scores.get(unit))
            there = self._pictures.setdefault(unit, [])
            there += [CurvePicture(unit, self._tokens, self._scores[unit]) for _ in range(len(of) - len(there))]
            found += zip(of, there, strict=False)
        for i, one in found:
            panel = panels[i]
            hues = colours or palette(list(panel.lines))
            one.draw(panel, located, split, log=log, bands=bands, fits=fits, height=height, colours=hues,
                     takeoffs=rows[i])  # fmt: skip
        return [one.figure for _, one in sorted(found, key=lambda pair: pair[0])]


def _scores(panels: Iterable[PanelOfLines], rows: Iterable[Sequence[Row]], bands: bool) -> list[Array]:
    """Return what a range of scores has to hold: lines, bands and takeoffs of panels of one unit."""
    ends = []
    for panel, takeoffs in zip(panels, rows, strict=True):
        series = [s for of in panel.lines.values() for s in of]
        ends += [s.value for s in series]
        if bands and len(series) <= MOST_BANDS:
            ends += [end for s in series for end in s.band or ()]
        ends.append(np.array(heights(panel, takeoffs)[-1:]))
    return ends
