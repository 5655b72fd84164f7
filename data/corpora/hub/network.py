"""Retries of requests to the hub, and one-line errors for its answers."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from calque.data.errors import UserError

T = TypeVar("T")
FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0
TOO_MANY, SERVER_ERRORS = 429, 500


def is_network_error(error: BaseException) -> bool:
    """Return whether a retry after ``error`` may help: no answer, or a server that is busy or broken."""
    if isinstance(error, OfflineModeIsEnabled):
        return False
    if isinstance(error, HfHubHTTPError):
        status = getattr(error.response, "status_code", SERVER_ERRORS)
        return status == TOO_MANY or status >= SERVER_ERRORS
    if isinstance(error, (ConnectionError, TimeoutError)):
        return True
    module = type(error).__module__.partition(".")[0]  # clients of the libraries at hand, which they may exchange
    return module in ("httpx", "httpx2", "httpcore", "httpcore2", "aiohttp", "requests", "urllib3")


class RetryPolicy:
    """Waits longer after each failure in a row, and gives up after ``attempts`` of them.

    Parameters
    ----------
    what : str
        What is requested, for the error.
    attempts : int
        Most requests in a row that may fail.
    """

    def __init__(self, what: str, attempts: int) -> None:
        self.what, self.attempts, self.failures = what, attempts, 0

    def progressed(self) -> None:
        """Reset the number of failures."""
        self.failures = 0

    def failed(self, error: Exception) -> None:
        """Wait before a retry, if one may help after ``error``.

        Raises
        ------
        UserError
            When there were ``attempts`` failures, or the hub refuses; other errors are raised unchanged.
        """
        if not is_network_error(error):
            raise refusal(self.what, error) from error
        self.failures += 1
        if self.failures >= self.attempts:
            raise UserError(
                f"cannot reach {self.what} after {self.attempts} attempts ({first_line(error)}); look after the "
                "network and run the same again: what is finished is kept"
            ) from error
        time.sleep(min(LONGEST_WAIT, FIRST_WAIT * 2 ** (self.failures - 1)))


def with_retries(what: str, attempts: int, ask: Callable[[], T]) -> T:
    """Return what ``ask`` returns, with retries by :class:`RetryPolicy` of ``what`` and ``attempts``."""
    retries = RetryPolicy(what, attempts)
    while True:
        try:
            return ask()
        except UserError:
            raise
        except Exception as error:
            retries.failed(error)


def refusal(what: str, error: Exception) -> Exception:
    """Return a UserError that explains why a retry of ``what`` is useless; another ``error`` is returned unchanged."""
    if isinstance(error, GatedRepoError):
        return UserError(f"{what} is gated; accept its terms on the hub and log in with: hf auth login")
    if isinstance(error, RevisionNotFoundError):
        return UserError(f"{what} has no such revision; expected a branch, tag or commit of it")
    if isinstance(error, RepositoryNotFoundError):
        return UserError(f"{what} is not on the hub, or not for you; look at the spelling, or log in: hf auth login")
    if isinstance(error, OfflineModeIsEnabled):
        return UserError(f"cannot reach {what}: HF_HUB_OFFLINE is set; unset it, or name a local folder")
    if isinstance(error, HfHubHTTPError):
        return UserError(f"the hub refuses {what} ({first_line(error)}); look at the name and your access")
    return error


def first_line(error: Exception) -> str:
    """Return the first line of the message of ``error``, or the name of its class."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
