"""Function-vector effect of heads: which heads carry, from examples in the prompt, that a word is to be translated.

A prompt shows complete lines of one pair of languages, and asks for a word. A head's output at the last position is
averaged over prompts with right answers in their lines; put into the same head where the answers of the lines are
shuffled, it adds to the right answer. Formula: log p(first token of the answer) with the mean minus log p as it was,
nats; beside it the same of p. Control: the head's mean over the same prompts with shuffled answers, which has the
languages and the loss of the prompt's own output in common with it. Each asked word has means of its own, of prompts
that neither show nor ask the words that are asked: the differences from the control are independent, and symmetric
about 0 where it makes no difference which answer stands in which line. Interval and paired test: Student's over
concepts, adjusted over heads; half of the asked concepts decides, half measures. Source: Todd et al. 2024 (arXiv
2310.15213), whose mean is one for all prompts. Cost: for every head two forward passes of each asked word, and of each
word twice ``GIVEN`` passes that are read. Other heads may make up for a head: a small effect does not show that it does
nothing; and a mean output that raises an answer does not show that the model needs it.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from calque.data.errors import UserError
from calque.data.quantities import plural
from calque.data.tasks import InContextPrompt
from calque.data.words.overlap import NONE
from calque.data.words.properties import overlap
from calque.models.components.head_settings import HeadSettings
from calque.models.components.head_statistics import parted_statistics
from calque.models.components.probe import Probe
from calque.models.patching.patched_heads import heads_patched, last_outputs
from calque.models.reading.parts import ModelParts
from calque.models.reading.reading import BUDGET
from calque.models.scoring.questions import Question, of_different_concepts
from calque.models.scoring.words import WordScorer

Array = NDArray[np.float64]
GIVEN = 8
"""Prompts of each mean."""
MOST, FEWEST = 10, 2
"""Lines of a prompt: as many as its length allows, within these."""
_CONTROL, _SOURCE = "the head's mean over prompts with shuffled answers", "Todd et al. 2024"
PROBES = {
    "function_vector": Probe(
        name="function_vector", about="what a head's mean in in-context translation adds to log p of the answer",
        control=_CONTROL, units="nat", kind="continuous", source=_SOURCE,
    ),
    "function_vector_probability": Probe(
        name="function_vector_probability", about="what a head's mean in in-context translation adds to p of it",
        control=_CONTROL, units="1", kind="continuous", source=_SOURCE,
    ),
}  # fmt: skip
"""The scores of the probe, by name."""


@dataclass(frozen=True)
class InContext:
    """A word that is asked for after lines with shuffled answers, and prompts for the mean outputs of heads.

    Attributes
    ----------
    concept : int
    prompt : tuple of int
        Tokens, the answers of its lines shuffled.
    answers : tuple of int
        First tokens of the right answer's forms.
    right, shuffled : tuple of tuple of int
        Prompts of other concepts in the same languages, with right and with shuffled answers.
    """

    concept: int
    prompt: tuple[int, ...]
    answers: tuple[int, ...]
    right: tuple[tuple[int, ...], ...]
    shuffled: tuple[tuple[int, ...], ...]


def in_context_words(
    scorer: WordScorer, settings: HeadSettings, generator: np.random.Generator, context: int | None = None
) -> tuple[list[InContext], int]:
    """Return words that are asked for in context, of different concepts first, and the lines of each prompt.

    A third of the concepts is shown and asked in prompts of means, and shown in all others; the rest is asked for.

    Parameters
    ----------
    scorer : WordScorer
        Its questions whose word has to change and shares no token with the source word.
    settings : HeadSettings
        At most ``prompts`` words; a prompt has at most twice a half and one tokens, or two lines where no ``length`` is
        given.
    generator : np.random.Generator
    context : int, optional
        Most tokens of a prompt, where the model has a bound.

    Raises
    ------
    UserError
        When the questions have no lines, less than four concepts can be asked for, or two lines are too long.
    """
    if not isinstance(scorer.task.prompt, InContextPrompt):
        raise UserError("`probes` has function_vector, and the word questions have no lines with answers; leave it out")
    apart = overlap(scorer.task, scorer.encoding) == NONE
    items = [item for item in scorer.items if item.place[0] != item.place[1] and apart[item.place]]
    concepts = generator.permutation(sorted({item.place[2] for item in items}))
    shown: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for item in items:
        if item.place[2] in concepts[::3]:
            shown[item.place[:2]].append(item.place[2])
    asked = [i for i in items if i.place[2] not in concepts[::3] and len(shown[i.place[:2]]) > FEWEST]
    chosen = of_different_concepts(asked, settings.prompts, generator)
    if (count := len({item.place[2] for item in chosen})) < 4:
        raise UserError(
            f"`probes` has function_vector, and {plural(count, 'concept')} can be asked for in a language where three "
            "others are shown; expected 4 or more: leave it out, or ask more words"
        )
    drawn = [[generator.permutation(shown[item.place[:2]]) for _ in range(GIVEN + 1)] for item in chosen]
    most = min(MOST, min(len(one[0]) for one in drawn) - 1)
    allowed, longest = 2 * settings.half + 1, 0
    for lines in range(most, FEWEST - 1, -1):
        words = [_in_context(scorer, item, one, lines) for item, one in zip(chosen, drawn, strict=True)]
        longest = max(len(row) for one in words for row in (one.prompt, *one.right, *one.shuffled))
        if longest <= allowed:
            return words, lines
    if settings.length is None and (context is None or longest <= context):
        return words, FEWEST
    said = f"`probes` has function_vector, and two lines and a question take up to {longest} tokens; "
    if context is not None and longest > context:
        raise UserError(f"{said}the model takes {context}: leave the probe out")
    raise UserError(
        f"{said}expected {allowed} at most, twice `length` and one: raise `length` to {longest // 2}, or leave the "
        "probe out"
    )


def _in_context(scorer: WordScorer, item: Question, drawn: list[NDArray[np.int_]], lines: int) -> InContext:
    """Return the prompts of one word; ``drawn`` are concepts in random order, of each prompt."""
    task, (s, t, k) = scorer.task, item.place
    source, target = task.languages[s], task.languages[t]

    def word(code: str, concept: int) -> str:
        return task.forms[code, scorer.concepts[concept]][0]

    def tokens(shown: NDArray[np.int_], concept: int, shift: int) -> tuple[int, ...]:
        assert isinstance(task.prompt, InContextPrompt)
        pairs = [(word(source, a), word(target, b)) for a, b in zip(shown, np.roll(shown, shift), strict=True)]
        pieces = task.prompt.in_context(source, target, pairs, word(source, concept))
        return scorer.encoding.begin(pieces[0][0]), *scorer.encoding.encode(pieces)

    means = [[tokens(one[:lines], one[lines], shift) for one in drawn[1:]] for shift in (0, 1)]
    answers = tuple(sorted({form[0] for form in item.targets}))
    return InContext(k, tokens(drawn[0][:lines], k, 1), answers, tuple(means[0]), tuple(means[1]))


def function_vectors(
    parts: ModelParts, scorer: WordScorer, settings: HeadSettings, context: int | None = None, *, budget: int = BUDGET
) -> dict[str, xr.Dataset]:
    """Return the scores of every head by name, each as ``calque.models.components.heads.probe_heads`` has its tables.

    The first has ``lines`` too, the lines of every prompt.

    Parameters
    ----------
    parts : ModelParts
    scorer : WordScorer
        Knows the words.
    settings : HeadSettings
    context : int, optional
        Most tokens of a prompt, where the model has a bound.
    budget : int
        Bytes that a batch of prompts may take when they are read.

    Raises
    ------
    UserError
        When there are too few words, or lines are too long.
    """
    generator = np.random.default_rng(np.random.SeedSequence([settings.seed, 7]))
    words, lines = in_context_words(scorer, settings, generator, context)
    effects, controls = function_vector_effects(parts, words, budget=budget)
    concepts = [one.concept for one in words]
    tables = {
        name: parted_statistics(effects[i], controls[i], concepts, level=settings.level)
        for i, name in enumerate(PROBES)
    }
    return tables | {"function_vector": tables["function_vector"].assign(lines=((), lines))}


def function_vector_effects(parts: ModelParts, words: list[InContext], *, budget: int = BUDGET) -> tuple[Array, Array]:
    """Return what the mean output of each head adds, with right answers in its prompts, and with shuffled ones.

    Parameters
    ----------
    parts : ModelParts
    words : list of InContext
    budget : int
        Bytes that a batch of prompts may take when they are read.

    Returns
    -------
    effects, controls : array, shape (2, layers, words, heads)
        Of log p (nats), and of p.
    """
    given = []
    for kind in ("right", "shuffled"):
        outputs = last_outputs(parts, [row for one in words for row in getattr(one, kind)], budget)
        given.append(outputs.view(len(outputs), len(words), -1, *outputs.shape[2:]).mean(2))
    found = heads_patched(parts, [one.prompt for one in words], [one.answers for one in words], given)
    return found[0], found[1]
