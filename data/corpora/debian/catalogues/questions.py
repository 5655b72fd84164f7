"""The word questions of the list from catalogues, and the entries that training text may have."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from calque.data.corpora.debian.catalogues.lexicon import CatalogueLexicon
from calque.data.corpora.debian.catalogues.selection import Selection, select
from calque.data.corpora.real_text import RealTextConfig
from calque.data.errors import UserError
from calque.data.quantities import plural
from calque.data.tasks import WordTask
from calque.data.words.exposure import no_exposure
from calque.data.words.words import Words, normalise, task_of, words


def word_task(lexicon: CatalogueLexicon, config: RealTextConfig) -> WordTask:
    """Return the questions of ``lexicon`` in the languages of ``config``; nothing is paired in training yet.

    Example lines show concepts whose headwords all differ, as in the other list, none of them held out.

    Raises
    ------
    UserError
        When the catalogues agree on too few words.
    """
    chosen = select(lexicon, config.languages)
    if not chosen.concepts:
        raise UserError(
            f"the catalogues agree on no word in all of {', '.join(config.languages)}; name fewer languages, or fetch "
            "more packages"
        )
    said = {normalise(form) for forms in chosen.forms.values() for form in forms}
    invented = words(config.languages).nonce
    listed = Words(
        languages=config.languages,
        concepts=chosen.concepts,
        forms=chosen.forms,
        nonce={code: tuple(word for word in own if normalise(word) not in said) for code, own in invented.items()},
    )
    task = task_of(listed, _examples(chosen), config.shots, config.shot_seed, config.template, _zipf(lexicon, chosen))
    return replace(task, exposure=no_exposure(config.languages, len(chosen.concepts)))


def _examples(chosen: Selection) -> tuple[str, ...]:
    return tuple(
        concept
        for concept in chosen.concepts
        if concept not in chosen.held_out
        and len({normalise(chosen.forms[code, concept][0]) for code in chosen.languages}) == len(chosen.languages)
    )


def _zipf(lexicon: CatalogueLexicon, chosen: Selection) -> NDArray[np.float64]:
    """Return log10 of uses of the headwords per billion words of the training text; NaN for words it lacks."""
    by_name = {word.word: word for word in lexicon.words}
    uses = np.array(
        [[by_name[concept].forms[code][0].uses for concept in chosen.concepts] for code in chosen.languages], float
    )
    total = np.array([[max(lexicon.text_words[code], 1)] for code in chosen.languages], float)
    per_billion: NDArray[np.float64] = 1e9 * np.where(uses > 0, uses, np.nan) / total
    return np.log10(per_billion)


def first_concepts(lexicon: CatalogueLexicon, languages: tuple[str, ...], number: int) -> frozenset[str]:
    """Return the first ``number`` concepts of ``lexicon`` in ``languages``, as ``evaluation.concepts`` counts them.

    Raises
    ------
    UserError
        When there are fewer.
    """
    concepts = select(lexicon, languages).concepts
    if number > len(concepts):
        raise UserError(
            f"the mix wants entries of {plural(number, 'concept')}, and the catalogues agree on {len(concepts)} in "
            f"{', '.join(languages)}; expected at most as many, or no number for all entries"
        )
    return frozenset(concepts[:number])


def entries(
    lexicon: CatalogueLexicon, first: str, second: str, concepts: frozenset[str] | None = None
) -> Iterator[tuple[str, str]]:
    """Yield the entries that training text may have: a word in each of two languages, each pair once.

    They are the forms of most projects, two or more, for every English word, whether it is asked or not, or for those
    of ``concepts`` alone. No entry is one that is held out, of a concept or in these two languages, nor the same two
    strings as any of its accepted forms.

    Parameters
    ----------
    lexicon : CatalogueLexicon
    first, second : str
        Codes.
    concepts : frozenset of str, optional
        English words; None is all.
    """
    barred = held_out_pairs(lexicon, first, second)
    seen: set[tuple[str, str]] = set()
    for word in lexicon.words:
        if concepts is not None and word.word not in concepts:
            continue
        if word.is_pair_held_out(first, second) or first not in word.forms or second not in word.forms:
            continue
        one, other = word.forms[first][0].text, word.forms[second][0].text
        pair = normalise(one), normalise(other)
        if pair not in barred and pair not in seen:
            seen.add(pair)
            yield one, other


def held_out_pairs(lexicon: CatalogueLexicon, first: str, second: str) -> frozenset[tuple[str, str]]:
    """Return the pairs of strings of ``lexicon``, in ``first`` and ``second``, normalised, that no entry may be."""
    return frozenset(
        (normalise(one.text), normalise(other.text))
        for word in lexicon.words
        if word.is_pair_held_out(first, second)
        for one in word.forms.get(first, ())
        for other in word.forms.get(second, ())
    )
