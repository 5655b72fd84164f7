"""Files at an ``fsspec`` address (``s3://``, ``gs://``, ``file://``, ...): each is there whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import fsspec
from fsspec.implementations.local import LocalFileSystem
from fsspec.spec import AbstractFileSystem

from calque.data.errors import UserError
from calque.data.files import replacing

BLOCK = 1 << 23


class RemoteFolder:
    """A folder at an address, used by one thread at a time.

    Parameters
    ----------
    address : str
        Such as ``s3://bucket/results/full``.

    Raises
    ------
    UserError
        From every method: when the address cannot be used now.
    """

    def __init__(self, address: str) -> None:
        self.address = address.rstrip("/")
        with self._errors_named():
            # not shared with others: a file system has one transaction at a time
            files, root = fsspec.core.url_to_fs(self.address, skip_instance_cache=True)
        self.files: AbstractFileSystem = files
        self.root = root.rstrip("/")

    def names(self) -> dict[str, int]:
        """Return the files below, by their path in the folder, with their sizes in bytes."""
        with self._errors_named():
            self.files.invalidate_cache()
            try:
                found = self.files.find(self.root, detail=True)
            except FileNotFoundError:
                return {}
        return {name.removeprefix(self.root).lstrip("/"): int(entry["size"]) for name, entry in found.items()}

    def exists(self, name: str) -> bool:
        """Return whether there is this file.

        Parameters
        ----------
        name : str
            Below the address, with ``/`` between folders.
        """
        with self._errors_named():
            self.files.invalidate_cache()
            return bool(self.files.exists(f"{self.root}/{name}"))

    def put(self, path: Path, name: str) -> None:
        """Copy a local file there; it replaces what was there when it is complete.

        Parameters
        ----------
        path : Path
            The local file.
        name : str
            Below the address, with ``/`` between folders.
        """
        target = f"{self.root}/{name}"
        with self._errors_named(), path.open("rb") as file:
            if isinstance(self.files, LocalFileSystem):  # whose transactions copy from another disk
                with replacing(Path(target)) as partial, partial.open("wb") as out:
                    while block := file.read(BLOCK):
                        out.write(block)
                return
            self.files.makedirs(os.path.dirname(target), exist_ok=True)
            with self.files.transaction, self.files.open(target, "wb") as out:
                while block := file.read(BLOCK):
                    out.write(block)

    def get(self, name: str, path: Path) -> bool:
        """Copy a file from there, and return whether it was there.

        Parameters
        ----------
        name : str
            Below the address, with ``/`` between folders.
        path : Path
            Where the copy is written, whole or not at all.
        """
        with self._errors_named():
            try:
                with self.files.open(f"{self.root}/{name}", "rb") as file, replacing(path) as partial:
                    with partial.open("wb") as out:
                        while block := file.read(BLOCK):
                            out.write(block)
            except FileNotFoundError:
                return False
        return True

    def remove(self, name: str) -> None:
        """Remove a file if it is there.

        Parameters
        ----------
        name : str
            Below the address, with ``/`` between folders.
        """
        with self._errors_named():
            try:
                self.files.rm_file(f"{self.root}/{name}")
            except FileNotFoundError:
                pass

    @contextmanager
    def _errors_named(self) -> Iterator[None]:
        try:
            yield
        except UserError:
            raise
        except ImportError as error:
            raise UserError(f"cannot open {self.address}: {error}") from None
        except (OSError, ValueError) as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise UserError(
                f"cannot use {self.address} ({reason}); look at the address, your access and the network"
            ) from error
