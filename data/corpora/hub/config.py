"""Settings of the ``hub`` corpus: which data sets of the Hugging Face hub, and how much of them."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from pathlib import Path

from calque.data.corpora.real_text import RealTextConfig
from calque.data.errors import UserError, nearest
from calque.data.quantities import Count

DATASETS = {
    "en": "HuggingFaceFW/fineweb:sample-100BT",
    "de": "HuggingFaceFW/fineweb-2:deu_Latn",
    "ru": "HuggingFaceFW/fineweb-2:rus_Cyrl",
    "zh": "HuggingFaceFW/fineweb-2:cmn_Hani",
    "ja": "HuggingFaceFW/fineweb-2:jpn_Jpan",
    "ko": "HuggingFaceFW/fineweb-2:kor_Hang",
    "tr": "HuggingFaceFW/fineweb-2:tur_Latn",
    "fi": "HuggingFaceFW/fineweb-2:fin_Latn",
    "id": "HuggingFaceFW/fineweb-2:ind_Latn",
}
"""Where each language's text is by default; FineWeb-2 has no English, FineWeb is the same pipeline's."""
LICENCE = "ODC-By 1.0 (FineWeb, FineWeb-2), subject to the terms of use of Common Crawl"
FORM = "expected OWNER/NAME:CONFIG@REVISION or FOLDER:CONFIG (config and revision may be left out)"


@dataclass(frozen=True, kw_only=True)
class HubDataset:
    """A data set: on the hub, or in a local folder that is laid out as there.

    Attributes
    ----------
    name : str
        ``OWNER/NAME``, or a folder's path, which begins with ``/``, ``.`` or ``~``.
    config : str, optional
        One of the configurations that its card lists.
    revision : str, optional
        Branch, tag or commit of a data set on the hub; its main branch if none.
    """

    name: str
    config: str | None
    revision: str | None

    @classmethod
    def parse(cls, text: str) -> HubDataset:
        """Read ``OWNER/NAME:CONFIG@REVISION``.

        Raises
        ------
        UserError
            When the text is not of this form.
        """
        match = re.fullmatch(r"(?P<name>[^:@]+)(:(?P<config>[\w.-]+))?(@(?P<revision>[\w./-]+))?", text)
        if match is None:
            raise UserError(f"the data set is '{text}'; {FORM}")
        source = cls(**match.groupdict())
        if source.is_folder and source.revision:
            raise UserError(f"the data set is '{text}'; a folder has no revision: leave out @{source.revision}")
        if not source.is_folder and not re.fullmatch(r"[\w.-]+/[\w.-]+", source.name):
            raise UserError(f"the data set is '{text}'; {FORM}; a folder's path begins with /, . or ~")
        return source

    @property
    def is_folder(self) -> bool:
        """Whether it is on this machine."""
        return self.name.startswith(("/", ".", "~"))

    @property
    def place(self) -> str:
        """What ``datasets.load_dataset`` takes as the path."""
        return str(Path(self.name).expanduser().absolute()) if self.is_folder else self.name

    def __str__(self) -> str:
        return self.name + (f":{self.config}" if self.config else "")


@dataclass(frozen=True, kw_only=True)
class HubConfig(RealTextConfig):
    """Text streamed from data sets in parquet files.

    Attributes
    ----------
    datasets : dict of str to str
        Data set of a language, ``OWNER/NAME:CONFIG@REVISION`` or ``FOLDER:CONFIG``; by default ``DATASETS``.
    split : str
        Split of the data sets to read.
    field : str
        Column of the text.
    licence : str
        Terms of the text; kept with the shards. If empty, those of FineWeb where no other data set is named, else
        ``not stated``.
    text_bytes : int or mapping of language to int, optional
        Text of a language to take, in UTF-8 bytes: the same of all, or by language. None takes all of it. A run reads a
        language repeatedly where this is less than its share of the training tokens.
    heldout : float
        Share of the documents that is held out of training, in (0, 0.5].
    heldout_bytes : int
        Held-out text of a language that is kept to measure the loss, in UTF-8 bytes.
    attempts : int
        Most attempts for one answer of the hub.

    Raises
    ------
    UserError
        When a value is impossible.
    """

    datasets: dict[str, str] = dataclasses.field(default_factory=dict)
    split: str = "train"
    field: str = "text"
    licence: str = ""
    text_bytes: Count | dict[str, Count] | None = 1_000_000_000
    heldout: float = 0.01
    heldout_bytes: Count = 2_000_000
    attempts: int = 6

    def __post_init__(self) -> None:
        super().__post_init__()
        for code in self.datasets:
            if code not in self.languages:
                known = ", ".join(self.languages)
                raise UserError(
                    f"datasets names '{code}', which is none of the languages ({known}){nearest(code, self.languages)}"
                )
        for code in self.languages:
            self.source(code)
        for name in ("split", "field"):
            if not getattr(self, name):
                raise UserError(f"{name} is empty; expected a name")
        if not 0 < self.heldout <= 0.5:
            raise UserError(f"heldout is {self.heldout}; expected more than 0 and at most 0.5")
        if isinstance(self.text_bytes, dict):
            self._check_by_language(self.text_bytes)
        for name in ("text_bytes", "heldout_bytes", "attempts"):
            value = getattr(self, name)
            if isinstance(value, int) and value < 1:
                raise UserError(f"{name} is {value}; expected 1 or more")

    def _check_by_language(self, given: dict[str, int]) -> None:
        known = ", ".join(self.languages)
        for code in given:
            if code not in self.languages:
                raise UserError(
                    f"text_bytes names '{code}'; expected one of the languages, {known}{nearest(code, self.languages)}"
                ).at("text_bytes", code)
            if given[code] < 1:
                raise UserError(f"text_bytes of '{code}' is {given[code]}; expected 1 or more").at("text_bytes", code)
        missing = [code for code in self.languages if code not in given]
        if missing:
            raise UserError(f"text_bytes names no '{missing[0]}'; expected one count, or one for each of {known}").at(
                "text_bytes"
            )

    def bytes_of(self, code: str) -> int | None:
        """Return the bytes of text to take of the language ``code``; None takes all."""
        return self.text_bytes[code] if isinstance(self.text_bytes, dict) else self.text_bytes

    def source(self, code: str) -> HubDataset:
        """Return the data set of the language ``code``."""
        return HubDataset.parse(self.datasets.get(code, DATASETS[code]))

    def terms(self) -> str:
        """Return the licence as it is given, or as it is known."""
        names = {HubDataset.parse(text).name for text in DATASETS.values()}
        known = all(self.source(code).name in names for code in self.languages)
        return self.licence or (LICENCE if known else "not stated")
