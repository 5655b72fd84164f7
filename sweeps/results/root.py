"""The results root of a study: a folder, or an ``fsspec`` address with folders on this machine beside it."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from calque.data.errors import UserError
from calque.data.files import FolderGoneError, folder_gone, in_use, write_atomically
from calque.data.home import home
from calque.models.config import retention
from calque.sweeps.results.progress import THERE, read_progress
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
        self.fetch(MARKER)
        if not (self.folder / MARKER).exists():  # what is here is of a root that was removed
            shutil.rmtree(self.folder, ignore_errors=True)
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

        Raises
        ------
        FolderGoneError
            When the address was removed; it is not made again, except by its mark.
        """
        if self.remote is not None:
            if name != MARKER:
                self.check_there()
            self.remote.put(self.folder / name, name)

    def check_there(self) -> None:
        """Refuse an address whose mark is gone.

        Raises
        ------
        FolderGoneError
        """
        if self.remote is not None and not self.remote.exists(MARKER):
            raise folder_gone(self.place)

    @contextmanager
    def kept(self, run: RunConfig | None = None) -> Iterator[None]:
        """Within the context the results root is not made again once it was removed.

        Parameters
        ----------
        run : RunConfig, optional
            Whose folder on this machine is written, and copied to an address from there.

        Raises
        ------
        FolderGoneError
            When it was removed.
        """
        if self.remote is None:
            with in_use(self.folder / MARKER):
                yield
        elif run is not None:
            with in_use(self._local_marker(run), self.place):
                yield
        else:
            try:
                yield
            except Exception as error:
                if not isinstance(error, FolderGoneError) and self._is_gone():  # whatever failed, this is why
                    raise folder_gone(self.place) from error
                raise
            self.check_there()

    def _is_gone(self) -> bool:
        try:
            return self.remote is not None and not self.remote.exists(MARKER)
        except UserError:  # a store that does not answer is not known to be gone
            return False

    def _local_marker(self, run: RunConfig) -> Path:
        return self._here / "work" / "runs" / run.name / THERE

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

        work, folder = self._here / "work", f"runs/{run.name}"
        self.check_there()
        marker, check = self._local_marker(run), ResultsRoot(self.place).check_there  # the thread has a root of its own
        stays = partial(retention.stays, run.training.keep_weights, planned=run.checkpoint_steps())
        write_atomically(marker, b"")
        with (
            self.kept(run),
            mirrored(
                work / folder,
                self._remote(f"/{folder}"),
                stays=stays,
                check=check,
                gone=partial(marker.unlink, missing_ok=True),
                keeps=partial(retention.kept_steps, run.training.keep_weights, planned=run.checkpoint_steps()),
            ) as mirror,
        ):
            yield work
        if read_progress(work, run).state == "done":
            mirror.clear()
