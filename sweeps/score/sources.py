"""Sources of models to score: a folder, a folder of folders, the hub's cache, the hub, or a trained run."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from difflib import get_close_matches
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Protocol

from calque.data.errors import UserError, nearest
from calque.data.quantities import plural
from calque.models.huggingface.weights import NAMES

COMMIT = re.compile(r"[0-9a-f]{40}")
HUB_NAME = re.compile(r"(?!\.)[\w.-]+/[\w.-]+")
ALIKE = 0.6
"""Likeness of two names of folders from which one is the other mistyped."""


class RevisionSource(Protocol):
    """The revisions of one model.

    Attributes
    ----------
    name : str
        Default name of the run in the cube.
    revisions : dict of str to str
        Commits by name, in the order of the source; empty strings where there are no commits.
    every : bool
        Whether all revisions are scored when the user names none.
    opening : str
        What getting a revision is, such as ``reading`` or ``fetching``.
    """

    name: str
    revisions: dict[str, str]
    every: bool
    opening: str

    def fetched(self, revision: str) -> AbstractContextManager[Path]:
        """Yield a folder with configuration, weights and tokenizer of ``revision``, valid within the context."""
        ...

    def described(self, revision: str) -> AbstractContextManager[Path]:
        """Yield a folder with configuration and tokenizer of ``revision``, its weights perhaps absent."""
        ...


class FolderSource:
    """A model in ``folder``, or one in each of its folders, as ``transformers`` saves them (``checkpoint-500``).

    A folder may have both, as a Trainer leaves it: the final model is then the last revision, called as the folder.

    Attributes
    ----------
    final : str, optional
        Name of the final model, where there are others in the folder's folders.
    """

    every = True
    opening = "reading"

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = folder = Path(folder)
        self.name = folder.absolute().name
        self.final: str | None = None
        whole = _has_weights(folder)
        is_model = _has_weights if whole else _is_model
        self.folders = {inner.name: inner for inner in _natural(folder.iterdir()) if is_model(inner)}
        if self.folders and whole:
            self.final = self.name if self.name not in self.folders else "."
            self.folders[self.final] = folder
        elif not self.folders and _is_model(folder):
            self.folders = {self.name: folder}
        self.revisions = dict.fromkeys(self.folders, "")

    @contextmanager
    def fetched(self, revision: str) -> Iterator[Path]:
        """Yield the folder of ``revision``."""
        yield self.folders[revision]

    described = fetched


class CacheSource:
    """A model in the hub's cache: a folder ``models--OWNER--NAME`` with ``refs`` and ``snapshots``.

    A revision is a branch or tag that has been fetched, or a commit that none of them points to.
    """

    every = True
    opening = "reading"

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = folder = Path(folder)
        self.name = folder.absolute().name.removeprefix("models--").replace("--", "/")
        refs = folder / "refs"
        named = {
            path.relative_to(refs).as_posix(): path.read_text(encoding="utf-8").strip()
            for path in _natural(refs.rglob("*"))
            if path.is_file()
        }
        commits = [path.name for path in sorted((folder / "snapshots").iterdir()) if path.is_dir()]
        self.revisions = {name: commit for name, commit in named.items() if commit in commits}
        self.revisions |= {commit: commit for commit in commits if commit not in named.values()}

    @contextmanager
    def fetched(self, revision: str) -> Iterator[Path]:
        """Yield the snapshot of ``revision``."""
        yield self.folder / "snapshots" / self.revisions[revision]

    described = fetched


def open_source(model: str | os.PathLike[str]) -> RevisionSource:
    """Return the source of a model's revisions.

    Parameters
    ----------
    model : str or path
        A path, or ``OWNER/NAME`` on the hub when there is neither such a path nor a folder ``OWNER``.

    Raises
    ------
    UserError
        When it is neither, or the folder holds no model.
    """
    model = str(model)
    folder = Path(model).expanduser()
    if not folder.is_dir():
        if folder.exists():
            raise UserError(f"{model} is a file; expected a folder with a model, or OWNER/NAME on the hub")
        if not HUB_NAME.fullmatch(model):
            raise UserError(f"there is no folder {model}; expected one, or OWNER/NAME on the hub{_near(folder)}")
        if folder.parent.is_dir():  # a path that was mistyped: the hub would be asked for nothing
            raise UserError(
                f"there is no folder {model}, and {folder.parent} is one here; expected a folder in it, or OWNER/NAME "
                f"on the hub where no folder is called OWNER{_near(folder)}"
            )
        from calque.sweeps.score.hub import HubSource

        return HubSource(model)
    if (folder / "run.nc").exists() or (folder / "weights").is_dir():
        from calque.sweeps.score.trained_run import TrainedRunSource

        return TrainedRunSource(folder)
    if (folder / "snapshots").is_dir():
        return CacheSource(folder)
    source = FolderSource(folder)
    if not source.revisions:
        inner = sorted(path.name for path in folder.iterdir() if (path / "snapshots").is_dir())
        runs = sorted(path.name for path in (folder / "runs").glob("*") if (path / "run.nc").exists())
        hint = f"; it is a cache: name one of its models, such as {folder / inner[0]}" if inner else ""
        hint = f"; it holds a study: name one of its runs, such as {folder / 'runs' / runs[0]}" if runs else hint
        raise UserError(f"{folder} holds no model (config.json and weights, in it or in its folders){hint}")
    return source


def choose_revisions(source: RevisionSource, revisions: str | None) -> tuple[list[str], bool]:
    """Return the revisions to score, in the order of the source, and whether the user named each of them.

    Parameters
    ----------
    source : RevisionSource
    revisions : str, optional
        Names or patterns such as ``step*``, separated by commas, or ``all``.

    Raises
    ------
    UserError
        When a name or pattern matches none, or none is given for a source that does not score all by default.
    """
    known = list(source.revisions)
    if revisions is None:
        if not source.every and len(known) > 1:
            raise UserError(
                f"{source.name} has {plural(len(known), 'revision')} ({', '.join(known[:4])}, ...); name those to "
                "score: `revisions` all, or 'step*', or names separated by commas"
            )
        return known, False
    if revisions == "all":
        return known, False
    found: list[str] = []
    patterns = [part.strip() for part in revisions.split(",") if part.strip()]
    for pattern in patterns:
        fits = [name for name in known if fnmatchcase(name, pattern)]
        if not fits:
            shown = ", ".join(known[:6]) + (", ..." if len(known) > 6 else "")
            raise UserError(f"{source.name} has no revision '{pattern}'; it has {shown}{nearest(pattern, known)}")
        found += fits
    if not found:
        raise UserError("`revisions` is empty; expected names, a pattern such as 'step*', or all")
    return [name for name in known if name in found], not any(set(pattern) & set("*?[") for pattern in patterns)


def _near(folder: Path) -> str:
    """Return the folder that may be meant by one that is missing: the nearest name where the path first goes wrong."""
    wrong = next((one for one in (folder, *folder.parents) if one.parent.is_dir()), folder)
    try:
        known = {path.name: path for path in wrong.parent.iterdir() if path.is_dir()}
    except OSError:
        return ""
    near = get_close_matches(wrong.name, known, n=1, cutoff=ALIKE)
    return f"; did you mean '{known[near[0]] / folder.relative_to(wrong)}'?" if near else ""


def _is_model(folder: Path) -> bool:
    return folder.is_dir() and any((folder / name).exists() for name in ("config.json", *NAMES))


def _has_weights(folder: Path) -> bool:
    return folder.is_dir() and any((folder / name).exists() for name in NAMES)


def _natural(paths: Iterator[Path]) -> Sequence[Path]:
    """Return paths in natural order: numbers in names are compared as numbers."""
    return sorted(paths, key=lambda path: [(not p.isdigit(), int(p) if p.isdigit() else 0, p) for p in _cut(path.name)])


def _cut(name: str) -> list[str]:
    return [part for part in re.split(r"(\d+)", name) if part]
