"""The ablation ``disjoint``: each language has tokens of its own, so that no word can be copied across languages."""

from __future__ import annotations

from typing import Any

from calque.data.corpus import Corpus
from calque.data.errors import UserError
from calque.data.mixes.changed import ChangedCorpus
from calque.data.tasks import Segment, SegmentedPrompt, WordTask


class DisjointCorpus(ChangedCorpus):
    """A corpus whose languages have a block of tokens each; its text is as it was.

    The blocks are made by ``calque.data.tokens.encoding``.

    A document is in the block of its language. Of a document of two languages, such as a glossary or aligned
    lines, each piece is in the block of its own. So are questions: the source word in the source's block, with what
    the prompt says in that language (nothing, or the world's tag), and all else in the target's, where the answer
    is due.

    Attributes
    ----------
    blocks : tuple of str
        The languages, in the order of their blocks.

    Raises
    ------
    UserError
        When the questions of the corpus cannot be taken apart by language.
    """

    def __init__(self, inner: Corpus) -> None:
        super().__init__(inner)
        self.blocks = inner.languages

    def segments(self, stream: str, part: str | None, document: str) -> tuple[Segment, ...]:
        """Return a document in pieces, each with its language."""
        pieces = super().segments(stream, part, document)
        for code, _ in pieces:
            if code not in self.blocks:
                raise UserError(
                    f"mix 'disjoint': the stream '{stream}' of the corpus '{self.name}' mixes languages in a way that "
                    "cannot be told apart; expected a stream a language"
                )
        return pieces

    def word_task(self) -> WordTask:
        """Return the word questions."""
        task = self.inner.word_task()
        if not isinstance(task.prompt, SegmentedPrompt):
            raise UserError(
                f"mix 'disjoint': the questions of the corpus '{self.name}' cannot be told apart by language"
            )
        return task

    def provenance(self) -> dict[str, Any]:
        """Return licence, source and settings, and the order of the blocks."""
        return {**self.inner.provenance(), "disjoint": list(self.blocks)}
