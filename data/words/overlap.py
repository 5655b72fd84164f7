"""What two words have in common under a tokenizer: what a model could translate by copying."""

from __future__ import annotations

import unicodedata

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from calque.data.cube import OVERLAPS
from calque.data.tasks import WordTask
from calque.data.words.pairs import nearest_form

NONE, SHARED_TOKEN, IDENTICAL = range(len(OVERLAPS))
WHOLE_SYLLABLE_SCRIPTS = ("CJK", "HIRAGANA", "KATAKANA", "HANGUL")
"""First words of Unicode names of characters that are a syllable or a morpheme by themselves."""


def overlap(tokenizer: Tokenizer, source_form: str, target_form: str) -> int:
    """Return the overlap of two forms under ``tokenizer``: 0 none, 1 shared_token, 2 identical (``cube.OVERLAPS``).

    The words are ``source_form`` and ``target_form``.


    The words are tokenised as the prompt has them, after a quotation mark: without a space before. Words are
    identical if they are the same string. They share a token if a token with *substance* is in both: one that
    holds two or more complete characters, or one complete character that is a syllable or a morpheme by
    itself (Han, kana, Hangul). Single letters of an alphabet and fragments of a character's UTF-8 bytes have
    none: nearly all words of a script have some of those in common. Words that differ by case alone share a
    token at least.
    """
    return _compare(source_form, target_form, *(_substance(tokenizer, form) for form in (source_form, target_form)))


def overlap_table(tokenizer: Tokenizer, task: WordTask) -> NDArray[np.int8]:
    """Return the overlap under ``tokenizer`` of each source word of ``task`` with the target's accepted forms.

    The source word is the headword (the prompt has it); of several accepted target forms the one nearest to
    it counts, so that "none" means that no right answer can be had by copying a token.

    Returns
    -------
    array of int8, shape (L, L, C)
        As :func:`overlap`; -1 where a language lacks the concept.
    """
    tokens = {form: _substance(tokenizer, form) for group in task.forms.values() for form in group}
    table = nearest_form(task, lambda word, form: _compare(word, form, tokens[word], tokens[form]))
    return np.nan_to_num(table, nan=-1).astype(np.int8)


def _compare(source: str, target: str, source_tokens: frozenset[int], target_tokens: frozenset[int]) -> int:
    if source == target:
        return IDENTICAL
    return SHARED_TOKEN if source_tokens & target_tokens or source.casefold() == target.casefold() else NONE


def _substance(tokenizer: Tokenizer, form: str) -> frozenset[int]:
    ids = tokenizer.encode(form, add_special_tokens=False).ids
    return frozenset(token for token in ids if _has_substance(tokenizer.decode([token])))


def _has_substance(text: str) -> bool:
    characters = text.replace("\N{REPLACEMENT CHARACTER}", "").strip()
    if len(characters) != 1:
        return len(characters) > 1
    return unicodedata.name(characters, "").startswith(WHOLE_SYLLABLE_SCRIPTS)
