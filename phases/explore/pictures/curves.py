"""The picture of one panel of curves: lines with bands, fitted shapes, takeoffs with their intervals below."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from bokeh.models import Line, MultiLine, Patches, PlainText

from calque.phases.explore.located import Located
from calque.phases.explore.pictures.colours import dash
from calque.phases.explore.pictures.figure import INK, LINE_OF, brief, frame, scale_tokens, share_ticks, token_ticks
from calque.phases.explore.pictures.glyphs import Glyphs
from calque.phases.explore.pictures.panels import SHARE_LABEL, PanelOfLines
from calque.phases.explore.pictures.takeoffs import Row, draw_takeoffs
from calque.phases.explore.series import ScoreLine
from calque.phases.series.axis import Array

MOST_BANDS = 16
MOST_POINTS = 24
"""Labels up to which tooltips are of single checkpoints; beyond, of whole lines, which is much faster."""
ROOM = 10
"""Labels of which a figure has glyphs from its beginning: one that comes later is the layout of a whole page."""
LAYERS = ("bands", "lines", "many lines", "fits", "intervals", "takeoffs")
LINE_STYLE: dict[str, Any] = {"line_width": 1.6, "line_alpha": 0.9}


class CurvePicture:
    """A figure that shows a panel, then another one: it is changed where it stands.

    Parameters
    ----------
    unit : str
        Of all its panels.
    x, y : Range1d
        Ranges, which other pictures may share.
    """

    def __init__(self, unit: str, x: Any, y: Any) -> None:
        self.figure = frame("", "training tokens", unit, height=300, x=x, y=y)
        token_ticks(self.figure.xaxis)
        if unit == SHARE_LABEL:
            share_ticks(self.figure.yaxis)
        self._glyphs = Glyphs(self.figure, LAYERS)
        self._glyphs.begin()
        for _ in range(ROOM):
            self._glyphs.put("lines", Line, {"tokens": [], "value": [], LINE_OF: []}, x="tokens", y="value",
                             line_color=INK, line_dash="solid", **LINE_STYLE)  # fmt: skip

    def draw(
        self, panel: PanelOfLines, located: Located, split: str, *, log: bool, bands: bool, fits: bool, height: int,
        colours: Mapping[str, str], takeoffs: Sequence[Row],
    ) -> None:  # fmt: skip
        """Show a panel.

        Parameters
        ----------
        panel : PanelOfLines
            Lines to draw.
        located : Located
            Transitions of their series.
        split : str
            How runs are split into parts, such as whole or pair.
        log : bool
            Whether the token axis is logarithmic.
        bands : bool
            Whether to draw binomial bands.
        fits : bool
            Whether to draw the fitted curves that are known, dashed.
        height : int
            In pixels.
        colours : mapping of str
            Hexadecimal colours by label, in the order of their line styles.
        takeoffs : sequence
            What to draw below the curves, as of :func:`~calque.phases.explore.pictures.takeoffs.known`.
        """
        title = brief(panel.title, 90)
        if self.figure.title.text.text != title:
            self.figure.title.text = PlainText(text=title)
        self.figure.height = height
        scale_tokens(self.figure, log)
        glyphs = self._glyphs
        glyphs.begin()
        drawn = _bands(glyphs, panel, colours, log) if bands else {}
        styles = {label: dash(i) for i, label in enumerate(colours)}
        draw = _points_of_lines if len(panel.lines) <= MOST_POINTS else _whole_lines
        lines = draw(glyphs, panel, colours, styles, log)
        shapes = _shapes(glyphs, panel, located, split, colours, log) if fits else {}
        glyphs.legend({label: [*of, *drawn.get(label, []), *shapes.get(label, [])] for label, of in lines.items()})
        if takeoffs:
            draw_takeoffs(glyphs, panel, takeoffs, colours)
        glyphs.end()


def _kept(s: ScoreLine, log: bool) -> Any:
    return s.tokens > 0 if log else np.ones(len(s.tokens), bool)


def _broken(pieces: list[Array]) -> Array:
    """Join arrays with NaN between them, so that one glyph draws many lines."""
    return np.concatenate([part for piece in pieces for part in (piece, [np.nan])][:-1])


def _points_of_lines(
    glyphs: Glyphs, panel: PanelOfLines, hues: Mapping[str, str], styles: Mapping[str, str], log: bool
) -> dict[str, list[Any]]:
    """Draw one glyph a label; its tooltips are of single checkpoints."""
    out: dict[str, list[Any]] = {}
    names: dict[str, list[str]] = {"label": [], "run": [], "part": []}
    for label, series in panel.lines.items():
        kept = [_kept(s, log) for s in series]
        first = len(names["label"])
        of = [np.full(keep.sum() + 1, first + i, np.uint16) for i, keep in enumerate(kept)]
        data = {
            "tokens": _broken([s.tokens[keep] for s, keep in zip(series, kept, strict=True)]),
            "value": _broken([s.value[keep] for s, keep in zip(series, kept, strict=True)]),
            LINE_OF: np.concatenate(of)[:-1],
        }
        for s in series:
            for name, value in (("label", label), ("run", s.run), ("part", s.part)):
                names[name].append(value)
        drawn = glyphs.put("lines", Line, data, x="tokens", y="value", line_color=hues[label], line_dash=styles[label],
                           **LINE_STYLE)  # fmt: skip
        out[label] = [drawn]
    rows = [("", "line{label}"), ("run", "line{run}"), ("part", "line{part}"), ("tokens", "tokens{count}")]
    glyphs.tips("lines", [one for of in out.values() for one in of], [*rows, (panel.unit, "value")], names)
    return out


def _whole_lines(
    glyphs: Glyphs, panel: PanelOfLines, hues: Mapping[str, str], styles: Mapping[str, str], log: bool
) -> dict[str, list[Any]]:
    """Draw one glyph for all lines, fast for hundreds of them; its tooltips are of whole lines."""
    every = [(label, s) for label, series in panel.lines.items() for s in series if _kept(s, log).any()]
    data = {
        "tokens": [s.tokens[_kept(s, log)] for _, s in every], "value": [s.value[_kept(s, log)] for _, s in every],
        "label": [label for label, _ in every], "run": [s.run for _, s in every], "part": [s.part for _, s in every],
        "hue": [hues[label] for label, _ in every], "style": [styles[label] for label, _ in every],
    }  # fmt: skip
    drawn = glyphs.put("many lines", MultiLine, data, xs="tokens", ys="value", line_color="hue", line_dash="style",
                       **LINE_STYLE)  # fmt: skip
    glyphs.tips("many lines", [drawn], [("", "label"), ("run", "run"), ("part", "part")])
    return {"": [drawn]}


def _bands(glyphs: Glyphs, panel: PanelOfLines, hues: Mapping[str, str], log: bool) -> dict[str, list[Any]]:
    counted = {label: [s for s in of if s.share] for label, of in panel.lines.items()}
    out: dict[str, list[Any]] = {}
    if sum(map(len, counted.values())) > MOST_BANDS:
        return out
    for label, series in counted.items():
        xs, ys = [], []
        for s in series:
            assert s.band is not None
            (low, high), keep = s.band, _kept(s, log)
            xs.append(np.concatenate([s.tokens[keep], s.tokens[keep][::-1]]))
            ys.append(np.concatenate([low[keep], high[keep][::-1]]))
        drawn = glyphs.put("bands", Patches, {"tokens": xs, "value": ys}, xs="tokens", ys="value",
                           fill_color=hues[label], line_color=None, fill_alpha=0.13)  # fmt: skip
        out[label] = [drawn]
    return out


def _shapes(
    glyphs: Glyphs, panel: PanelOfLines, located: Located, split: str, hues: Mapping[str, str], log: bool
) -> dict[str, list[Any]]:
    """Draw the fitted curves of series that were located in these pages."""
    out: dict[str, list[Any]] = {}
    for label, series in panel.lines.items():
        for s in series:
            fit = located.fits.get((s.run, split, s.part, s.metric))
            if fit is None or fit.fitted is None or fit.fitted_tokens is None:
                continue
            keep = fit.fitted_tokens > 0 if log else np.ones(len(fit.fitted_tokens), bool)
            data = {"tokens": fit.fitted_tokens[keep], "fitted": fit.fitted[keep], "run": [s.run] * int(keep.sum())}
            drawn = glyphs.put("fits", Line, data, f"fit {label}", x="tokens", y="fitted", line_color=hues[label],
                               line_width=2.4, line_alpha=0.55, line_dash="dashed")  # fmt: skip
            out.setdefault(label, []).append(drawn)
    glyphs.tips("fits", [one for of in out.values() for one in of], [("run", "run"), ("fitted", "fitted")])
    return out
