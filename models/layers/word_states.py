"""What the residual stream holds after a word: the states that languages are compared by."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from calque.data.tasks import WordTask
from calque.data.tokens.encoding import Encoding
from calque.models.reading.parts import ModelParts
from calque.models.reading.reading import BUDGET, read

Array = NDArray[np.float64]


def shared_concepts(task: WordTask, most: int | None = None) -> tuple[str, ...]:
    """Return the concepts that all languages of a ``task`` have a word for, the first ``most``."""
    return tuple(c for c in task.concepts if all((code, c) in task.forms for code in task.languages))[:most]


def word_states(
    parts: ModelParts, task: WordTask, encoding: Encoding, concepts: Sequence[str], *, budget: int = BUDGET
) -> NDArray[np.float32]:
    """Return the residual at the last token of each headword, alone in a text.

    The shape is (depths, languages, concepts, width); depth d is after d blocks. Cost: one short forward pass a word.

    Parameters
    ----------
    parts : ModelParts
    task : WordTask
    encoding : Encoding
    concepts : sequence of str
        That all languages have.
    budget : int
        Bytes that a batch of prompts may take.
    """
    places = [(code, c) for code in task.languages for c in concepts]
    prompts = [[encoding.begin(code), *encoding.encode([(code, task.forms[code, c][0])])] for code, c in places]
    found = np.empty((len(parts.blocks) + 1, len(places), parts.width), np.float32)
    for reading in read(parts, prompts, ["residual"], positions=[[-1]] * len(prompts), budget=budget):
        assert reading.residual is not None
        found[:, reading.prompts] = reading.residual[:, :, 0].float().cpu().numpy()
    return found.reshape(len(found), len(task.languages), len(concepts), parts.width)
