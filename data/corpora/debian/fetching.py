"""The packages: from the folder ``CALQUE_DEBS`` names, or fetched by ``apt-get`` and kept."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from calque.data.corpora.debian.archive import read_name
from calque.data.corpora.debian.files import PARTIAL, publish
from calque.data.errors import UserError
from calque.data.json_files import read_json_if_there, write_json

VARIABLE = "CALQUE_DEBS"
CHOICE = "chosen.json"
AT_ONCE = 8
OFFERED = re.compile(r"^'(?P<uri>[^']+)' (?P<file>\S+) (?P<size>\d+) SHA256:(?P<sha256>[0-9a-f]{64})$", re.MULTILINE)
REMEDY = f"or name a folder of .deb files in {VARIABLE}"
# Proxies and mirrors are those of the machine; root need not hand the folder to another user.
APT = ("apt-get", "-o", "APT::Sandbox::User=root", "-o", "Acquire::Retries=3", "-q", "-q")


@dataclass(frozen=True, kw_only=True)
class Package:
    """A package file.

    Attributes
    ----------
    name, version : str
    sha256 : str
        Of the file, in hexadecimal.
    file : str
        Its path.
    """

    name: str
    version: str
    sha256: str
    file: str


@dataclass(frozen=True, kw_only=True)
class PackageSelection:
    """The packages to read.

    Attributes
    ----------
    packages : dict of str to Package
        By what was wanted.
    fetched : bool
        Whether they come from ``apt-get`` (and may have to be fetched first) or from the user's folder.
    """

    packages: dict[str, Package]
    fetched: bool


def choose(wanted: Sequence[str], folder: Path, report: Callable[[str, int, int], None]) -> PackageSelection:
    """Choose the packages and their versions; none is fetched yet.

    Parameters
    ----------
    wanted : sequence of str
        Names; ``a|b`` is the first of them that there is.
    folder : path
        Where fetched packages are kept, and what is known of others.
    report : callable
        Called with what is done and how many of how many packages are done.

    Raises
    ------
    UserError
        When ``CALQUE_DEBS`` names no folder or one without any of them, or there is no ``apt-get`` or it knows none.
    """
    given = os.environ.get(VARIABLE)
    if given:
        return PackageSelection(packages=_from_folder(wanted, Path(given).expanduser(), folder, report), fetched=False)
    return PackageSelection(packages=_from_apt(wanted, folder, report), fetched=True)


def fetch(chosen: PackageSelection, folder: Path, report: Callable[[str, int, int], None]) -> None:
    """Fetch the packages that are missing, in batches; a package gets its name when it is complete and verified.

    Parameters
    ----------
    chosen : PackageSelection
        The packages, with versions and hashes.
    folder : Path
        Where packages are kept.
    report : callable
        Called with the step, the packages present, and the packages in all.

    Raises
    ------
    UserError
        When ``apt-get`` cannot fetch one, or it is another than was promised.
    """
    if not chosen.fetched:
        return
    partial = folder / f"fetching{PARTIAL}"
    partial.mkdir(exist_ok=True)
    packages = {package.name: package for package in chosen.packages.values()}
    _adopt(partial, packages)  # what a call that was killed had fetched
    missing = [package for package in packages.values() if not Path(package.file).exists()]
    for first in range(0, len(missing), AT_ONCE):
        group = missing[first : first + AT_ONCE]
        report(f"fetching {group[0].name} and others", len(packages) - len(missing) + first, len(packages))
        try:
            _run([*APT, "download", *(f"{package.name}={package.version}" for package in group)], partial)
            _adopt(partial, packages)
            for package in group:
                if not Path(package.file).exists():
                    raise UserError(
                        f"{package.name} {package.version} did not arrive with SHA-256 {package.sha256[:12]}; "
                        f"try again, {REMEDY}"
                    )
        except UserError:
            (folder / CHOICE).unlink()  # what the mirror no longer has is chosen anew
            raise
    shutil.rmtree(partial)


def _adopt(partial: Path, packages: dict[str, Package]) -> None:
    """Give the files that are whole their names; remove the others."""
    for path in sorted(partial.iterdir()):
        package = packages.get(path.name.partition("_")[0])
        if path.is_file() and package is not None:
            with path.open("rb") as file:
                whole = hashlib.file_digest(file, "sha256").hexdigest() == package.sha256
                os.fsync(file.fileno())
            if whole:
                publish(path, Path(package.file))
                continue
        path.unlink()


def _choose(wanted: Sequence[str], known: Iterable[str]) -> dict[str, str]:
    """Return the name chosen for each of ``wanted`` that has one."""
    known = set(known)
    chosen = {word: [name for name in word.split("|") if name in known] for word in wanted}
    return {word: names[0] for word, names in chosen.items() if names}


def _from_folder(
    wanted: Sequence[str], source: Path, folder: Path, report: Callable[[str, int, int], None]
) -> dict[str, Package]:
    if not source.is_dir():
        raise UserError(f"{VARIABLE} is {source}, no folder; expected a folder of .deb files")
    names = {name for word in wanted for name in word.split("|")}
    files = [path for path in sorted(source.glob("*.deb")) if path.name.partition("_")[0] in names]
    known = _Known(folder / "known.json")
    found: dict[str, Package] = {}
    for done, path in enumerate(files):
        report(f"reading {path.name}", done, len(files))
        package = known.package(path)
        if (other := found.get(package.name)) is not None and other.sha256 != package.sha256:
            raise UserError(
                f"{source} holds two versions of {package.name}: {Path(other.file).name} and {path.name}; keep one"
            )
        found[package.name] = package
    known.save()
    chosen = _choose(wanted, found)
    if not chosen:
        raise UserError(
            f"{VARIABLE} is {source}, which holds none of the {len(wanted)} packages; expected files such as "
            f"{wanted[0].split('|')[0]}_VERSION_all.deb (apt-get download {wanted[0].split('|')[0]} fetches one)"
        )
    return {word: found[name] for word, name in chosen.items()}


class _Known:
    """Cached hashes of package files, by path, size and modification time: hashing half a gigabyte takes seconds."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._entries: dict[str, list[str]] = read_json_if_there(path, dict[str, list[str]]) or {}
        self._changed = False

    def package(self, path: Path) -> Package:
        """Return name, version and hash of a package file."""
        state = path.stat()
        mark = f"{path.resolve()}\n{state.st_size}\n{state.st_mtime_ns}"
        if mark not in self._entries:
            named = read_name(path)
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            self._entries[mark] = [named.name, named.version, digest]
            self._changed = True
        name, version, digest = self._entries[mark]
        return Package(name=name, version=version, sha256=digest, file=str(path))

    def save(self) -> None:
        """Write the cache."""
        if self._changed:
            write_json(self._path, self._entries, sort_keys=True)


def _from_apt(wanted: Sequence[str], folder: Path, report: Callable[[str, int, int], None]) -> dict[str, Package]:
    """Return what was chosen by the first call: a later ``apt-get update`` does not change the corpus."""
    choice = read_json_if_there(folder / CHOICE, dict[str, Any]) or {}
    if choice.get("wanted") != list(wanted):
        report("asking apt-get which packages there are", 0, len(wanted))
        offered = _offered(wanted, folder)
        choice = {"wanted": list(wanted), "packages": {word: asdict(package) for word, package in offered.items()}}
        write_json(folder / CHOICE, choice, sort_keys=True)
    named = {word: Package(**entry) for word, entry in choice["packages"].items()}
    return {word: replace(package, file=str(folder / package.file)) for word, package in named.items()}


def _offered(wanted: Sequence[str], folder: Path) -> dict[str, Package]:
    if shutil.which(APT[0]) is None:
        raise UserError(f"there is no apt-get on this machine; use a Debian machine, {REMEDY}")
    names = [name for word in wanted for name in word.split("|")]
    known = _run(["apt-cache", "pkgnames"], folder).split()
    chosen = _choose(wanted, known)
    if not chosen:
        raise UserError(
            f"apt-get knows none of the {len(names)} packages; run 'apt-get update' as root on a Debian machine, "
            f"{REMEDY}"
        )
    with tempfile.TemporaryDirectory(dir=folder) as empty:  # apt-get is silent on files that are there
        listed = _run([*APT, "download", "--print-uris", *chosen.values()], Path(empty))
    offered: dict[str, Package] = {}
    for found in OFFERED.finditer(listed):
        name, _, rest = found["file"].partition("_")
        version = rest.rpartition("_")[0].replace("%3a", ":")
        offered[name] = Package(name=name, version=version, sha256=found["sha256"], file=found["file"])
    missing = [name for name in chosen.values() if name not in offered]
    if missing:
        raise UserError(
            f"apt-get offers no SHA-256 of {', '.join(missing[:3])}; run 'apt-get update' (as root), {REMEDY}"
        )
    return {word: offered[name] for word, name in chosen.items()}


def _run(command: Sequence[str], folder: Path) -> str:
    environment = {**os.environ, "LC_ALL": "C"}
    try:
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise UserError(f"there is no {command[0]} on this machine; use a Debian machine, {REMEDY}") from None
    if done.returncode:
        lines = (
            [line for line in done.stderr.splitlines() if line.startswith("E:")] or done.stderr.splitlines() or ["?"]
        )
        raise UserError(
            f"{command[0]} failed: {lines[0]}; run 'apt-get update' (as root) and see that the mirror can be reached, "
            f"{REMEDY}"
        )
    return done.stdout
