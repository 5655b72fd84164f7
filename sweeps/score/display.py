"""What a person sees while revisions are scored."""

from __future__ import annotations

from calque.data.command_line.progress import ProgressDisplay

PARTS = {"words": "words", "nonce": "words", "minimal_pairs": "minimal pairs", "loss": "held-out text"}
"""Parts of a scoring, for a person."""


class ScoreDisplay(ProgressDisplay):
    """Shows the progress of scoring on stderr within its context.

    Parameters
    ----------
    total : int
        Revisions in all.
    """

    def __init__(self, total: int) -> None:
        super().__init__("checkpoints", total)

    def doing(self, revision: str, what: str) -> None:
        """Show what is done with a revision now."""
        self.show(f"{revision}: {what}")

    def part(self, revision: str, part: str, done: int, of: int) -> None:
        """Show that ``done`` of ``of`` items of a ``part`` of scoring a revision are finished."""
        self.show(f"{revision}: {PARTS[part]} {100 * done // max(1, of)} %", topic=part)

    def done(self, revision: str, how: str, count: int) -> None:
        """Show that a revision is finished.

        Parameters
        ----------
        revision : str
            Its name.
        how : str
            What was done, in a few words.
        count : int
            Revisions that are finished.
        """
        self.say(f"{revision}: {how}", count)
