"""Print ``frequency.tsv``: how common each headword is, on the Zipf scale: ``python -m calque.data.lexicon.frequency``.

It needs ``pip install 'wordfreq[cjk]==3.1.1'``, which Calque itself does without. The scale is log10 of uses per
billion words, to two decimals; where a language writes no spaces, or a word is made of several, wordfreq's tokenizers
(jieba, MeCab) and its estimate for phrases apply. A cell is empty where its list does not hold the word: it is rarer
than the list goes, which is about Zipf 1 (large lists: en, de, ru, zh, ja, fi) or 3 (small ones: ko, tr, id).
"""

from __future__ import annotations

from calque.data.languages import LANGUAGES
from calque.data.words.words import words

DECIMALS = 2


def main() -> None:
    """Print concept and frequency by language, tabs between them."""
    from wordfreq import zipf_frequency

    whole = words()
    print("\t".join(("concept", *LANGUAGES)))
    for concept in sorted(whole.concepts):
        found = [zipf_frequency(whole.headword(code, concept), code) for code in LANGUAGES]
        print("\t".join((concept, *(f"{zipf:.{DECIMALS}f}" if zipf else "" for zipf in found))))


if __name__ == "__main__":
    main()
