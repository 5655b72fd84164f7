"""What was kept and dropped of one source in one language, and how much of it is in that language."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from calque.data.corpora.debian.identify import checked_language_of
from calque.data.corpora.debian.text import LETTER, is_dense
from calque.data.corpus import Split

SAMPLED = 400  # lines a source and language whose language is checked
CHECKED_LETTERS = {True: 20, False: 40}  # letters a checked line has, at least (dense scripts, others)
REASONS = (
    "short", "long", "symbols", "code", "script", "english", "repeated", "repeated elsewhere", "template", "language",
    "near held-out",
)  # fmt: skip


@dataclass(slots=True)
class KeptLine:
    """A paragraph that is kept.

    Attributes
    ----------
    document : str
        Name within its source.
    key : str
        Shared with its translations; empty if unknown.
    text : str
    split : str
    """

    document: str
    key: str
    text: str
    split: Split = "train"


@dataclass(kw_only=True)
class SourceCounts:
    """Counts of one source's text in one language: what was kept and dropped.

    Attributes
    ----------
    found : int
        Paragraphs extracted.
    dropped : dict of str to int
        Paragraphs dropped, by reason.
    lines, documents, bytes : int
        Kept, both splits together.
    heldout_lines, heldout_bytes : int
        Kept, of the held-out split.
    checked, right, right_of_all : int
        Lines sampled to check their language, those that an independent identifier finds in it when it chooses among
        the nine languages, and when it chooses among all it knows.
    """

    found: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    lines: int = 0
    documents: int = 0
    bytes: int = 0
    heldout_lines: int = 0
    heldout_bytes: int = 0
    checked: int = 0
    right: int = 0
    right_of_all: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return the counts, JSON-ready."""
        return asdict(self)


def count(code: str, lines: list[KeptLine], found: SourceCounts) -> None:
    """Count the kept lines, and identify the language of a sample of them.

    Parameters
    ----------
    code : str
        Code of the language.
    lines : list of KeptLine
        The lines of one source that were kept.
    found : SourceCounts
        The counts; they are updated in place.
    """
    found.lines, found.documents = len(lines), len({line.document for line in lines})
    found.bytes = sum(len(line.text.encode()) + 1 for line in lines)
    heldout = [line for line in lines if line.split == "heldout"]
    found.heldout_lines, found.heldout_bytes = len(heldout), sum(len(line.text.encode()) + 1 for line in heldout)
    for text in sampled(code, [line.text for line in lines]):
        among_nine, among_all = checked_language_of(text)
        found.checked += 1
        found.right += among_nine == code
        found.right_of_all += among_all == code


def sampled(code: str, texts: Sequence[str]) -> list[str]:
    """Return the ``SAMPLED`` texts of lowest hash among those long enough to identify their language.

    Parameters
    ----------
    code : str
        Code of the language; it decides how many letters suffice.
    texts : sequence of str
        Paragraphs.

    Returns
    -------
    list of str
        At most ``SAMPLED`` paragraphs, in the order of their SHA-256.
    """
    enough = CHECKED_LETTERS[is_dense(code)]
    long = (text for text in texts if len(LETTER.findall(text)) >= enough)
    return sorted(long, key=lambda text: hashlib.sha256(text.encode()).digest())[:SAMPLED]
