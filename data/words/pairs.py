"""One figure for every directed pair of words that a task asks."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from calque.data.tasks import WordTask


def nearest_form(task: WordTask, likeness: Callable[[str, str], float]) -> NDArray[np.float64]:
    """Return for the words of ``task`` the largest ``likeness(source word, accepted form)`` over the target's forms.

    The source word is the headword, which the prompt shows.

    Returns
    -------
    array of float64, shape (L, L, C)
        By source, target and concept; NaN where a language lacks the concept.
    """
    size = len(task.languages)
    table = np.full((size, size, len(task.concepts)), np.nan)
    for k, concept in enumerate(task.concepts):
        for s, source in enumerate(task.languages):
            for t, target in enumerate(task.languages):
                if (source, concept) in task.forms and (target, concept) in task.forms:
                    word = task.forms[source, concept][0]
                    table[s, t, k] = max(likeness(word, form) for form in task.forms[target, concept])
    return table
