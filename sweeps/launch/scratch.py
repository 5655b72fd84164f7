"""The temporary folder of a launch: Ray's session and Tune's notes. What a killed launch left, the next one removes."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from calque.data.errors import UserError
from calque.data.locks import locked
from calque.sweeps.launch.errors import LaunchError

PREFIX = "calque-ray-"
LONGEST_SOCKET = 107 if sys.platform == "linux" else 103
"""Bytes of the path of a Unix socket."""
BELOW = len(f"/{PREFIX}12345678/r/session_2026-11-30_23-59-59_999999_4194304/sockets/plasma_store")
"""What Ray adds to the folder that temporary folders are made in."""
UNLOCKED_SECONDS = 60.0
"""A folder without its lock is so new that its owner has not taken it yet, or its owner was killed there."""


@dataclass(kw_only=True)
class Scratch:
    """The temporary folder of one launch.

    Attributes
    ----------
    folder : Path
        Its path is short enough for Ray's sockets, wherever ``TMPDIR`` is.
    keep : bool
        Whether it stays when the launch ends, because Ray's logs are wanted; the next launch removes it.
    """

    folder: Path
    keep: bool = False

    @property
    def ray(self) -> Path:
        """Ray's own part of it. Ray lets everybody write there, so that the folder above must let nobody in."""
        return self.folder / "r"

    @property
    def logs(self) -> Path:
        """Where Ray writes its logs."""
        return self.ray / "session_latest" / "logs"


@contextmanager
def scratch() -> Iterator[Scratch]:
    """Yield a new temporary folder; remove it at the end, and before it those of launches that were killed.

    Raises
    ------
    LaunchError
        When there is no folder for temporary files whose path is short enough.
    """
    base = _base()
    remove_dead(base)
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=base))
    made = Scratch(folder=folder)
    with locked(folder / "lock", wait=0):
        try:
            yield made
        finally:
            if not made.keep:
                shutil.rmtree(folder, ignore_errors=True)


def remove_dead(base: Path) -> None:
    """Remove the temporary folders of launches that no longer run: this user's, whose lock nobody holds.

    Parameters
    ----------
    base : Path
        Where temporary folders are made.
    """
    for folder in base.glob(f"{PREFIX}*"):
        try:
            status = folder.lstat()
            if status.st_uid != os.getuid() or folder.is_symlink() or not folder.is_dir():
                continue
            if not (folder / "lock").exists() and time.time() - status.st_mtime < UNLOCKED_SECONDS:
                continue
            with locked(folder / "lock", wait=0):
                shutil.rmtree(folder, ignore_errors=True)
        except (OSError, UserError):  # it went meanwhile, or its launch runs
            continue


def _base() -> Path:
    """Return the first folder for temporary files that can be written and whose path is short enough."""
    wanted = [os.environ.get("RAY_TMPDIR", ""), tempfile.gettempdir(), "/tmp", "/var/tmp"]
    for place in filter(None, wanted):
        folder = Path(place).absolute()
        if len(os.fsencode(folder)) + BELOW <= LONGEST_SOCKET and folder.is_dir() and os.access(folder, os.W_OK):
            return folder
    most = LONGEST_SOCKET - BELOW
    raise LaunchError(
        f"no folder for temporary files that can be written has a path of at most {most} bytes, which Ray needs for "
        "its sockets; set RAY_TMPDIR to such a folder"
    )
