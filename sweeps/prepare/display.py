"""What a person sees while data is prepared."""

from __future__ import annotations

from calque.data.shards.shards import Progress
from calque.sweeps.watch.bar import Bar


class PreparingDisplay(Bar):
    """Shows how a preparation stands, on stderr, from entering to leaving the context; call it with the standing."""

    def __init__(self) -> None:
        super().__init__("parts")

    def __call__(self, progress: Progress) -> None:
        """Take a standing."""
        megabytes = f", {progress.text_bytes / 1e6:,.1f} MB" if progress.text_bytes else ""
        self.show(progress.doing + megabytes, progress.parts_done, progress.parts or None, topic=progress.doing)
