"""Settings of the ``text`` corpus: a user's own folder."""

from __future__ import annotations

from dataclasses import dataclass

from calque.data.corpora.real_text import RealTextConfig
from calque.data.corpora.text.opening import Limits
from calque.data.errors import UserError
from calque.data.quantities import Count


@dataclass(frozen=True, kw_only=True)
class TextConfig(RealTextConfig):
    """A folder of text: one folder for each language (``en/``, ``de/``), with text files at any depth.

    Attributes
    ----------
    folder : str
        The folder; it is required when data is prepared.
    field : str
        Name of the text in the objects of ``.jsonl`` files and the columns of ``.parquet`` files.
    licence : str
        Terms of the text, as known to you; recorded in the shards.
    heldout : float
        Share of a language's documents that is held out, in (0, 0.5]; at least one document is.
    document : int
        Least bytes of a document in a ``.txt`` file: it is cut at the first blank line after them, or at a line end
        after four times as many. Objects and rows of other files are documents.
    max_line : int
        Most bytes of a line of text or JSON, or of a value of a column. Memory grows with it.
    max_ratio : float
        Largest ratio of a compressed file's expanded size to its size.
    max_expanded : int
        Most bytes of an expanded file.

    Raises
    ------
    UserError
        When a value is impossible.
    """

    folder: str = ""
    field: str = "text"
    licence: str = "not stated"
    heldout: float = 0.01
    document: Count = 8_000
    max_line: Count = 2_000_000
    max_ratio: float = 250.0
    max_expanded: Count = 100_000_000_000

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.field:
            raise UserError("field is empty; expected the name of the text in objects and columns, such as text")
        if not 0 < self.heldout <= 0.5:
            raise UserError(f"heldout is {self.heldout}; expected more than 0 and at most 0.5")
        for name in ("document", "max_line", "max_ratio", "max_expanded"):
            if not getattr(self, name) >= 1:
                raise UserError(f"{name} is {getattr(self, name)}; expected 1 or more")

    @property
    def limits(self) -> Limits:
        """Bounds on reading a file."""
        return Limits(line=self.max_line, ratio=self.max_ratio, expanded=self.max_expanded)
