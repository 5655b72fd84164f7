"""Settings of a simulated world."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from calque.data.corpora.world.lexicon import MAX_LANGUAGES, MAX_SYLLABLES
from calque.data.errors import UserError
from calque.data.quantities import Count

WHOLE = ("int", "Count")
"""Annotations of fields that take whole numbers."""

MAX_DOCUMENT_TOKENS = 4096


@dataclass(frozen=True, kw_only=True)
class WorldConfig:
    """Settings of a world; rates are probabilities in [0, 1].

    Attributes
    ----------
    languages : int
        Number of languages, coded ``w1``, ``w2``, ...
    nouns, verbs, adjectives : int
        Concepts of each class; every concept has one word in every language.
    syllables : int
        First syllables, and as many second ones; a word is one of each.
    names : int
        Size of the closed pool of names, which only copying can predict.
    recurring_names : bool
        Whether a document has one name, and an entry the same name on both sides. Otherwise no name comes twice in a
        document, so that copying predicts none.
    nonce : int
        Invented words to probe copying with, over all languages together; no text holds them.
    name_rate : float
        Probability that the subject of a sentence is the document's name.
    zipf : float
        Exponent of the frequencies within each word class.
    topics : int
        Topics; each document has one.
    cognate_rate : float
        Probability that two languages share the word for a concept.
    glossary_share : float
        Share of training tokens in glossaries (0.48 of the tokens are 0.6 of the documents); 1 leaves no other text.
    glossary_entries : int
        Entries of a glossary document; all are of the same two languages, in the same direction.
    glossary_name_rate : float
        Probability that an entry is a name, the same on both sides (unless names do not recur).
    held_concepts : float
        Share of the concepts that no glossary holds.
    coverage : float
        Share of the other concepts' directed string pairs that glossaries hold.
    code_switch : float
        Probability that a word of a sentence is taken from a language drawn at random.
    repeat_rate : float
        Probability that a sentence repeats the one before it.
    shuffled : bool
        Whether each language except the first permutes its words within each class in running text. Text keeps its
        form, but its words no longer mean the same as in the glossaries.
    sentences : int
        Sentences of a document.
    copying_first : int
        Tokens at the beginning of training that teach copying alone: glossaries of names.
    no_copying_first : int
        Tokens at the beginning of training with nothing to copy: the same text without recurring names, repeated
        sentences, and glossary entries of the same word on both sides.
    world_seed : int
        Draws the world and its text; apart from the seeds of initialisation and of data order.
    train_tokens : int
        Training tokens over all streams; a stream's part is its share.
    heldout_tokens : int
        Held-out tokens of each stream.

    Raises
    ------
    UserError
        When a value is impossible, or the syllables do not give enough words.
    """

    languages: int = 9
    nouns: int = 20
    verbs: int = 8
    adjectives: int = 8
    syllables: int = 32
    names: int = 250
    recurring_names: bool = True
    nonce: int = 48
    name_rate: float = 0.4
    zipf: float = 0.8
    topics: int = 16
    cognate_rate: float = 0.15
    glossary_share: float = 0.48
    glossary_entries: int = 4
    glossary_name_rate: float = 0.5
    held_concepts: float = 0.0
    coverage: float = 0.84
    code_switch: float = 0.05
    repeat_rate: float = 0.1
    shuffled: bool = False
    sentences: int = 4
    copying_first: Count = 0
    no_copying_first: Count = 0
    world_seed: int = 0
    train_tokens: Count = 6_000_000
    heldout_tokens: Count = 20_000

    def __post_init__(self) -> None:
        least = {"languages": 2, "nonce": 0, "world_seed": 0, "copying_first": 0, "no_copying_first": 0}
        for field in fields(self):
            name, value = field.name, getattr(self, field.name)
            if field.type == "bool":
                if not isinstance(value, bool):
                    raise UserError(f"world: {name} is {value!r}; expected true or false")
                continue
            number = isinstance(value, int | float) and not isinstance(value, bool) and np.isfinite(value)
            if not number or (field.type in WHOLE and not isinstance(value, int)):
                kind = "a whole number" if field.type in WHOLE else "a number"
                raise UserError(f"world: {name} is {value!r}; expected {kind}")
            if field.type in WHOLE and value < least.get(name, 1):
                raise UserError(f"world: {name} is {value}; expected {least.get(name, 1)} or more")
            if name == "zipf" and value < 0:
                raise UserError(f"world: zipf is {value}; expected 0 or more")
            if field.type == "float" and name != "zipf" and not 0 <= value <= 1:
                raise UserError(f"world: {name} is {value}; expected a value from 0 to 1")
        for name, most in (("syllables", MAX_SYLLABLES), ("languages", MAX_LANGUAGES)):
            if getattr(self, name) > most:
                raise UserError(f"world: {name} is {getattr(self, name)}; expected at most {most}")
        needed = self.concepts * (self.languages + 1) + self.names + self.nonce
        if needed > self.syllables**2:
            raise UserError(
                f"world: {needed} words are needed but {self.syllables} syllables give {self.syllables**2}; "
                f"expected syllables of {int(np.ceil(np.sqrt(needed)))} or more, or fewer names or concepts"
            )
        self._check_copying()
        longest = max(2 + 14 * self.sentences, 1 + 7 * self.glossary_entries)
        if longest > MAX_DOCUMENT_TOKENS:
            raise UserError(
                f"world: documents would have {longest} tokens; expected at most {MAX_DOCUMENT_TOKENS}: "
                "choose fewer sentences or glossary_entries"
            )

    def _check_copying(self) -> None:
        if self.copying_first and self.no_copying_first:
            raise UserError(
                f"world: copying_first is {self.copying_first} and no_copying_first {self.no_copying_first}; expected "
                "one of them above 0, as training begins once"
            )
        if self.copying_first and not self.recurring_names:
            raise UserError("world: copying_first repeats names, but recurring_names is false; drop one of them")
        distinct = self.names_in_document
        if (self.no_copying_first or not self.recurring_names) and self.names < distinct:
            raise UserError(
                f"world: names is {self.names}, but a document without recurring names has up to {distinct}; expected "
                f"{distinct} or more"
            )

    @property
    def names_in_document(self) -> int:
        """Most names of a document where none comes twice."""
        return max(self.sentences, 2 * self.glossary_entries)

    @property
    def opening(self) -> int:
        """Tokens at the beginning of training whose text differs from the rest; 0 for none."""
        return self.copying_first or self.no_copying_first

    @property
    def concepts(self) -> int:
        """Number of concepts."""
        return self.nouns + self.verbs + self.adjectives
