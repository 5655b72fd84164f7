"""What a mix does besides choosing shares: ``romanised``, ``parallel``, ``entries``, ``disjoint``, in this order."""

from __future__ import annotations

from calque.data.corpus import Corpus
from calque.data.mixes.disjoint import DisjointCorpus
from calque.data.mixes.entries import with_entries
from calque.data.mixes.mix import Mix
from calque.data.mixes.parallel import ParallelCorpus
from calque.data.tasks import MinimalPair


def changed(corpus: Corpus, mix: Mix) -> Corpus:
    """Return a corpus as a mix has it.

    Raises
    ------
    UserError
        When the corpus cannot be changed so: no aligned lines, no catalogues, Latin letters already, questions in one
        piece.
    """
    plain = corpus
    if mix.romanised:
        from calque.data.mixes.romanised import RomanisedCorpus

        corpus = RomanisedCorpus(corpus)
    if mix.parallel:
        corpus = ParallelCorpus(corpus, mix.parallel, mix.languages, mix.parallel_form)
    if mix.entries:
        corpus = with_entries(corpus, plain, mix.entries, mix.languages, mix.entries_form, mix.entries_concepts)
    return DisjointCorpus(corpus) if mix.disjoint else corpus


def changed_pairs(pairs: tuple[MinimalPair, ...], mix: Mix) -> tuple[MinimalPair, ...]:
    """Return minimal pairs that come from elsewhere as a mix has text."""
    if not mix.romanised:
        return pairs
    from calque.data.mixes.romanised import romanise_pairs

    return romanise_pairs(pairs)
