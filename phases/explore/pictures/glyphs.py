"""The glyphs of a figure that is drawn again and again, changed where they stand: new ones cost many times as much."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from bokeh.models.renderers import GlyphRenderer

from calque.phases.explore.pictures.figure import fits_above, hover, legend, legend_items, source


@dataclass(kw_only=True, eq=False)
class Drawn:
    """A glyph as it was drawn last: its renderer, columns and properties."""

    renderer: Any
    columns: Mapping[str, Any]
    style: Mapping[str, Any]


class Glyphs:
    """Glyphs, tooltips and legend of one figure, from one drawing to the next.

    A drawing begins with :meth:`begin`, names all that it needs, and ends with :meth:`end`. The first glyph of a layer
    is the one that was the layer's first before, with other data; what is not needed is hidden and kept.

    Parameters
    ----------
    made : figure
        With its frame alone.
    layers : sequence of str
        Names of layers, from the lowest to the highest; each has one kind of glyph.
    """

    def __init__(self, made: Any, layers: Sequence[str]) -> None:
        self._made = made
        self._known: dict[str, list[Drawn]] = {layer: [] for layer in layers}
        self._count: dict[str, int] = {}
        self._hovers: dict[str, Any] = {}
        self._changes: list[tuple[Any, Mapping[str, Any]]] = []
        self._entries: dict[str, list[Any]] = {}
        # a figure whose legends come and go is laid out anew, several times
        self._legends = {place: legend(made, {}, above=place == "above") for place in ("above", "right")}

    def begin(self) -> None:
        """Begin a drawing."""
        self._count = dict.fromkeys(self._known, 0)
        self._entries, self._changes = {}, []

    def put(self, layer: str, kind: Any, columns: Mapping[str, Any], name: str | None = None, **style: Any) -> Any:
        """Draw a glyph.

        Parameters
        ----------
        layer : str
            Where.
        kind : type of Bokeh glyph
            That of the layer.
        columns : mapping
            Equally long columns.
        name : str, optional
            Of the renderer.
        **style
            Properties of the glyph, its columns among them; the same ones for all glyphs of a layer.

        Returns
        -------
        bokeh.models.GlyphRenderer
        """
        known, at = self._known[layer], self._count[layer]
        self._count[layer] += 1
        if at == len(known):
            made = GlyphRenderer(data_source=source(columns), glyph=kind(**style), name=name)
            known.append(Drawn(renderer=made, columns=columns, style=style))
            return made
        found = known[at]
        if not _same(found.columns, columns):
            self._change(found.renderer.data_source, {"data": dict(columns)})
        self._change(found.renderer.glyph, {k: value for k, value in style.items() if found.style[k] != value})
        found.columns, found.style = columns, style
        self._change(found.renderer, {"name": name} if found.renderer.name != name else {})
        self._show(found.renderer, True)  # a click on the legend may have hidden it
        return found.renderer

    def _change(self, model: Any, values: Mapping[str, Any]) -> None:
        if values:
            self._changes.append((model, values))

    def _show(self, renderer: Any, visible: bool) -> None:
        self._change(renderer, {"visible": visible} if renderer.visible != visible else {})

    def tips(
        self, layer: str, renderers: Sequence[Any], rows: Sequence[tuple[str, str]],
        names: Mapping[str, Sequence[str]] | None = None,
    ) -> None:  # fmt: skip
        """Show columns of the data at the pointer.

        Parameters
        ----------
        layer : str
            One whose tooltips these are.
        renderers, rows, names
            As of :func:`~calque.phases.explore.pictures.figure.hover`.
        """
        self._hovers[layer] = hover(renderers, rows, names, self._hovers.get(layer))

    def legend(self, entries: Mapping[str, Sequence[Any]]) -> None:
        """Show a legend, as of :func:`~calque.phases.explore.pictures.figure.legend`.

        Parameters
        ----------
        entries : mapping of str to renderers
            By label.
        """
        self._entries = {label: list(of) for label, of in entries.items()}

    def end(self) -> None:
        """End a drawing."""
        for layer, known in self._known.items():
            for one in known[self._count[layer] :]:
                self._show(one.renderer, False)
            if not self._count[layer] and layer in self._hovers:
                self._hovers[layer].renderers = []
        self._apply()
        self._made.renderers = [one.renderer for known in self._known.values() for one in known]
        tools = self._made.toolbar.tools
        tools += [one for one in self._hovers.values() if one not in tools]

    def _apply(self) -> None:
        """Change what has changed, without the legends: they are drawn at every change of what they list."""
        wanted = "above" if fits_above(self._entries) else "right"
        items = {place: legend_items(self._entries if place == wanted else {}) for place in self._legends}
        before = {place: one.items for place, one in self._legends.items()}
        if self._changes or any(_listed(items[place]) != _listed(before[place]) for place in items):
            for one in self._legends.values():
                one.items = []
            for model, values in self._changes:
                model.update(**values)
            for place, one in self._legends.items():
                one.items = items[place]


def _listed(items: Sequence[Any]) -> list[Any]:
    return [(item.label, item.renderers) for item in items]


def _same(before: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    """Return whether columns hold the same: it need not be sent again."""
    return before.keys() == now.keys() and all(_alike(before[name], now[name]) for name in now)


def _alike(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        return np.array_equal(one, other, equal_nan=one.dtype.kind == "f")
    return len(one) == len(other) and all(
        _alike(a, b) if isinstance(a, np.ndarray) else bool(a == b) for a, b in zip(one, other, strict=True)
    )
