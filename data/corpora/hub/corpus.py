"""The ``hub`` corpus: FineWeb-2 and FineWeb, or any data set laid out as they are, streamed file by file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from datasets import disable_progress_bars

from calque.data.corpora.hub.config import HubConfig
from calque.data.corpora.hub.network import RetryPolicy
from calque.data.corpora.hub.parts import Part, Plan, plan, values
from calque.data.corpora.real_text import RealText
from calque.data.corpora.text.duplicates import document_hash
from calque.data.corpus import Split
from calque.data.errors import UserError

SPLIT = (
    "by document: those whose text has a BLAKE2b hash in the lowest share are not trained on; the first of them, from "
    "the first file, are held out"
)


class HubCorpus(RealText):
    """Documents of data sets on the Hugging Face hub. Each parquet file is a part.

    The hub is not contacted before text or provenance is read.

    Parameters
    ----------
    config : HubConfig

    Raises
    ------
    UserError
        From the methods that need the data sets: when they are not there or the network fails for too long.
    """

    name = "hub"
    config: HubConfig

    def __init__(self, config: HubConfig) -> None:
        super().__init__(config)
        self.plans: dict[str, Plan] = {}

    def plan(self, stream: str) -> Plan:
        """Return the revision and the files of ``stream``, a language."""
        self.check_stream(stream)
        if stream not in self.plans:
            disable_progress_bars()
            self.plans[stream] = plan(self.config.source(stream), self.config, self.config.bytes_of(stream))
        return self.plans[stream]

    def parts(self, stream: str) -> tuple[str, ...]:
        """Return the names of the files of ``stream``, as many as its bytes need."""
        return tuple(part.name for part in self.plan(stream).parts)

    def part_documents(self, stream: str, part: str, split: Split) -> Iterator[str]:
        """Yield the documents of one file, in its order; held-out ones are in the first file alone.

        Parameters
        ----------
        stream : str
            Code of a language.
        part : str
            Name of a file.
        split : {"train", "heldout"}
            The part of the text to read.

        Yields
        ------
        str
            A document.

        Raises
        ------
        UserError
            When a file cannot be read, or the first one has no held-out document.
        """
        entry = next(entry for entry in self.plan(stream).parts if entry.name == part)
        threshold = int(self.config.heldout * 2**64)
        left = entry.text_bytes
        if split == "heldout":
            if entry.place:
                return
            left = self.config.heldout_bytes
        found = False
        for text in self._texts(stream, entry):
            if text and (document_hash(text) < threshold) == (split == "heldout"):
                yield text
                found = True
                if left is not None:
                    left -= len(text.encode())
                    if left <= 0:
                        return
        if split == "heldout" and not found:
            raise UserError(
                f"{entry.name} of {self.config.source(stream)} gives no document to hold out; expected one or more in "
                "the first file: raise hub.heldout"
            )

    def documents(self, stream: str, split: Split) -> Iterator[str]:
        """Yield a language's documents, file after file; the splits share no document."""
        for part in self.parts(stream):
            yield from self.part_documents(stream, part, split)

    def provenance(self) -> dict[str, Any]:
        """Return licence, settings, and the exact revision and files of every data set."""
        return {
            "corpus": self.name,
            "languages": list(self.languages),
            "licence": self.config.terms(),
            "split": SPLIT,
            "heldout": self.config.heldout,
            "heldout_bytes": self.config.heldout_bytes,
            "text_bytes": self.config.text_bytes,
            "field": self.config.field,
            "datasets": {code: self._described(code) for code in self.languages},
        }

    def _described(self, code: str) -> dict[str, Any]:
        source, found = self.config.source(code), self.plan(code)
        files = [{key: value for key, value in asdict(part).items() if value is not None} for part in found.parts]
        return {
            "name": Path(source.place).name if source.is_folder else source.name,
            "config": source.config,
            "split": self.config.split,
            "revision": found.revision,
            "files": files,
        }

    def _texts(self, stream: str, part: Part) -> Iterator[str]:
        """Yield a file's texts; after a failure of the network it is read again from the row group where it stopped."""
        source, revision = self.config.source(stream), self.plan(stream).revision
        retries, done = RetryPolicy(f"{part.name} of {source}", self.config.attempts), 0
        while True:
            try:
                for text in values(source, revision, part, self.config, done):
                    yield self._checked(text, f"{part.name} of {source}, row {done + 1}")
                    done += 1
                    retries.progressed()
                return
            except UserError:
                raise
            except Exception as error:
                retries.failed(error)

    def _checked(self, text: str | None, where: str) -> str:
        if text is None:
            raise UserError(f"{where}: the column '{self.config.field}' is null; expected text")
        return str(text).strip()
