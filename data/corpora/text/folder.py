"""The files of a user's folder, by language; what does not belong there is refused before anything is read."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from calque.data.corpora.text.config import TextConfig
from calque.data.corpora.text.documents import EXPECTED, ignored, kind
from calque.data.errors import UserError, nearest
from calque.data.languages import LANGUAGES

LAYOUT = "expected a folder a language with text in it, such as en/wiki.txt and de/news.jsonl.gz"
REMOVE = "remove it, or let its name begin with a dot to have it passed over"
BESIDE = ("readme", "license", "licence", "notice", "copying", "changelog")
"""Names, up to their first dot, of files that stand beside text and are none."""
DEEPEST = 32


@dataclass(frozen=True, kw_only=True)
class TextFile:
    """A file of text.

    Attributes
    ----------
    path : Path
    name : str
        Below the corpus's folder, with ``/`` between.
    bytes, changed : int
        Size and time of the last change, ns since 1970.
    """

    path: Path
    name: str
    bytes: int
    changed: int


def text_files(config: TextConfig) -> dict[str, tuple[TextFile, ...]]:
    """Return the files of each language of the configuration, sorted by name.

    Parameters
    ----------
    config : TextConfig
        The folder, and the languages to read.

    Returns
    -------
    dict of str to tuple of TextFile
        Files by language.

    Raises
    ------
    UserError
        When the folder is not laid out as expected, a language has no file, or a file is empty, a link to
        elsewhere or of an unknown kind.
    """
    if not config.folder:
        raise UserError(f"the text corpus needs a folder; {LAYOUT}: set text.folder")
    root = Path(config.folder).expanduser()
    if not root.is_dir():
        raise UserError(f"{root} is {'no folder' if root.exists() else 'missing'}; {LAYOUT}")
    try:
        with os.scandir(root) as entries:
            found = sorted(entry.name for entry in entries if _is_language(entry, root))
    except OSError as error:
        raise UserError(
            f"cannot read {error.filename or root}: {error.strerror}; mend it, or set text.folder"
        ) from None
    if not found:
        raise UserError(f"{root} has no folder of a language; {LAYOUT}")
    absent = [code for code in config.languages if code not in found]
    if absent:
        raise UserError(
            f"{root} has no folder {absent[0]}/; expected one for each of {', '.join(config.languages)}: add it, or "
            f"set text.languages to [{', '.join(found)}]"
        )
    files = {code: tuple(sorted(_files(root, root / code), key=lambda file: file.name)) for code in config.languages}
    for code, own in files.items():
        if not own:
            raise UserError(
                f"the folder {root / code} has no text; {EXPECTED}: add some, or leave '{code}' out of text.languages"
            )
    return files


def _is_language(entry: os.DirEntry[str], root: Path) -> bool:
    if ignored(entry.name):
        return False
    if entry.is_dir():
        if entry.name not in LANGUAGES:
            known = list(LANGUAGES)
            raise UserError(
                f"{root / entry.name} is the folder of no known language; expected one of {', '.join(known)}"
                f"{nearest(entry.name, known)}; {REMOVE}"
            )
        _check_link(Path(entry.path), root)
        return True
    if kind(entry.name) and not _stands_beside(entry.name):
        raise UserError(f"{root / entry.name} is in no language's folder; {LAYOUT}: move it, or {REMOVE}")
    return False


def _stands_beside(name: str) -> bool:
    return name.lower().split(".")[0] in BESIDE


def _files(root: Path, folder: Path) -> Iterator[TextFile]:
    try:
        with os.scandir(folder) as scanned:
            entries = list(scanned)
    except OSError as error:
        raise UserError(f"cannot read the folder {folder}: {error.strerror}; mend it, or {REMOVE}") from None
    for entry in entries:
        path = Path(entry.path)
        name = path.relative_to(root).as_posix()
        if ignored(entry.name):
            continue
        _check_link(path, root)
        if entry.is_dir():
            if entry.is_symlink():
                raise UserError(f"{path} is a link to a folder; expected folders and files: {REMOVE}")
            if name.count("/") > DEEPEST:
                raise UserError(f"{path} is more than {DEEPEST} folders deep; expected fewer: {REMOVE}")
            yield from _files(root, path)
        elif _stands_beside(entry.name):
            continue
        else:
            yield _file(path, name)


def _check_link(path: Path, root: Path) -> None:
    """Refuse a link that leads out of the folder, or nowhere."""
    if not path.is_symlink():
        return
    target = Path(os.path.realpath(path))
    if not target.is_relative_to(root.resolve()):
        raise UserError(
            f"{path} is a link out of the folder, to {target}; expected all text within {root}: copy it there"
        )
    if not target.exists():
        raise UserError(f"{path} is a link to {target}, which is missing; {REMOVE}")


def _file(path: Path, name: str) -> TextFile:
    try:
        name.encode()
    except UnicodeEncodeError:
        raise UserError(f"the name of {ascii(str(path))} is no UTF-8; expected a name that is: rename it") from None
    if not kind(name):
        raise UserError(f"{path} is no file of text that can be read; {EXPECTED}: convert it, {REMOVE}")
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise UserError(f"{path} is no regular file; expected a file of text: {REMOVE}")
    if not status.st_size:
        raise UserError(f"{path} is empty; expected text: fetch it again, {REMOVE}")
    return TextFile(path=path, name=name, bytes=status.st_size, changed=status.st_mtime_ns)
