"""Progress display of data preparation."""

from __future__ import annotations

from calque.data.shards.shards import Progress
from calque.sweeps.watch.bar import Bar


class PreparingDisplay(Bar):
    """Shows the progress of a preparation on stderr within its context; call it with the progress."""

    def __init__(self) -> None:
        super().__init__("parts")

    def __call__(self, progress: Progress) -> None:
        """Show ``progress``."""
        megabytes = f", {progress.text_bytes / 1e6:,.1f} MB" if progress.text_bytes else ""
        self.show(progress.doing + megabytes, progress.parts_done, progress.parts or None, topic=progress.doing)
