"""The base of every page: its own widgets above, and below the results for them and for the common selection."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from calque.data.errors import UserError
from calque.phases.explore.elements import column, controls, note, renewed, watch
from calque.phases.explore.selection import Selection
from calque.phases.explore.study import Study


class Page(ABC):
    """A tab; drawn when it is active and its selection has changed.

    ``key``, ``title``, ``about`` and ``hint`` are its name in the address, its name, what it shows, and what its
    widgets do.

    Parameters
    ----------
    study : Study
        Cube and reports to show.
    selection : Selection
        Widgets that all pages share.
    """

    key: str
    title: str
    about: str
    hint: str = ""

    def __init__(self, study: Study, selection: Selection) -> None:
        self.study, self.selection = study, selection
        self.body = column()
        self.drawn = self._drawing = False
        self.usual: dict[str, Any] = {}
        """Values, by names in the address, of widgets whose choices change, as they stand until one is chosen."""
        self.ask: Callable[[], None] = self.redraw
        """Called when the page has to be drawn anew; a session draws it a moment later."""
        self.build()
        for widget in self.kept.values():
            watch(widget, self._changed)

    def build(self) -> None:  # noqa: B027, a page may have no widgets
        """Make the page's own widgets."""

    @property
    def kept(self) -> dict[str, Any]:
        """The widgets whose values decide what is shown, by their names in the address, in the order of choosing."""
        return {}

    @property
    def controls(self) -> list[Any]:
        """What stands above the results: the page's widgets, and its buttons."""
        return list(self.kept.values())

    def offer(self) -> None:  # noqa: B027, the choices of most widgets are always the same
        """Update what the widgets offer, where that depends on the selection or on each other."""

    @abstractmethod
    def show(self) -> list[Any]:
        """Return the results for the selection: pictures, tables, sentences."""

    def _changed(self, *_: object) -> None:
        if not self._drawing:  # what is offered may change while a page is drawn
            self.drawn = False
            self.ask()

    def results(self) -> list[Any]:
        """Return what :meth:`show` does; an error of the user's is shown in its place."""
        try:
            self.offer()
            return self.show()
        except UserError as error:
            return [note(str(error))]

    def redraw(self) -> None:
        """Draw the page again."""
        self._drawing = True
        try:
            found = renewed(self.results(), self.body.objects)
            if found != self.body.objects:
                self.body.objects = found
        finally:
            self._drawing = False
        self.drawn = True

    def view(self) -> Any:
        """Return the page with its widgets."""
        above = controls(self.controls) if self.controls else None
        return column(*filter(None, (note(f"{self.about} {self.hint}".strip()), above)), self.body)
