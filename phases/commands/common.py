"""What several subcommands need: output files, a progress bar."""

from __future__ import annotations

from pathlib import Path

from data.errors import UserError


def check_output(path: Path) -> None:
    """Refuse a file that cannot be written, before any work is done."""
    if not path.absolute().parent.is_dir():
        raise UserError(f"cannot write {path}: its folder does not exist; make it or choose another")
    if path.is_dir():
        raise UserError(f"cannot write {path}: it is a folder; name a file")


class Bar:
    """A progress bar on standard error."""

    def __enter__(self) -> Bar:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self.progress = Progress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
            console=Console(stderr=True), transient=True,
        )  # fmt: skip
        self.progress.start()
        self.task = self.progress.add_task("series", total=None)
        return self

    def __call__(self, done: int, total: int, what: str) -> None:
        """Show that ``done`` of ``total`` series are finished and ``what`` comes next."""
        self.progress.update(self.task, completed=done, total=total, description=what)

    def __exit__(self, *_: object) -> None:
        self.progress.stop()
