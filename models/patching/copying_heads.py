"""Token and concept copying by causal patching: which heads carry a word over when it has to be repeated.

In a prompt that asks for another word, one head gives, at the last position, what it gives in the prompt that asks for
the word. Formula: log p(token) patched minus log p(token) as it was, nats; the token is the word's first (token
copying), or its last after the others (concept copying: heads that carry words rather than tokens). Control: the same
head from a prompt that asks for a third word. Interval and paired test: Student's over concepts, adjusted over heads;
half of the words decides, half measures. Source: Feucht et al. 2025 (dual-route induction, arXiv 2504.03022). Cost: for
every head two forward passes of each word. Later parts are computed anew, and other heads may make up for a head: a
small effect does not show that it does nothing.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from calque.data.errors import UserError
from calque.data.quantities import plural
from calque.models.components.head_settings import HeadSettings
from calque.models.components.head_statistics import parted_statistics
from calque.models.components.probe import Probe
from calque.models.patching.patched_heads import heads_patched, last_outputs
from calque.models.reading.parts import ModelParts
from calque.models.reading.reading import BUDGET
from calque.models.scoring.questions import Question
from calque.models.scoring.words import WordScorer

Array = NDArray[np.float64]
_SOURCE = "Feucht et al. 2025"
PROBES = {
    "token_copying": Probe(
        name="token_copying", about="what a head adds to log p of the first token of the word to be repeated",
        control="the same head of a prompt with a third word", units="nat", kind="continuous", source=_SOURCE,
    ),
    "concept_copying": Probe(
        name="concept_copying", about="what a head adds to log p of the last token of the word to be repeated",
        control="the same head of a prompt with a third word", units="nat", kind="continuous", source=_SOURCE,
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Patched:
    """A word to be repeated, and prompts of the same length that ask for it, for another, and for a third.

    Attributes
    ----------
    concept : int
    clean, corrupt, other : tuple of int
        Tokens before the one that is asked for.
    token : int
        The token that is asked for.
    """

    concept: int
    clean: tuple[int, ...]
    corrupt: tuple[int, ...]
    other: tuple[int, ...]
    token: int


def patched_words(scorer: WordScorer, kind: str, most: int, generator: np.random.Generator) -> list[Patched]:
    """Return words of two tokens or more with two others of the same language and lengths.

    Parameters
    ----------
    scorer : WordScorer
        Its questions whose source and target language are the same.
    kind : {"token_copying", "concept_copying"}
    most : int
        At most so many.
    generator : np.random.Generator

    Raises
    ------
    UserError
        When there are less than four concepts of such words.
    """
    alike: dict[tuple[str, int], list[Question]] = defaultdict(list)
    for item in scorer.items:
        if item.place[0] == item.place[1] and len(item.targets[0]) >= 2:
            alike[item.target, len(item.prompt)].append(item)
    found = []
    for of in alike.values():
        for i, item in enumerate(of):
            word = item.targets[0]
            differ = [one for one in of[i + 1 :] + of[:i] if one.targets[0][0] != word[0]]
            if len(differ) >= 2:
                corrupt, other = (differ[j] for j in generator.choice(len(differ), 2, replace=False))
                said = [] if kind == "token_copying" else word[:-1]
                token = word[0] if kind == "token_copying" else word[-1]
                rows = [tuple([*one.prompt, *said]) for one in (item, corrupt, other)]
                found.append(Patched(item.place[2], rows[0], rows[1], rows[2], token))
    chosen = [found[i] for i in generator.permutation(len(found))[:most]]
    concepts = len({one.concept for one in chosen})
    if concepts < 4:
        raise UserError(
            f"`probes` has {kind}, and {plural(concepts, 'concept has', 'concepts have')} words of two tokens "
            "or more with others of the same "
            "length; expected 4 or more: leave it out, or ask more words"
        )
    return chosen


def copying_heads(
    parts: ModelParts, scorer: WordScorer, kind: str, settings: HeadSettings, *, budget: int = BUDGET
) -> xr.Dataset:
    """Return the score of every head, as ``calque.models.components.heads.probe_heads`` returns its tables.

    Parameters
    ----------
    parts : ModelParts
    scorer : WordScorer
        Knows the words.
    kind : {"token_copying", "concept_copying"}
    settings : HeadSettings
        At most ``prompts`` words are patched.
    budget : int
        Bytes that a batch of prompts may take when they are read.

    Raises
    ------
    UserError
        When there are too few words of two tokens.
    """
    generator = np.random.default_rng(np.random.SeedSequence([settings.seed, 5]))
    words = patched_words(scorer, kind, settings.prompts, generator)
    effects = patching_effects(parts, words, budget=budget)
    return parted_statistics(*effects, [one.concept for one in words], level=settings.level)


def patching_effects(parts: ModelParts, words: list[Patched], *, budget: int = BUDGET) -> tuple[Array, Array]:
    """Return what each head adds to log p of each word's token, from its own prompt and from that of a third word.

    Parameters
    ----------
    parts : ModelParts
    words : list of Patched
    budget : int
        Bytes that a batch of prompts may take when they are read.

    Returns
    -------
    effects, controls : array, shape (layers, words, heads)
    """
    given = [last_outputs(parts, [getattr(one, name) for one in words], budget) for name in ("clean", "other")]
    found = heads_patched(parts, [one.corrupt for one in words], [(one.token,) for one in words], given)
    return found[0, 0], found[1, 0]
