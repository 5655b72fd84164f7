"""All that pages are made of: text, tables, pictures, widgets. Names of users enter the pages here, always as text.

Panel takes what it is given as HTML in some places (text, choices, heads of tables), as text in others (menus, cells).
The functions below know which; nothing else of ``explore`` makes an element, so that nothing else can forget it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any

import panel as pn

NOTE = {"color": "#4d5665", "font-size": "13px", "max-width": "80em"}
WIDE: dict[str, Any] = {"sizing_mode": "stretch_width"}
COLUMN = {"flex": "1 1 400px", "min-width": "0", "max-width": "100%"}
ROWS = 25
"""Rows of a table that are shown at once; a browser draws each of them three times."""
SAVERS = """button { font: inherit; font-size: 11px; color: #4d5665; background: none; border: 1px solid #c6ccd4;
border-radius: 3px; padding: 1px 6px; margin-right: 4px; cursor: pointer; }
button:hover, button:focus-visible { color: #fff; background: #1d2430; }"""


def shown(name: str) -> str:
    """Return a ``name`` of ours for reading: with spaces in place of underscores."""
    return name.replace("_", " ")


def labelled(names: Sequence[str], show: Callable[[str], str] = shown) -> dict[str, str]:
    """Return names by what is shown of them; two that would look alike are shown as they are.

    Parameters
    ----------
    names : sequence of str
        Each once.
    show : callable
        Returns what is shown of a name.
    """
    texts = [show(name) for name in names]
    return {text if texts.count(text) == 1 else name: name for name, text in zip(names, texts, strict=True)}


def note(*texts: str) -> Any:
    """Return ``texts`` in small grey print, each on a line of its own."""
    # unlike a pane, a widget whose text changes does not have the page laid out anew
    return pn.widgets.StaticText(value="<br>".join(map(escape, texts)), styles=NOTE, margin=(2, 8), **WIDE)


def renewed(objects: Sequence[Any], before: Sequence[Any]) -> list[Any]:
    """Return ``objects``, with a note that stands at the same place in ``before`` changed and kept, as pictures are."""
    out = list(objects)
    for i, (old, new) in enumerate(zip(before, objects, strict=False)):
        if isinstance(old, pn.widgets.StaticText) and isinstance(new, pn.widgets.StaticText):
            old.value, out[i] = new.value, old
    return out


def absent(what: str, result: str, command: str) -> Any:
    """Return a paragraph that says what is not shown, and whose result it would be.

    Parameters
    ----------
    what : str
        What a page would show, at the beginning of a sentence and in the plural.
    result : str
        What these pages were not given.
    command : str
        What makes it.
    """
    return note(
        f"{what} are not shown: these pages were started without {result}, which is the result of '{command}'. "
        "Whoever starts the pages can give them its file."
    )


def message() -> Any:
    """Return an empty line of text; its ``object`` is shown as text."""
    return pn.pane.Str("", margin=(8, 6))


def folded(name: str, text: str) -> Any:
    """Return a long text that a click unfolds.

    Parameters
    ----------
    name : str
        What it is.
    text : str
        Shown in lines as they are.
    """
    made = f"<details><summary>{escape(name)}</summary><pre style='white-space:pre-wrap'>{escape(text)}</pre></details>"
    return pn.pane.HTML(made, margin=(6, 8), **WIDE)


def picture(made: Any) -> Any:
    """Return ``made``, a Bokeh figure, as an interactive picture with buttons that save it and its data."""
    wide = WIDE if made.sizing_mode else {}
    buttons = pn.pane.HTML(_buttons(("svg", "png", "csv"), of=made.id), margin=(0, 8))
    return pn.Column(pn.pane.Bokeh(made, margin=(2, 4), **wide), buttons, **wide)


class PicturePlace:
    """A place in a page whose pictures stay from one drawing to the next, in two columns where there is room."""

    def __init__(self) -> None:
        self._grid = pn.Row(styles={"flex-wrap": "wrap"}, **WIDE)
        self._known: dict[str, Any] = {}

    def show(self, figures: Sequence[Any]) -> Any:
        """Return the place with pictures.

        Parameters
        ----------
        figures : sequence of Bokeh figure
            What it shows; those that it has shown before are there already.
        """
        for made in figures:
            if made.id not in self._known:
                self._known[made.id] = picture(made)
                self._known[made.id].styles = COLUMN
        wanted = [self._known[made.id] for made in figures]
        hidden = [one for one in self._known.values() if one not in wanted]
        for one in self._known.values():
            one.visible = one in wanted
        if self._grid.objects != wanted + hidden:
            self._grid.objects = wanted + hidden
        return self._grid


def _buttons(kinds: Sequence[str], *, of: str = "", name: str = "") -> str:
    """Return buttons for ``save.js``, of a figure, whose title may change, or of the drawing beside them."""
    made = [
        f'<button data-save="{kind}" data-of="{escape(of)}" data-name="{escape(name)}">{kind.upper()}</button>'
        for kind in kinds
    ]
    return f"<style>{SAVERS}</style><span>{''.join(made)}</span>"


def drawing(svg: str, name: str, width: int = 860) -> Any:
    """Return a static picture.

    Parameters
    ----------
    svg : str
        SVG element of our own making: its texts are escaped by what drew it.
    name : str
        What it shows, for the names of files.
    width : int
        Largest width in pixels.
    """
    buttons = _buttons(("svg", "png"), name=name)
    inside = f'<div style="color:#1d2430;max-width:{width}px">{svg}{buttons}</div>'
    return pn.pane.HTML(inside, **WIDE)


def table(frame: Any, height: int | None = None, formatters: dict[str, Any] | None = None) -> Any:
    """Return a table that can be sorted by its column heads, in pages of ``ROWS`` if it is long.

    Parameters
    ----------
    frame : DataFrame
        Rows and columns.
    height : int, optional
        In pixels; that of its rows when None.
    formatters : dict, optional
        Formatters of Bokeh by column.
    """
    pages = {"pagination": "local", "page_size": ROWS} if len(frame) > ROWS else {}
    return pn.widgets.Tabulator(
        frame, disabled=True, show_index=False, layout="fit_data_table", height=height, theme="simple", margin=(4, 8),
        selectable=False, formatters=formatters or {}, titles={name: escape(str(name)) for name in frame}, **WIDE,
        **pages,
    )  # fmt: skip


def one_of(label: str, options: Sequence[str] | Mapping[str, Any], value: Any = None, width: int = 170) -> Any:
    """Return a menu of which one entry is chosen.

    Parameters
    ----------
    label : str
        What is chosen.
    options : sequence of str, or mapping
        Values, by what is shown of them if it is a mapping.
    value : object, optional
        The first one when None.
    width : int
        In pixels.
    """
    chosen = {} if value is None else {"value": value}
    given = dict(options) if isinstance(options, Mapping) else list(options)
    return pn.widgets.Select(label=label, options=given, width=width, **chosen)


def some_of(label: str, options: Sequence[str] | Mapping[str, str], value: Sequence[str] = (), empty: str = "") -> Any:
    """Return a list of which any number of entries is chosen.

    Parameters
    ----------
    label : str
        What is chosen.
    options : sequence of str, or mapping
        Values, by what is shown of them if it is a mapping.
    value : sequence of str
        Chosen at first.
    empty : str
        Shown while nothing is chosen.
    """
    given = options if isinstance(options, Mapping) else dict(zip(options, options, strict=True))
    # the browser's list takes labels as HTML
    return pn.widgets.MultiChoice(
        label=label, options={escape(text): name for text, name in given.items()}, value=list(value), placeholder=empty,
        search_option_limit=50, **WIDE,
    )  # fmt: skip


def switch(label: str, on: bool) -> Any:
    """Return a box to tick.

    Parameters
    ----------
    label : str
        What it switches.
    on : bool
        Whether it is ticked at first.
    """
    return pn.widgets.Checkbox(label=label, value=on)


def slider(label: str, width: int = 330) -> Any:
    """Return a slider over named places, at first the single place 0.

    Parameters
    ----------
    label : str
        What is chosen.
    width : int
        In pixels.
    """
    return pn.widgets.DiscreteSlider(label=label, options={"0": 0.0}, value=0.0, width=width)


def button(label: str) -> Any:
    """Return a button with a ``label``."""
    return pn.widgets.Button(label=label, color="primary")


def progress_bar() -> Any:
    """Return a bar that is not shown yet."""
    return pn.indicators.Progress(value=0, max=1, width=180, visible=False)


def counter() -> Any:
    """Return a number that is not shown, for the browser to see change."""
    return pn.widgets.IntInput(value=0, visible=False)


def watch(widget: Any, call: Callable[..., object]) -> None:
    """Call a function when the value of a widget changes, of a slider when it is let go.

    Parameters
    ----------
    widget : Panel widget
        One of this module's.
    call : callable
        Takes the event.
    """
    widget.param.watch(call, "value_throttled" if "value_throttled" in widget.param else "value")


def column(*objects: Any) -> Any:
    """Return ``objects`` one below the other, as wide as the page."""
    return pn.Column(*objects, **WIDE)


def row(*objects: Any, **options: Any) -> Any:
    """Return ``objects`` side by side.

    Parameters
    ----------
    *objects
        Elements.
    **options
        Of ``panel.Row``.
    """
    return pn.Row(*objects, **options)


def controls(objects: Sequence[Any]) -> Any:
    """Return widgets in a row that breaks where the page is narrow.

    Parameters
    ----------
    objects : sequence of elements
        Widgets.
    """
    return pn.FlexBox(*objects, align_items="end", gap="14px")
