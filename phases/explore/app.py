"""The pages put together: the selection at the left, a tab a question, both kept in the page's address."""

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
    """One session: its widgets and its pages. A page is drawn when it is looked at and is out of date."""

    def __init__(self, study: Study) -> None:
        self.study, self.selection = study, Selection(study)
        self.pages = [page(study, self.selection) for page in PAGES]
        self.tabs = pn.Tabs(
            *((page.title, page.view()) for page in self.pages), dynamic=True, sizing_mode="stretch_width"
        )
        for widget in self.selection.widgets:
            widget.param.watch(self._changed, "value")
        self.tabs.param.watch(self._looked, "active")

    def _changed(self, *_: object) -> None:
        for page in self.pages:
            page.drawn = False
        self._looked()

    def _looked(self, *_: object) -> None:
        page = self.pages[self.tabs.active]
        if not page.drawn:
            page.redraw()

    def view(self) -> Any:
        """Return the whole, its present tab drawn."""
        if pn.state.location is not None:
            self._follow_address(pn.state.location)
        self._looked()
        title = pn.pane.HTML(
            escape(self.study.name), styles={"font-size": "18px", "font-weight": "600"}, margin=(10, 8, 0, 8)
        )
        runs = len(self.study.runs)
        told = note(f"{runs} run{'s' * (runs != 1)}")
        side = pn.Column(title, told, *self.selection.widgets, width=270, margin=(0, 10))
        return pn.Row(side, self.tabs, sizing_mode="stretch_width")

    def _follow_address(self, location: Any) -> None:
        def ignore(_: dict[str, Any]) -> None:
            """Leave the default where an address asks for what this cube lacks."""

        for name, widget in self.selection.address().items():
            location.sync(widget, {"value": name}, on_error=ignore)
        location.sync(self.tabs, {"active": "tab"}, on_error=ignore)


def prepare() -> None:
    """Load what the pages need of Panel; every script and style comes from this machine."""
    pn.extension("tabulator", raw_css=[STYLE], inline=False)
