"""One revision of many: what hinders it is recorded, and the others go on."""

from __future__ import annotations

from collections.abc import Callable

from calque.data.errors import FULL, DiskError, UserError, file_error
from calque.models.huggingface.config_file import brief

REASON = 220
"""Most characters of a reason: the message around it stays below what is shown of one."""


def attempted(do: Callable[[], str], revision: str, failed: dict[str, str], otherwise: str) -> str:
    """Return what ``do`` says was done with a revision, or record why it could not be; only a full disk ends the whole.

    Parameters
    ----------
    do : callable
        Does it, and returns a phrase.
    revision : str
    failed : dict of str to str
        Gains the reason.
    otherwise : str
        The phrase where it could not be done.

    Raises
    ------
    DiskError, OSError
        When the disk is full.
    """
    try:
        return do()
    except DiskError:
        raise
    except UserError as error:
        why = brief(error, REASON)
    except OSError as error:
        if error.errno in FULL:
            raise
        why = brief(file_error(error), REASON)
    except BaseException as error:  # of transformers, torch and tokenizers, whose panics are no Exceptions
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        why = f"{type(error).__name__}: {brief(error, REASON - 60)}; get it again, or leave it out"
    failed[revision] = why
    return otherwise
