"""Prompts of random tokens said twice, and their controls: nothing in them can be known but by looking back."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from calque.data.errors import UserError

Prompts = list[list[int]]


def repeated_tokens(
    vocabulary: Sequence[int], length: int, count: int, generator: np.random.Generator, begin: int | None = None
) -> tuple[Prompts, Prompts]:
    """Return prompts whose second half repeats the first, and controls of the same second half after another first.

    Tokens of a prompt differ from one another within a half, those of a control over both halves. So each token of the
    second half has one earlier occurrence in the prompt, none in the control.

    Parameters
    ----------
    vocabulary : sequence of int
        Tokens to draw from, such as those of words; twice ``length`` at least.
    length : int
        Tokens of a half, 2 at least.
    count : int
        Prompts, and controls.
    generator : np.random.Generator
    begin : int, optional
        A token that begins every prompt.

    Raises
    ------
    UserError
        When the vocabulary is too small or a half too short.
    """
    tokens = np.unique(np.asarray(vocabulary))
    if length < 2 or len(tokens) < 2 * length:
        raise UserError(
            f"`length` is {length} and `vocabulary` has {len(tokens)} tokens; expected 2 at least, and twice "
            "as many tokens"
        )
    prompts, controls = [], []
    for _ in range(count):
        drawn = generator.choice(tokens, 2 * length, replace=False).tolist()
        second, other = drawn[:length], drawn[length:]
        start = [] if begin is None else [begin]
        prompts.append([*start, *second, *second])
        controls.append([*start, *other, *second])
    return prompts, controls
