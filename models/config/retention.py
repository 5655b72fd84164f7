"""Retention of weights: of which checkpoints they stay on disk."""

from __future__ import annotations

import re
from collections.abc import Sequence

from calque.data.errors import UserError

BESIDE_AN_ADDRESS = 2
"""Of weights that are also at an address, how many of the newest stay on the node that trains."""
FORMS = "'all', 'last:N', 'every:K' or 'every:K+last:N'"


def check(policy: str) -> None:
    """Check that ``policy`` is a retention policy: ``all``, ``last:N``, ``every:K`` or ``every:K+last:N``.

    Raises
    ------
    UserError
        When it is not.
    """
    if policy != "all" and not all(re.fullmatch(r"(every|last):[1-9]\d*", part) for part in policy.split("+")):
        raise UserError(f"training.keep_weights is '{policy}'; expected {FORMS}")


def check_states(policy: str) -> None:
    """Check that ``policy`` says which full states are kept: ``newest``, or ``every:K``.

    Raises
    ------
    UserError
        When it does not.
    """
    if policy != "newest" and not re.fullmatch(r"every:[1-9]\d*", policy):
        raise UserError(f"training.keep_states is '{policy}'; expected 'newest' or 'every:K'")


def kept_states(policy: str, planned: Sequence[int]) -> set[int]:
    """Return the steps whose full states stay on disk for good: under ``every:K`` every K-th planned checkpoint.

    Parameters
    ----------
    policy : str
        As of :func:`check_states`.
    planned : sequence of int
        All checkpoints of the run, ascending.
    """
    return _every(policy, planned) if _is_every(policy) else set()


def passing(policy: str) -> int:
    """Return how many of the newest weights ``policy`` keeps for a while: the N of ``last:N``, 0 without it."""
    return max((int(part.removeprefix("last:")) for part in policy.split("+") if part.startswith("last:")), default=0)


def stays(policy: str, step: int, planned: Sequence[int]) -> bool:
    """Return whether the weights of a step stay on disk for good, whatever is written after them.

    Parameters
    ----------
    policy : str
    step : int
    planned : sequence of int
        All checkpoints of the run, ascending.
    """
    return policy == "all" or any(step in _every(part, planned) for part in policy.split("+") if _is_every(part))


def kept_steps(policy: str, steps: Sequence[int], planned: Sequence[int]) -> set[int]:
    """Return the steps, of those written so far, whose weights are kept; the newest always is.

    Parameters
    ----------
    policy : str
        ``all``; ``last:N``, the N newest; ``every:K``, each K-th of the planned checkpoints, the first included, and
        the last planned one; several joined by ``+`` keep what any of them keeps.
    steps : sequence of int
        Written so far, ascending.
    planned : sequence of int
        All checkpoints of the run, ascending.
    """
    if policy == "all":
        return set(steps)
    staying = set(steps[-1:])
    for part in policy.split("+"):
        staying |= _every(part, planned) if _is_every(part) else set(steps[-int(part.removeprefix("last:")) :])
    return staying & set(steps)


def _is_every(part: str) -> bool:
    return part.startswith("every:")


def _every(part: str, planned: Sequence[int]) -> set[int]:
    return {*planned[:: int(part.removeprefix("every:"))], planned[-1]}
