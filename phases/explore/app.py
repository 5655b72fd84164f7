"""The application: the selection at the left, one tab a page, both kept in the page's address."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

import panel as pn

from calque.data.errors import UserError
from calque.data.quantities import plural
from calque.phases.explore import address
from calque.phases.explore.elements import column, counter, note, watch
from calque.phases.explore.page import Page
from calque.phases.explore.pages.ablations import AblationsPage
from calque.phases.explore.pages.answers import AnswersPage
from calque.phases.explore.pages.curves import CurvesPage
from calque.phases.explore.pages.heads import HeadsPage
from calque.phases.explore.pages.layers import LayersPage
from calque.phases.explore.pages.loss import LossPage
from calque.phases.explore.pages.pairs import PairsPage
from calque.phases.explore.pages.planning import PlanningPage
from calque.phases.explore.pages.runs import RunsPage
from calque.phases.explore.pages.sizes import SizesPage
from calque.phases.explore.pages.training_text import TrainingTextPage
from calque.phases.explore.pages.words import WordsPage
from calque.phases.explore.scripts import numbered
from calque.phases.explore.selection import Selection
from calque.phases.explore.study import Study

PAGES: tuple[type[Page], ...] = (
    CurvesPage, PairsPage, WordsPage, AnswersPage, HeadsPage, LayersPage, AblationsPage, TrainingTextPage, SizesPage,
    LossPage, PlanningPage, RunsPage,
)  # fmt: skip
FRAME = Path(__file__).with_name("frame.html.j2")
SCRIPTS = {"script": "frame.js", "save": "save.js", "names": "names.js"}
"""Files beside this one, by their names in the frame."""
TAB = "page"


class App:
    """One session: its widgets and its pages. A page is drawn when its tab is active and it is out of date.

    Parameters
    ----------
    study : Study
        Cube and reports to show.
    """

    def __init__(self, study: Study) -> None:
        self.study, self.selection = study, Selection(study)
        self.pages = [page(study, self.selection) for page in PAGES]
        self.tabs = pn.Tabs(
            *((page.title, page.view()) for page in self.pages), dynamic=True, sizing_mode="stretch_width"
        )
        self.lost = column()
        """Says what of an address the cube lacks."""
        self.finished = counter()
        """Counts what was drawn; the browser then takes its busy sign away."""
        self._first = {name: address.values_of(widget) for name, widget in self._kept().items()}
        self._waits = self._restoring = False
        self._written: str | None = None
        for page in self.pages:
            page.ask = self._ask
        for widget in self.selection.kept.values():
            watch(widget, self._changed)
        self.tabs.param.watch(self._ask, "active")

    @property
    def page(self) -> Page:
        """The page whose tab is active."""
        return self.pages[self.tabs.active]

    def _kept(self) -> dict[str, Any]:
        return {**self.selection.kept, **{k: w for page in self.pages for k, w in page.kept.items()}}

    def _changed(self, *_: object) -> None:
        for page in self.pages:
            page.drawn = False
        self._ask()

    def _ask(self, *_: object) -> None:
        """Draw the active page: in a session once for all that changes now, after the browser was told to wait."""
        if self._waits or self._restoring:
            return
        session = pn.state.curdoc
        if session is None or session.session_context is None:
            self._draw()
        else:
            self._waits = True
            session.add_next_tick_callback(self._draw)

    def _draw(self) -> None:
        self._waits = False
        try:
            if not self.page.drawn:
                with pn.io.hold(policy="collect", freeze=True):  # all that changes is sent as one
                    self.page.redraw()
            self._write_address()
        finally:
            self.finished.value = (self.finished.value or 0) + 1

    def _write_address(self) -> None:
        """Write what is chosen; the address that a session came with stays, also where it says it in other words."""
        query = self.query()
        if self._written not in (None, query) and pn.state.location is not None:
            pn.state.location.search = query
        self._written = query

    def query(self) -> str:
        """Return the query of the address that shows this page with this selection; what is as at first is left out."""
        chosen = {**self.selection.kept, **self.page.kept}
        now = {name: address.values_of(widget) for name, widget in chosen.items()}
        first = {**self._first, **{name: [address.text_of(v)] for name, v in self.page.usual.items()}}
        values = {name: of for name, of in now.items() if of != first.get(name)}
        tab = {TAB: [self.page.key]} if self.page is not self.pages[0] else {}
        return address.write({**tab, **values})

    def restore(self, query: str) -> None:
        """Choose what an address says; what the cube lacks is said above the pages.

        Parameters
        ----------
        query : str
            As :meth:`query` returns it.
        """
        given, lost = address.read(query), []
        keys = [page.key for page in self.pages]
        self._restoring = True
        try:
            for key in given.pop(TAB, []):
                if key in keys:
                    self.tabs.active = keys.index(key)
                else:
                    lost.append(f"page {key}")
            for name, widget in self.selection.kept.items():
                lost += [f"{name} {text}" for text in address.choose(widget, given.pop(name, []))]
            for name in self.page.kept:
                if name in given:
                    self._offer()  # it depends on what was chosen before
                    lost += [f"{name} {text}" for text in address.choose(self.page.kept[name], given.pop(name))]
            lost += list(given)
        finally:
            self._restoring = False
        text = ", ".join(lost[:5]) + f" and {len(lost) - 5} more" * (len(lost) > 5)
        self.lost.objects = [note(f"The address names what there is not here: {text[:200]}.")] if lost else []

    def _offer(self) -> None:
        try:
            self.page.offer()
        except UserError:
            return  # the page says it, when it is drawn

    def view(self) -> Any:
        """Return the document of a session. Its active page is drawn when the browser is there to show it."""
        runs = len(self.study.runs)
        frame = framed(self.study, plural(runs, "run"), saved=False)
        frame.add_panel("side", pn.Column(*self.selection.kept.values(), width=260, margin=(0, 8)))
        frame.add_panel("pages", column(self.lost, self.tabs))
        frame.add_panel("finished", self.finished)
        if pn.state.location is not None:
            self.restore(pn.state.location.search)
        pn.state.onload(self._ask)
        return frame


def framed(study: Study, about: str, *, saved: bool) -> Any:
    """Return the document around the pages, still without them.

    Parameters
    ----------
    study : Study
        Gives the title.
    about : str
        A line below the title.
    saved : bool
        Whether the document is a file, which loads nothing and has no server.

    Returns
    -------
    panel.Template
        To be given the panels ``pages`` and, when it is served, ``side`` and ``finished``.
    """
    frame = pn.Template(FRAME.read_text(encoding="utf-8"), location=not saved)
    # the policy names this number, and so do the page's own scripts; nothing in a cube can know it
    given = {
        "name": study.name, "about": about, "saved": saved, "nonce": secrets.token_urlsafe(24),
        "numbered": numbered,
        **{name: FRAME.with_name(file).read_text(encoding="utf-8") for name, file in SCRIPTS.items()},
    }  # fmt: skip
    for name, value in given.items():
        frame.add_variable(name, value)
    return frame


def prepare() -> None:
    """Load the extensions of Panel that the pages use; every script and style is served from this machine."""
    pn.extension("tabulator", inline=False)
