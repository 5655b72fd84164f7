"""The base of every page: its own widgets above, and below the results for them and for the common selection."""

from __future__ import annotations

from abc import ABC, abstractmethod
from html import escape
from typing import Any

import panel as pn

from calque.data.errors import UserError
from calque.phases.explore.selection import Selection
from calque.phases.explore.study import Study

NOTE = {"color": "#5b6575", "font-size": "13px", "max-width": "80em"}


class Page(ABC):
    """A tab; drawn when it is active and its selection has changed.

    ``title``, ``about`` and ``hint`` are its name, what it shows, and what its widgets do.

    Parameters
    ----------
    study : Study
        Cube and reports to show.
    selection : Selection
        Widgets that all pages share.
    """

    title: str
    about: str
    hint: str = ""

    def __init__(self, study: Study, selection: Selection) -> None:
        self.study, self.selection = study, selection
        self.body = pn.Column(sizing_mode="stretch_width")
        self.drawn = False
        self.build()
        for widget in self.controls:
            if hasattr(widget, "value") and not isinstance(widget, pn.widgets.Button):
                widget.param.watch(self.redraw, _value(widget))

    def build(self) -> None:  # noqa: B027, a page may have no widgets
        """Make the page's own widgets."""

    @property
    def controls(self) -> list[Any]:
        """The page's own widgets."""
        return []

    @abstractmethod
    def show(self) -> list[Any]:
        """Return the results for the selection: pictures, tables, sentences."""

    def redraw(self, *_: object) -> None:
        """Draw the page again; an error of the user's is shown in its place."""
        try:
            self.body.objects = self.show()
        except UserError as error:
            self.body.objects = [note(str(error))]
        self.drawn = True

    def view(self) -> Any:
        """Return the page with its widgets."""
        row = pn.FlexBox(*self.controls, align_items="end", gap="14px") if self.controls else None
        return pn.Column(
            *filter(None, (note(f"{self.about} {self.hint}".strip()), row)), self.body, sizing_mode="stretch_width"
        )


def note(text: str) -> Any:
    """Return ``text`` as a paragraph in small grey print."""
    return pn.pane.HTML(escape(text), styles=NOTE, sizing_mode="stretch_width", margin=(2, 8))


def picture(made: Any) -> Any:
    """Return ``made``, a HoloViews object, as an interactive picture as wide as the page."""
    return pn.pane.HoloViews(made, sizing_mode="stretch_width", linked_axes=False, margin=(2, 4))


def drawing(svg: str, width: int = 860) -> Any:
    """Return a static picture.

    Parameters
    ----------
    svg : str
        SVG element.
    width : int
        Largest width in pixels.
    """
    return pn.pane.HTML(f'<div style="color:#1d2430;max-width:{width}px">{svg}</div>', sizing_mode="stretch_width")


def table(frame: Any, height: int | None = None, formatters: dict[str, Any] | None = None) -> Any:
    """Return a table that can be sorted by its column heads.

    Parameters
    ----------
    frame : DataFrame
        Rows and columns.
    height : int, optional
        In pixels; that of its rows when None.
    formatters : dict, optional
        Formatters of Bokeh by column.
    """
    pages = {"pagination": "local", "page_size": 100} if len(frame) > 100 else {}
    return pn.widgets.Tabulator(
        frame, disabled=True, show_index=False, layout="fit_data_table", height=height, sizing_mode="stretch_width",
        theme="simple", margin=(4, 8), selectable=False, formatters=formatters or {}, **pages,
    )  # fmt: skip


def _value(widget: Any) -> str:
    return "value_throttled" if "value_throttled" in widget.param else "value"
