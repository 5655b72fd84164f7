"""The simulated world's words: syllables, shared forms, names, and which pairs are held out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers

FIRST_CONSONANTS, SECOND_CONSONANTS, VOWELS = "bdfghjklmn", "cpqrstvwxz", "aeiou"
MAX_SYLLABLES = len(FIRST_CONSONANTS) * len(VOWELS)
MAX_LANGUAGES = 99
MARKERS = ("-sg", "-pl", "-vsg", "-vpl")
"""Agreement of the noun (singular, plural) and of the verb; the language's number follows, as in ``-sg3``."""


def _syllables(consonants: str, count: int) -> list[str]:
    return [consonants[i % len(consonants)] + VOWELS[i // len(consonants)] for i in range(count)]


class Vocabulary:
    """Token ids of the world: ``<bos>``, ``.``, a tag and four markers a language, two kinds of syllable.

    A word is one first and one second syllable; the two inventories are disjoint, so a word's tokens never
    depend on what stands beside it, and every text is read back exactly.

    Parameters
    ----------
    languages : int
    syllables : int
        Size of each inventory, at most ``MAX_SYLLABLES``.
    """

    BOS, DOT, TAG = 0, 1, 2

    def __init__(self, languages: int, syllables: int) -> None:
        self.codes = tuple(f"w{i + 1}" for i in range(languages))
        self.marker = self.TAG + languages
        self.first = self.marker + len(MARKERS) * languages
        self.second = self.first + syllables
        self.size = self.second + syllables
        markers = [f"{marker}{i + 1}" for i in range(languages) for marker in MARKERS]
        self.tokens = (
            ["<bos>", ".", *(f"<{code}>" for code in self.codes), *markers]
            + _syllables(FIRST_CONSONANTS, syllables)
            + _syllables(SECOND_CONSONANTS, syllables)
        )
        ids = np.arange(self.size)
        spaced = ((self.TAG <= ids) & (ids < self.marker)) | ((self.first <= ids) & (ids < self.second))
        self.pieces = [" " * bool(space) + token for space, token in zip(spaced, self.tokens, strict=True)]
        self.lengths = np.array([len(piece) for piece in self.pieces])

    def word(self, form: NDArray[np.integer]) -> str:
        """Return the word of two token ids.

        Parameters
        ----------
        form : array of int, shape (2,)
            Token ids of the two syllables.

        Returns
        -------
        str
            The word.
        """
        return "".join(self.tokens[i] for i in form)

    def text(self, ids: NDArray[np.integer]) -> str:
        """Return the text of token ids (no ``<bos>``): tags and words after a space, the rest joined on."""
        return "".join([self.pieces[i] for i in ids.tolist()])[1:]

    def tokenizer(self) -> Tokenizer:
        """Return the word-level tokenizer; a text of another world is refused, not approximated."""
        tokenizer = Tokenizer(models.WordLevel({token: i for i, token in enumerate(self.tokens)}, "<unk>"))
        tokenizer.add_special_tokens([AddedToken("<bos>", special=True)])
        pieces = Regex(r"<\w+>|-[a-z]+\d+|[a-z]{2}|\.")
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Split(pieces, "isolated")]
        )
        space = decoders.Replace(Regex(f"^(?=[<{FIRST_CONSONANTS}])"), " ")
        tokenizer.decoder = decoders.Sequence([space, decoders.Fuse(), decoders.Strip(" ", 1, 0)])
        return tokenizer


@dataclass(frozen=True, kw_only=True)
class Lexicon:
    """Words of every language, and the draws that decide which pairs of words a glossary may hold.

    Attributes
    ----------
    forms : array of int64, shape (L, C, 2)
        Token ids of each language's word for each concept. No form serves two concepts.
    names : array of int64, shape (names, 2)
        Open-class names, the same in all languages; none is a word.
    nonce : array of int64, shape (nonce, 2)
        Forms that no text holds: neither words nor names.
    held_concepts : array of bool, shape (C,)
        Concepts that no glossary holds.
    trained : array of bool, shape (L, L, C)
        Pairs that glossaries may hold. Identical string pairs share one draw, so a held-out pair cannot leak
        through another direction that happens to use the same two strings. False on the diagonal.
    """

    forms: NDArray[np.int64]
    names: NDArray[np.int64]
    nonce: NDArray[np.int64]
    held_concepts: NDArray[np.bool_]
    trained: NDArray[np.bool_]


def string_ids(forms: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return one integer below 2**20 a form, shape (...) for forms (..., 2); equal ones are equal strings."""
    return forms[..., 0] * (1 << 10) + forms[..., 1]


def draw_lexicon(
    vocabulary: Vocabulary,
    rng: np.random.Generator,
    *,
    concepts: int,
    names: int,
    nonce: int,
    cognate_rate: float,
    held_concepts: float,
    coverage: float,
) -> Lexicon:
    """Draw words, names and held-out pairs.

    Each concept has an international form; a share sqrt(``cognate_rate``) of all words takes it and the others are the
    language's own, so that two languages share a word with probability ``cognate_rate``. A share ``coverage`` of the
    distinct string pairs is in glossaries, of identical and of different strings alike. These counts are exact, so that
    worlds of one configuration differ as little as possible.

    Parameters
    ----------
    vocabulary : Vocabulary
        Languages and syllables.
    rng : numpy.random.Generator
        Source of randomness.
    concepts : int
        Number of concepts.
    names : int
        Number of names, which all languages share.
    nonce : int
        Number of words that no text contains.
    cognate_rate : float
        Probability that two languages share the word of a concept.
    held_concepts : float
        Share of the concepts that are in no glossary.
    coverage : float
        Share of the string pairs that are in glossaries.

    Returns
    -------
    Lexicon
        Forms of shape (languages, concepts, 2), and which pairs are in glossaries.
    """
    n_languages, syllables = len(vocabulary.codes), vocabulary.second - vocabulary.first
    deck = rng.permutation(syllables**2)
    fresh = np.stack([vocabulary.first + deck // syllables, vocabulary.second + deck % syllables], axis=1)
    international, own, rest = np.split(fresh, np.cumsum([concepts, concepts * n_languages]))
    slots = np.zeros(n_languages * concepts, bool)
    slots[: round(np.sqrt(cognate_rate) * len(slots))] = True
    shares_it = rng.permutation(slots).reshape(n_languages, concepts, 1)
    forms = np.where(shares_it, international, own.reshape(n_languages, concepts, 2))

    held = np.zeros(concepts, bool)
    held[rng.permutation(concepts)[: int(held_concepts * concepts)]] = True
    strings = string_ids(forms)
    source, target, concept = np.nonzero(~np.eye(n_languages, dtype=bool)[..., None] & ~held)
    pairs, which = np.unique(
        np.stack([strings[source, concept], strings[target, concept]], axis=1), axis=0, return_inverse=True
    )
    in_glossaries = np.zeros(len(pairs), bool)
    for same in (False, True):
        kind = rng.permutation(np.flatnonzero((pairs[:, 0] == pairs[:, 1]) == same))
        in_glossaries[kind[: round(coverage * len(kind))]] = True
    trained = np.zeros((n_languages, n_languages, concepts), bool)
    trained[source, target, concept] = in_glossaries[which.reshape(-1)]
    return Lexicon(
        forms=forms,
        names=rest[:names],
        nonce=rest[names : names + nonce],
        held_concepts=held,
        trained=trained,
    )
