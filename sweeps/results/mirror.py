"""A run's folder kept at an address too: fetched before the run begins, copied back while it runs.

Training and scoring always write to a local folder. A thread copies what has changed to the address, every file whole,
and those that speak of others after them: weights and states, then ``run.nc``, then ``progress.json``. No state goes
there before the rows up to it. Another machine can therefore go on from the address wherever this one died.
"""

from __future__ import annotations

import re
import shutil
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from calque.data.errors import UserError
from calque.sweeps.results.remote import RemoteFolder

SECONDS_BETWEEN = 10.0
SECONDS_OF_PATIENCE = 900.0
STATE = re.compile(r"states/step-(\d+)")
LAST = ("run.nc", "progress.json")
FETCHED = (
    "run.nc", "run.previous.nc", "run.answers.parquet", "progress.json", "error.txt", "attempts.json", "provenance.json"
)  # fmt: skip


class Mirror:
    """A local folder and its copy at an address.

    Parameters
    ----------
    local : Path
    remote : RemoteFolder
    """

    def __init__(self, local: Path, remote: RemoteFolder) -> None:
        self.local, self.remote = local, remote
        self.sent: dict[str, tuple[int, int]] = {}

    def fetch(self) -> bool:
        """Copy what resuming needs from the address if training stands further there; return whether it did.

        How far it stands is the number in the newest state's name.
        """
        there = self.remote.names()
        here = [f"states/{path.name}" for path in self.local.glob("states/step-*")]
        if not there or (self.local.joinpath("run.nc").exists() and _newest(there) <= _newest(here)):
            return False
        shutil.rmtree(self.local / "states", ignore_errors=True)
        for name in there:
            if name in FETCHED or name.startswith("states/"):
                self.remote.get(name, self.local / name)
        return True

    def push(self) -> None:
        """Copy what has changed since the last call to the address; remove there what was removed here.

        Raises
        ------
        UserError
            When the address cannot be written; the next call goes on.
        """
        with tempfile.TemporaryDirectory(prefix="calque-mirror-") as folder:
            early = self._local_files()  # a state that comes later may be ahead of the rows
            frozen = {}
            for name in LAST:  # as they are before the files they speak of are copied
                if (self.local / name).exists():
                    frozen[name] = Path(shutil.copy2(self.local / name, Path(folder) / name))
            seen = self._local_files()
            ready = {n: p for n, p in seen.items() if n not in LAST and (n in early or not n.startswith("states/"))}
            for name, path in [*ready.items(), *frozen.items()]:
                self._push_file(name, path)
        for name in [name for name in self.sent if name not in seen]:
            self.remote.remove(name)
            del self.sent[name]

    def _push_file(self, name: str, path: Path) -> None:
        try:
            stat = path.stat()
            key = (stat.st_mtime_ns, stat.st_size)
            if self.sent.get(name) != key:
                self.remote.put(path, name)
                self.sent[name] = key
        except FileNotFoundError:  # an old state, removed meanwhile
            pass

    def _local_files(self) -> dict[str, Path]:
        paths = sorted(path for path in self.local.rglob("*") if path.is_file())
        found = {str(path.relative_to(self.local)): path for path in paths}
        return {name: path for name, path in found.items() if not any(part[0] == "." for part in Path(name).parts)}


def _newest(names: Iterable[str]) -> int:
    """Return the step of the newest state among files; -1 without one."""
    return max((int(found[1]) for name in names if (found := STATE.match(name))), default=-1)


@contextmanager
def mirrored(local: Path, remote: RemoteFolder, seconds: float = SECONDS_BETWEEN) -> Iterator[None]:
    """Fetch a run's folder, keep the address up to date within the context, and bring it up to date at the end.

    An address that is gone for a while does not stop the run: the copies are made up for when it is back.

    Parameters
    ----------
    local : Path
        The run's folder on this machine.
    remote : RemoteFolder
        Its folder at the address.
    seconds : float
        Between two copies.

    Raises
    ------
    UserError
        At the end, when the address could not be written for a quarter of an hour; the local folder holds everything.
    """
    mirror = Mirror(local, remote)
    mirror.fetch()
    stop = threading.Event()

    def keep() -> None:
        while not stop.wait(seconds):
            try:
                mirror.push()
            except UserError:  # told at the end if it lasts
                continue

    thread = threading.Thread(target=keep, name="mirror", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        _push_patiently(mirror)


def _push_patiently(mirror: Mirror) -> None:
    until = time.monotonic() + SECONDS_OF_PATIENCE
    while True:
        try:
            mirror.push()
            return
        except UserError as error:
            if time.monotonic() > until:
                raise UserError(f"{error}; everything is kept in {mirror.local}: run the same again") from error
            time.sleep(min(SECONDS_BETWEEN, SECONDS_OF_PATIENCE))
