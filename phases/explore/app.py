"""The application: the selection at the left, one tab a page, both kept in the page's address."""

from __future__ import annotations

from html import escape
from typing import Any

import panel as pn

from calque.phases.explore.page import Page, note
from calque.phases.explore.pages.curves import CurvesPage
from calque.phases.explore.pages.loss import LossPage
from calque.phases.explore.pages.pairs import PairsPage
from calque.phases.explore.pages.planning import PlanningPage
from calque.phases.explore.pages.runs import RunsPage
from calque.phases.explore.pages.sizes import SizesPage
from calque.phases.explore.pages.words import WordsPage
from calque.phases.explore.selection import Selection
from calque.phases.explore.study import Study

PAGES: tuple[type[Page], ...] = (
    CurvesPage, PairsPage, WordsPage, SizesPage, LossPage, PlanningPage, RunsPage,
)  # fmt: skip
STYLE = """
body { margin: 0; background: #ffffff; color: #1d2430; font-family: system-ui, -apple-system, "Segoe UI", sans-serif; }
"""


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
        for widget in self.selection.widgets:
            widget.param.watch(self._changed, "value")
        self.tabs.param.watch(self._show_active, "active")

    def _changed(self, *_: object) -> None:
        for page in self.pages:
            page.drawn = False
        self._show_active()

    def _show_active(self, *_: object) -> None:
        page = self.pages[self.tabs.active]
        if not page.drawn:
            page.redraw()

    def view(self) -> Any:
        """Return the root of the page, its active tab drawn."""
        if pn.state.location is not None:
            self._follow_address(pn.state.location)
        self._show_active()
        title = pn.pane.HTML(
            escape(self.study.name), styles={"font-size": "18px", "font-weight": "600"}, margin=(10, 8, 0, 8)
        )
        runs = len(self.study.runs)
        count = note(f"{runs} run{'s' * (runs != 1)}")
        side = pn.Column(title, count, *self.selection.widgets, width=270, margin=(0, 10))
        return pn.Row(side, self.tabs, sizing_mode="stretch_width")

    def _follow_address(self, location: Any) -> None:
        def ignore(_: dict[str, Any]) -> None:
            """Keep the default where an address names something that this cube lacks."""

        for name, widget in self.selection.address().items():
            location.sync(widget, {"value": name}, on_error=ignore)
        location.sync(self.tabs, {"active": "tab"}, on_error=ignore)


def prepare() -> None:
    """Load the extensions of Panel that the pages use; every script and style is served from this machine."""
    pn.extension("tabulator", raw_css=[STYLE], inline=False)
