"""Propose invented words: ``python -m calque.data.lexicon.nonce`` prints candidates for ``nonce.tsv``, seeded.

Words are recombined from the list's own pieces, so they look like the language: letters by what follows two
letters (alphabets), whole syllables (Korean), kana (Japanese), characters (Chinese). A candidate is kept when it
is at least two edits away from every accepted form in all nine languages (short words of other scripts: not one
of them) and occurs nowhere in the sample text. Twelve a language were then chosen by a reader, who passed over
dictionary words that neither source holds.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator

import numpy as np

from calque.data.corpora.sample_text import text
from calque.data.languages import LANGUAGES
from calque.data.words.words import Words, normalise, words

PROPOSED = 60
EDGE = "#"


def propose(code: str, whole: Words, rng: np.random.Generator) -> Iterator[str]:
    """Yield words that resemble the forms of a language; the iterator does not end.

    Parameters
    ----------
    code : str
        Code of the language.
    whole : Words
        The word list.
    rng : numpy.random.Generator
        Source of randomness.

    Yields
    ------
    str
        A candidate.
    """
    forms = [form for (of, _), found in whole.forms.items() if of == code for form in found]
    script = LANGUAGES[code].script
    if script in ("Hans", "Kore", "Jpan"):
        pattern = {
            "Hans": r"[\u4e00-\u9fff]",
            "Kore": r"[\uac00-\ud7af]",
            "Jpan": r"[ァ-ヴ][ャュョァィェォ]?[ンー]?",
        }
        lengths = {"Hans": (2, 2), "Kore": (2, 3), "Jpan": (3, 4)}[script]
        pieces = sorted({piece for form in forms for piece in re.findall(pattern[script], form)})
        while True:
            count = rng.integers(lengths[0], lengths[1] + 1)
            yield "".join(rng.choice(pieces, count, replace=False))
    follows: dict[str, list[str]] = defaultdict(list)
    for form in sorted(set(map(normalise, forms))):
        if form.isalpha():
            padded = EDGE * 2 + form + EDGE
            for i in range(len(form) + 1):
                follows[padded[i : i + 2]].append(padded[i + 2])
    while True:
        word = EDGE * 2
        while len(word) < 12 and (letter := str(rng.choice(follows[word[-2:]]))) != EDGE:
            word += letter
        if len(word) < 12:
            yield word[2:].capitalize() if code == "de" else word[2:]


def near(word: str, other: str) -> bool:
    """Whether at most one letter must be changed, dropped or added to make one word the other."""
    if abs(len(word) - len(other)) > 1:
        return False
    short, long = sorted((word, other), key=len)
    start = next((i for i, (a, b) in enumerate(zip(short, long, strict=False)) if a != b), len(short))
    return short[start + (len(short) == len(long)) :] == long[start + 1 :]


def invented(word: str, real: set[str], texts: str) -> bool:
    """Whether a word is far from every real word and occurs nowhere in the text.

    Parameters
    ----------
    word : str
        The candidate.
    real : set of str
        All accepted forms, normalised.
    texts : str
        The sample text, normalised.

    Returns
    -------
    bool
        Whether it can serve as a nonce word.
    """
    bare = normalise(word)
    short = len(bare) <= 3 and not bare.isascii()
    close = bare in real if short else any(near(bare, other) for other in real)
    return not close and bare not in texts


def main() -> None:
    """Print language and word, a tab between them."""
    whole = words()
    real = {normalise(form) for forms in whole.forms.values() for form in forms}
    texts = normalise("\n".join(text(code) for code in LANGUAGES))
    taken: set[str] = set()
    for i, code in enumerate(LANGUAGES):
        found: list[str] = []
        for word in propose(code, whole, np.random.default_rng([i, 0])):
            if len(found) == PROPOSED:
                break
            letters = LANGUAGES[code].script in ("Latn", "Cyrl")
            if (letters and len(word) < 5) or word in taken or not invented(word, real, texts):
                continue
            taken.add(word)
            found.append(word)
        print("\n".join(f"{code}\t{word}" for word in found))


if __name__ == "__main__":
    main()
