"""The results root of a study: a folder, or an ``fsspec`` address with folders on this machine beside it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from calque.data.files import in_use
from calque.data.home import home
from calque.sweeps.study.run_config import RunConfig
from calque.sweeps.study.study import is_address

if TYPE_CHECKING:
    from calque.sweeps.results.remote import RemoteFolder

MARKER = "study.json"
"""Says whose the results are (``calque.sweeps.results.claim``)."""


class ResultsRoot:
    """Where a study's results stand.

    Parameters
    ----------
    place : str
        An absolute path, or an address such as ``s3://bucket/full``.

    Attributes
    ----------
    place : str
    folder : Path
        What to read: the folder itself, or this machine's view of the address, which :meth:`refresh` brings up to date.
    """

    def __init__(self, place: str) -> None:
        self.place = place.rstrip("/") if is_address(place) else place
        self.remote = self._remote() if is_address(place) else None
        key = hashlib.sha256(self.place.encode()).hexdigest()[:12]
        self._here = home() / "results" / key
        self.folder = Path(place) if self.remote is None else self._here / "view"

    def _remote(self, below: str = "") -> RemoteFolder:
        from calque.sweeps.results.remote import RemoteFolder

        return RemoteFolder(self.place + below)

    def __str__(self) -> str:
        return self.place

    def refresh(self, runs: Iterable[RunConfig], cubes: bool = False) -> None:
        """Fetch where the runs stand, and with ``cubes`` their cubes so far; nothing to do for a folder.

        What is no longer at the address is removed here.
        """
        if self.remote is None:
            return
        self.fetch("study.json")
        names = self.remote.names()
        wanted = ("progress.json", "run.nc", "run.answers.parquet") if cubes else ("progress.json",)
        for run in runs:
            for name in wanted:
                if f"runs/{run.name}/{name}" in names:
                    self.fetch(f"runs/{run.name}/{name}")
                else:
                    (self.folder / "runs" / run.name / name).unlink(missing_ok=True)

    def fetch(self, name: str) -> None:
        """Fetch one file into ``folder``, or remove it there where the address has none.

        Parameters
        ----------
        name : str
            Below the results root.
        """
        if self.remote is not None and not self.remote.get(name, self.folder / name):
            (self.folder / name).unlink(missing_ok=True)

    def publish(self, name: str) -> None:
        """Copy one file of ``folder`` to the address.

        Parameters
        ----------
        name : str
            Below the results root.
        """
        if self.remote is not None:
            self.remote.put(self.folder / name, name)

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Within the context the folder is not made again once it was removed; an address is left to itself.

        Raises
        ------
        FolderGoneError
            When it was removed.
        """
        with nullcontext() if self.remote is not None else in_use(self.folder / MARKER):
            yield

    @contextmanager
    def working(self, run: RunConfig) -> Iterator[Path]:
        """Give the folder in which a run may be trained: ``runs/NAME`` in it is copied to the address meanwhile.

        Parameters
        ----------
        run : RunConfig

        Raises
        ------
        FolderGoneError
            When the folder is not there any more; it is not made again.
        """
        if self.remote is None:
            with self.kept():
                yield self.folder
            return
        from calque.sweeps.results.mirror import mirrored

        work = self._here / "work"
        with mirrored(work / "runs" / run.name, self._remote(f"/runs/{run.name}")):
            yield work
