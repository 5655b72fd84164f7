"""A run's folder kept at an address too: fetched before the run begins, copied back while it runs.

Training and scoring always write to a local folder. A thread copies what has changed to the address, every file whole,
and those that speak of others after them: weights and states, then ``run.nc``, then ``progress.json``. No state goes
there before the rows up to it. Another machine can therefore go on from the address wherever this one died.

Weights that are there, and that the run's retention keeps for good, are removed here, all but the newest: the disk of a
node holds the runs at work, and not the study.
"""

from __future__ import annotations

import re
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from calque.data.errors import UserError
from calque.data.files import FolderGoneError
from calque.models.checkpoints.digests import digest_file
from calque.models.config import retention
from calque.models.training.monitoring import step_log
from calque.sweeps.results.progress import COPIED, FROM, THERE
from calque.sweeps.results.remote import RemoteFolder

SECONDS_BETWEEN = 10.0
SECONDS_OF_PATIENCE = 900.0
STATE = re.compile(r"states/step-(\d+)")
WEIGHTS = re.compile(r"weights/step-(\d+)\.safetensors")
LAST = ("run.nc", "progress.json")
STEPS = step_log.FILE
"""The log of all steps: it goes there before the states, which are of steps that it has."""
FETCHED = (
    "run.nc", "run.previous.nc", "run.answers.parquet", "progress.json", "error.txt", "attempts.json",
    "provenance.json", STEPS,
)  # fmt: skip


class Mirror:
    """A local folder and its copy at an address.

    Parameters
    ----------
    local : Path
    remote : RemoteFolder
    stays : callable
        Whether the weights of a step stay for good; those are removed here once they are there.
    check : callable
        Called before a file is copied there; raises ``FolderGoneError`` where nothing is to be written any more.
    keeps : callable, optional
        Takes the steps whose weights were written so far, ascending, and returns those that are kept. With it weights
        that another node copied there are removed there when they are not kept any more.
    """

    def __init__(
        self, local: Path, remote: RemoteFolder, stays: Callable[[int], bool] = lambda step: False,
        check: Callable[[], None] = lambda: None, keeps: Callable[[Sequence[int]], set[int]] | None = None,
    ) -> None:  # fmt: skip
        self.local, self.remote, self.stays, self.check, self.keeps = local, remote, stays, check, keeps
        self.sent: dict[str, tuple[int, int]] = {}
        self.of_others: dict[int, str] = {}

    def fetch(self) -> bool:
        """Copy what resuming needs from the address if training stands further there; return whether it did.

        How far it stands is the number in the newest state's name. Where the address has nothing of a run whose weights
        were copied there and removed here, it was removed since: nothing of the run is left that is whole.
        """
        there = self.remote.names()
        weights = {int(found[1]): name for name in there if (found := WEIGHTS.fullmatch(name))}
        self.of_others = {step: name for step, name in weights.items() if not (self.local / name).exists()}
        if not there and (self.local / COPIED).exists():
            for path in self.local.iterdir():
                if path.name != THERE:
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
            return False
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
        FolderGoneError
            When the address was removed; nothing more is written there.
        """
        with tempfile.TemporaryDirectory(prefix="calque-mirror-") as folder:
            early = self._local_files()  # a state that comes later may be ahead of the rows
            frozen = {}
            for name in LAST:  # as they are before the files they speak of are copied
                if (self.local / name).exists():
                    frozen[name] = Path(shutil.copy2(self.local / name, Path(folder) / name))
            seen = self._local_files()
            ready = {n: p for n, p in seen.items() if n not in LAST and (n in early or not n.startswith("states/"))}
            for name, path in [*self._steps(ready), *ready.items(), *frozen.items()]:
                self._push_file(name, path)
        for name in [name for name in self.sent if name not in seen]:
            self.remote.remove(name)
            del self.sent[name]
        self._remove_copied(seen)
        self._remove_of_others(seen)

    def _steps(self, ready: dict[str, Path]) -> list[tuple[str, Path]]:
        """Take the log of steps out of what is ``ready``; return it where something else is new, to be copied first.

        It grows all the time, and nobody needs it there more often than a checkpoint.
        """
        path = ready.pop(STEPS, None)
        if path is None or all(self.sent.get(name) == _key(other) for name, other in ready.items()):
            return []
        return [(STEPS, path)]

    def _remove_copied(self, seen: Iterable[str]) -> None:
        """Remove weights here that stay there, all but the newest."""
        there = {int(found[1]): name for name in seen if (found := WEIGHTS.fullmatch(name))}
        for step in sorted(there)[: -retention.BESIDE_AN_ADDRESS]:
            names = [there[step], digest_file(there[step]).as_posix()]
            copied = all(name in self.sent and self.sent[name] == _key(self.local / name) for name in names)
            if copied and self.stays(step):
                (self.local / COPIED).touch()
                for name in names:
                    (self.local / name).unlink(missing_ok=True)
                    del self.sent[name]  # or it would count as removed by the run, and be removed there

    def _remove_of_others(self, seen: Iterable[str]) -> None:
        """Remove weights there that another node copied, and that are not kept any more: this node never had them."""
        if self.keeps is None or not self.of_others:
            return
        here = {int(found[1]) for name in seen if (found := WEIGHTS.fullmatch(name))}
        kept = self.keeps(sorted(here | set(self.of_others)))
        for step in [step for step in self.of_others if step not in kept and step not in here]:
            name = self.of_others.pop(step)
            self.remote.remove(name)
            self.remote.remove(digest_file(name).as_posix())

    def clear(self) -> None:
        """Remove all weights and states here; what says how the run went stays."""
        (self.local / COPIED).touch()
        for name in ("weights", "states", FROM):
            shutil.rmtree(self.local / name, ignore_errors=True)

    def _push_file(self, name: str, path: Path) -> None:
        try:
            key = _key(path)
            if key is not None and self.sent.get(name) != key:
                self.check()
                self.remote.put(path, name)
                try:
                    self.check()
                except FolderGoneError:  # it was removed meanwhile
                    self.remote.remove(name)
                    raise
                self.sent[name] = key
        except FileNotFoundError:  # an old state, removed meanwhile
            pass

    def _local_files(self) -> dict[str, Path]:
        paths = sorted((path for path in self.local.rglob("*") if path.is_file()), key=_sums_last)
        found = {str(path.relative_to(self.local)): path for path in paths}
        return {name: path for name, path in found.items() if not any(part[0] == "." for part in Path(name).parts)}


def _sums_last(path: Path) -> tuple[bool, Path]:
    """Return what sorts files of sums after all that they are of: where one is, the others are."""
    return path.suffix == digest_file(path.stem).suffix, path


def _key(path: Path) -> tuple[int, int] | None:
    """Return what tells whether a file has changed; None where there is none."""
    try:
        stat = path.stat()
    except FileNotFoundError:
        return None
    return stat.st_mtime_ns, stat.st_size


def _newest(names: Iterable[str]) -> int:
    """Return the step of the newest state among files; -1 without one."""
    return max((int(found[1]) for name in names if (found := STATE.match(name))), default=-1)


@contextmanager
def mirrored(
    local: Path, remote: RemoteFolder, seconds: float | None = None,
    stays: Callable[[int], bool] = lambda step: False, check: Callable[[], None] = lambda: None,
    gone: Callable[[], None] = lambda: None, keeps: Callable[[Sequence[int]], set[int]] | None = None,
) -> Iterator[Mirror]:  # fmt: skip
    """Fetch a run's folder, keep the address up to date within the context, and bring it up to date at the end.

    An address that is gone for a while does not stop the run: the copies are made up for when it is back.

    Parameters
    ----------
    local : Path
        The run's folder on this machine.
    remote : RemoteFolder
        Its folder at the address.
    seconds : float, optional
        Between two copies; ``SECONDS_BETWEEN`` when None.
    stays, check, keeps : callable
        As of :class:`Mirror`.
    gone : callable
        Called, from another thread, when ``check`` raised a ``FolderGoneError``.

    Raises
    ------
    UserError
        At the end, when the address could not be written for a quarter of an hour; the local folder holds everything.
    FolderGoneError
        At the end, when ``check`` raises it.
    """
    mirror = Mirror(local, remote, stays, check, keeps)
    mirror.fetch()
    stop = threading.Event()

    def keep() -> None:
        while not stop.wait(SECONDS_BETWEEN if seconds is None else seconds):
            try:
                mirror.push()
            except FolderGoneError:
                gone()
                return
            except UserError:  # told at the end if it lasts
                continue

    thread = threading.Thread(target=keep, name="mirror", daemon=True)
    thread.start()
    try:
        yield mirror
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
        except FolderGoneError:
            raise
        except UserError as error:
            if time.monotonic() > until:
                raise UserError(f"{error}; everything is kept in {mirror.local}: run the same again") from error
            time.sleep(min(SECONDS_BETWEEN, SECONDS_OF_PATIENCE))
