"""Progress display of scoring."""

from __future__ import annotations

from calque.sweeps.watch.bar import Bar


class ScoreDisplay(Bar):
    """Shows the progress of scoring on stderr within its context.

    Parameters
    ----------
    total : int
        Number of revisions.
    """

    def __init__(self, total: int) -> None:
        super().__init__("checkpoints", total)

    def doing(self, revision: str, what: str) -> None:
        """Show ``what`` is being done with ``revision``."""
        self.show(f"{revision}: {what}")

    def done(self, revision: str, how: str, count: int) -> None:
        """Show that ``revision``, number ``count``, is finished, and ``how``."""
        self.say(f"{revision}: {how}", count)
