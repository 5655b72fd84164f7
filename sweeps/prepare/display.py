"""What a person sees while data is prepared."""

from __future__ import annotations

from calque.data.command_line.progress import ProgressDisplay
from calque.data.quantities import format_bytes
from calque.data.shards.shards import Progress


class PreparingDisplay(ProgressDisplay):
    """Shows the progress of a preparation on stderr within its context."""

    def __init__(self) -> None:
        super().__init__("parts")

    def take(self, progress: Progress) -> None:
        """Show ``progress``."""
        megabytes = f", {format_bytes(progress.text_bytes)}" if progress.text_bytes else ""
        self.show(progress.doing + megabytes, progress.parts_done, progress.parts or None, topic=progress.doing)
