"""A button that locates the transitions of the series shown, without blocking the page."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from calque.data.errors import UserError
from calque.phases.explore.elements import button, message, progress_bar, row
from calque.phases.explore.located import Located

LOCATE = "Locate transitions"
Wanted = Callable[[], tuple[list[str], list[str], str]]
"""Returns the runs, the metrics and the split that are shown."""


class LocateButton:
    """A button with a progress bar and a message.

    Parameters
    ----------
    located : Located
        Takes the transitions.
    wanted : callable
        Returns what to locate.
    done : callable
        Called at the end, also after an error of the user's.
    """

    def __init__(self, located: Located, wanted: Wanted, done: Callable[[], None]) -> None:
        self.located, self.wanted, self.done = located, wanted, done
        self.button, self.bar, self.message = button(LOCATE), progress_bar(), message()
        self.button.on_click(self._clicked)
        self.served = True
        """Whether somebody can press it; not in a saved file."""

    @property
    def hint(self) -> str:
        """How transitions that are not known yet are had."""
        if self.served:
            return f"the button '{LOCATE}' finds them"
        return "save again with those of 'phases detect CUBE --json FILE': --detect FILE"

    @property
    def view(self) -> Any:
        """Button, progress bar and message in a row."""
        return row(self.button, self.bar, self.message, align="end", margin=0)

    async def _clicked(self, _: object) -> None:
        runs, metrics, split = self.wanted()
        at = [0, 1]

        def progress(done: int, total: int, what: str) -> None:
            at[:] = done, total

        self.button.disabled, self.bar.visible, self.message.object = True, True, ""
        work = asyncio.ensure_future(asyncio.to_thread(self.located.locate, runs, metrics, split, progress))
        try:
            while not work.done():
                self.bar.max, self.bar.value = max(1, at[1]), at[0]
                await asyncio.sleep(0.2)
            self.message.object = f"{work.result()} series located"
        except UserError as error:
            self.message.object = str(error)
        finally:
            self.button.disabled, self.bar.visible = False, False
        self.done()
