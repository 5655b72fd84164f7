"""Which tasks a model is asked, and a sample of their items that is the same at every checkpoint."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from calque.data.errors import UserError, nearest

TASKS = ("words", "nonce", "minimal_pairs", "loss")
"""Words to translate or to repeat, invented words, minimal pairs, and the loss on held-out text."""


@dataclass(frozen=True, kw_only=True)
class Selection:
    """What is chosen of the questions.

    Attributes
    ----------
    tasks : tuple of str
        Of ``TASKS``.
    limit : int, optional
        Most items of each task but the loss, whose text is bounded in tokens; None is all.
    seed : int
        Chooses the items.

    Raises
    ------
    UserError
        When a task is unknown, none is given, or a number is impossible.
    """

    tasks: tuple[str, ...] = TASKS
    limit: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        for task in self.tasks:
            if task not in TASKS:
                raise UserError(f"`tasks` names '{task}'; expected some of {', '.join(TASKS)}{nearest(task, TASKS)}")
        if not self.tasks:
            raise UserError(f"`tasks` is empty; expected some of {', '.join(TASKS)}")
        if self.limit is not None and self.limit < 1:
            raise UserError(f"`limit` is {self.limit}; expected 1 or more")
        if self.seed < 0:
            raise UserError(f"`sample_seed` is {self.seed}; expected 0 or more")

    def pick(self, task: str, items: int) -> list[int]:
        """Return the indices of the chosen items of ``task``, ascending, of so many ``items``."""
        if task not in self.tasks:
            return []
        if self.limit is None or items <= self.limit:
            return list(range(items))
        rng = np.random.default_rng([self.seed, TASKS.index(task)])
        return sorted(rng.choice(items, self.limit, replace=False).tolist())


EVERYTHING = Selection()
ALL = "all"


def logged(amount: int | str | None, seed: int) -> Selection | None:
    """Return which answers are logged, or None for none.

    Parameters
    ----------
    amount : int or str, optional
        Answers of each task, or ``all``.
    seed : int
        Chooses them.

    Raises
    ------
    UserError
        When it is something else.
    """
    if amount is None:
        return None
    if amount == ALL:
        return Selection(seed=seed)
    try:
        most = int(str(amount))
    except ValueError:
        most = 0
    if most < 1:
        raise UserError(f"`log_answers` is '{amount}'; expected a number of answers a task, 1 or more, or all")
    return Selection(limit=most, seed=seed)
