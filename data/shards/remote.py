"""Token shards on any ``fsspec`` address (``s3://``, ``gs://``, ``file://``, ...), with a local folder as the cache.

Shards are read memory-mapped, so they are always used from a local folder; the address is where machines share them.
Every file appears there whole or not at all, and ``meta.json``, with the hashes of all others, comes last: where it
stands, the shards are complete. Interrupted transfers go on with the first file that is missing.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import fsspec
from fsspec.implementations.local import LocalFileSystem
from fsspec.spec import AbstractFileSystem

from calque.data.errors import UserError
from calque.data.files import remove_abandoned, sync_folder, temporary
from calque.data.locks import locked
from calque.data.shards.folder import META, TOKENIZER, Shards, file_name

BLOCK = 1 << 23
BEGUN = "begun.json"
"""Says whose files an address without ``meta.json`` holds."""


def shared(url: str, folder: Path, make: Callable[[], Shards]) -> Shards:
    """Return shards from a local folder, fetched from an address or made and put there.

    Parameters
    ----------
    url : str
        Address of these shards, such as ``s3://bucket/shards/hub-1f2e``.
    folder : Path
        Where they are, or will be, on this machine.
    make : callable
        Makes them in ``folder``; called when they are neither there nor at the address.

    Raises
    ------
    UserError
        As :func:`fetch` and :func:`publish`.
    """
    if not folder.exists() and is_complete(url):
        return fetch(url, folder)
    shards = Shards.open(folder) if folder.exists() else make()
    publish(shards, url)
    return shards


def is_complete(url: str) -> bool:
    """Return whether complete shards are at the ``fsspec`` address ``url``."""
    with _opened(url) as (files, root):
        return bool(files.exists(f"{root}/{META}"))


def publish(shards: Shards, url: str) -> None:
    """Copy a folder of shards to an address; nothing happens where it is complete already.

    Parameters
    ----------
    shards : Shards
        The local shards.
    url : str
        An address that ``fsspec`` can write, such as ``s3://bucket/name``.

    Raises
    ------
    UserError
        When other shards are at the address, or it cannot be written.
    """
    with _opened(url) as (files, root):
        there = _json(files, f"{root}/{META}")
        if there is not None:
            if there.get("fingerprint") != shards.fingerprint:
                raise UserError(f"{url} holds shards of other text, tokenizer or limits; choose another address")
            return
        files.makedirs(root, exist_ok=True)
        begun = {"fingerprint": shards.fingerprint}
        if _json(files, f"{root}/{BEGUN}") != begun:
            for name in _names(shards):
                if files.exists(f"{root}/{name}"):
                    files.rm_file(f"{root}/{name}")
            _put(files, f"{root}/{BEGUN}", [json.dumps(begun).encode()])
        for name in _names(shards):
            path, target = shards.folder / name, f"{root}/{name}"
            if not files.exists(target) or files.size(target) != path.stat().st_size:
                _put(files, target, _blocks(path))
        _put(files, f"{root}/{META}", [(shards.folder / META).read_bytes()])
        with suppress(FileNotFoundError):  # another machine put the same there
            files.rm_file(f"{root}/{BEGUN}")


def fetch(url: str, folder: Path) -> Shards:
    """Copy the shards at an address to a local folder, which appears when it is complete.

    Parameters
    ----------
    url : str
        An address that ``fsspec`` can read, such as ``s3://bucket/name``.
    folder : Path
        The local folder.

    Returns
    -------
    Shards
        The local shards.

    Raises
    ------
    UserError
        When there are no complete shards, a file is not what ``meta.json`` says, or the address cannot be read.
    """
    partial = folder.with_name(f".{folder.name}.fetch")
    with locked(partial / "lock"), _opened(url) as (files, root):
        if folder.exists():  # another process was first
            return Shards.open(folder)
        meta = _json(files, f"{root}/{META}")
        if meta is None:
            raise UserError(f"{url} holds no complete token shards ({META} is missing); make them, or name another")
        whole = partial / str(meta["fingerprint"])
        whole.mkdir(parents=True, exist_ok=True)
        for entry in meta["shards"]:
            name = file_name(entry["stream"], entry["split"])
            _get(files, f"{root}/{name}", whole / name, entry["sha256"])
        for name in (TOKENIZER, META):
            _get(files, f"{root}/{name}", whole / name, None)
        assert Shards.open(whole).tokenizer is not None  # which compares its hash
        sync_folder(whole)
        os.replace(whole, folder)
        sync_folder(folder.parent)
        shutil.rmtree(partial, ignore_errors=True)
    return Shards.open(folder)


@contextmanager
def _opened(url: str) -> Iterator[tuple[AbstractFileSystem, str]]:
    try:
        files, root = fsspec.core.url_to_fs(url)
        yield files, root.rstrip("/")
    except UserError:
        raise
    except ImportError as error:
        raise UserError(f"cannot open {url}: {error}") from None
    except (OSError, ValueError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(f"cannot use {url} ({reason}); look at the address, your access and the network") from error


def _names(shards: Shards) -> list[str]:
    held = [*shards.train.values(), *shards.heldout.values()]
    return [*(file_name(shard.stream, shard.split) for shard in held), TOKENIZER]


def _json(files: AbstractFileSystem, path: str) -> Any:
    try:
        return json.loads(files.cat_file(path))
    except FileNotFoundError:
        return None
    except ValueError:
        raise UserError(f"{path} is damaged; remove it, and run the same again") from None


def _put(files: AbstractFileSystem, path: str, blocks: Iterator[bytes] | list[bytes]) -> None:
    """Write a file that appears when it is complete."""
    if isinstance(files, LocalFileSystem):  # whose transactions copy from another disk
        partial = temporary(Path(path))
        remove_abandoned(Path(path))
        try:
            with partial.open("wb") as out:
                out.writelines(blocks)
                out.flush()
                os.fsync(out.fileno())
            os.replace(partial, path)
        finally:
            partial.unlink(missing_ok=True)
        return
    with files.transaction, files.open(path, "wb") as out:
        for block in blocks:
            out.write(block)


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            yield block


def _get(files: AbstractFileSystem, source: str, target: Path, sha256: str | None) -> None:
    if target.exists() and sha256 is not None:
        with target.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() == sha256:
                return
    found, partial = hashlib.sha256(), temporary(target)
    try:
        with files.open(source, "rb") as remote, partial.open("wb") as out:
            while block := remote.read(BLOCK):
                found.update(block)
                out.write(block)
            out.flush()
            os.fsync(out.fileno())
        if sha256 not in (None, found.hexdigest()):
            raise UserError(f"{source} is not what its {META} says; remove all of it there and have it made again")
        os.replace(partial, target)
    finally:
        partial.unlink(missing_ok=True)
