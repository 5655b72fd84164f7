"""The text that training on a simulated world may begin with: copying alone, or nothing to copy."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from calque.data.corpora.world.documents import glossaries, texts
from calque.data.corpora.world.drawn import DrawnWorld
from calque.data.corpora.world.grammar import ABSENT

OPENING = "opening"
"""The stream's name."""


def opening(drawn: DrawnWorld, rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw documents of the opening of ``drawn`` with ``rng``, shape (documents, longest), ``ABSENT`` as pad."""
    if drawn.config.copying_first:
        return glossaries(replace(drawn, config=replace(drawn.config, glossary_name_rate=1.0)), rng)
    return _without_copying(drawn, rng)


def _without_copying(drawn: DrawnWorld, rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw documents of all streams in their shares of tokens, as they would be with nothing to copy."""
    forms = drawn.lexicon.forms
    different = (forms[:, None] != forms[None, :]).any(axis=-1)
    plain = replace(
        drawn,
        config=replace(drawn.config, recurring_names=False, repeat_rate=0.0),
        lexicon=replace(drawn.lexicon, trained=drawn.lexicon.trained & different),
    )
    glossary = drawn.config.glossary_share
    drawn_rows = [(glossary, glossaries(plain, rng))] if glossary > 0 else []
    if glossary < 1:
        codes = [code for code, share in drawn.shares.items() if share > 0]
        drawn_rows += [((1 - glossary) * drawn.shares[code], texts(plain, code, rng)) for code in codes]
    ends = [np.cumsum((rows != ABSENT).sum(axis=1)) for _, rows in drawn_rows]
    tokens = min(end[-1] / share for end, (share, _) in zip(ends, drawn_rows, strict=True))
    kept = [
        rows[: np.searchsorted(end, share * tokens) + 1] for end, (share, rows) in zip(ends, drawn_rows, strict=True)
    ]
    longest = max(rows.shape[1] for rows in kept)
    padded = [np.pad(rows, ((0, 0), (0, longest - rows.shape[1])), constant_values=ABSENT) for rows in kept]
    return rng.permutation(np.concatenate(padded))
