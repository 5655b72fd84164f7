"""The ``text`` corpus: a user's own files, a folder a language."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from functools import cached_property
from typing import Any

from calque.data.corpora.real_text import RealText
from calque.data.corpora.text.config import TextConfig
from calque.data.corpora.text.documents import documents
from calque.data.corpora.text.folder import text_files
from calque.data.corpora.text.index import TextIndex, check_unchanged
from calque.data.corpus import Split

SPLIT = (
    "by document: held out are those with the lowest BLAKE2b hash of their text; a document that occurs several times "
    "in a language is used once"
)


class TextCorpus(RealText):
    """Documents of a folder. Each file is a part; no file is opened before text or provenance is read.

    Parameters
    ----------
    config : TextConfig

    Raises
    ------
    UserError
        From every method that needs the files: when they are not as expected (see
        :mod:`calque.data.corpora.text.folder` and :mod:`calque.data.corpora.text.documents`).
    """

    name = "text"
    config: TextConfig

    def __init__(self, config: TextConfig) -> None:
        super().__init__(config)

    @cached_property
    def index(self) -> TextIndex:
        """What the files hold."""
        return TextIndex(self.config, text_files(self.config))

    def parts(self, stream: str) -> tuple[str, ...]:
        """Return the names of the files of ``stream``, a language, sorted."""
        self.check_stream(stream)
        return tuple(file.name for file in self.index.files[stream])

    def part_documents(self, stream: str, part: str, split: Split) -> Iterator[str]:
        """Yield the documents of the file ``part`` of ``stream`` in ``split``, in their order."""
        place = self.parts(stream).index(part)
        selected = self.index.selected(stream, place, split)
        if not selected.any():
            return
        file = self.index.files[stream][place]
        check_unchanged(file)
        yield from documents(file.path, str(file.path), self.config, lambda ordinal: bool(selected[ordinal]))
        check_unchanged(file)

    def documents(self, stream: str, split: Split) -> Iterator[str]:
        """Yield a language's documents, file after file; the splits share no document."""
        for part in self.parts(stream):
            yield from self.part_documents(stream, part, split)

    def provenance(self) -> dict[str, Any]:
        """Return the licence as the user states it, settings, and a hash and counts of every file."""
        entries = {code: self.index.language(code) for code in self.languages}
        return {
            "corpus": self.name,
            "languages": list(self.languages),
            "licence": self.config.licence,
            "source": "files of the user",
            "split": SPLIT,
            "heldout": self.config.heldout,
            "field": self.config.field,
            "document": self.config.document,
            "documents": {
                code: {"used": entry.documents, "duplicates": entry.duplicates, "heldout": entry.heldout}
                for code, entry in entries.items()
            },
            "files": {
                file.name: {key: value for key, value in asdict(file).items() if key not in ("name", "changed")}
                for entry in entries.values()
                for file in entry.files
            },
        }
