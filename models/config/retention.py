"""Retention of weights: of which checkpoints they stay on disk."""

from __future__ import annotations

import re
from collections.abc import Sequence

from calque.data.errors import UserError

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
        word, number = part.split(":")
        staying |= set(steps[-int(number) :]) if word == "last" else {*planned[:: int(number)], planned[-1]}
    return staying & set(steps)
