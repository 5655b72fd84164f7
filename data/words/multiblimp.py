"""Minimal pairs from files in the format of MultiBLiMP 1.0 (Jumelet, Weissweiler & Bisazza 2025, arXiv 2504.02768)."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from calque.data.errors import UserError, nearest
from calque.data.languages import LANGUAGES
from calque.data.tasks import MinimalPair

GOOD, BAD, PHENOMENON = "sen", "wrong_sen", "phenomenon"
LANGUAGE_COLUMNS = ("lang", "language")
CLUSTER_COLUMNS = ("lemma", "head_lemma", "verb_lemma", "head", "verb", "noun", "child")
ENDINGS = (".tsv", ".tsv.gz", ".parquet")
CODES = {
    **{code: code for code in LANGUAGES},
    "eng": "en", "deu": "de", "rus": "ru", "zho": "zh", "cmn": "zh", "jpn": "ja", "kor": "ko", "tur": "tr",
    "fin": "fi", "ind": "id",
}  # fmt: skip
"""ISO 639-1 and 639-3 to our codes."""


def read_pairs(path: str | os.PathLike[str], languages: Sequence[str]) -> tuple[MinimalPair, ...]:
    """Return the pairs of some languages from a file or a folder.

    Parameters
    ----------
    path : path
        A ``.tsv``, ``.tsv.gz`` or ``.parquet`` with the columns ``sen``, ``wrong_sen`` and ``phenomenon``, or a folder
        of such, such as ``eng/data.tsv`` or ``de.parquet``. The language is that of a column ``lang`` or
        ``language``, or of the file's or its folder's name, by its ISO 639-1 or 639-3 code.
    languages : sequence of str
        Codes; other languages are passed over. One without pairs has none: missing, not zero.

    Returns
    -------
    tuple of MinimalPair
        In the order of the files, a repeated pair once. The cluster is the lemma or, where no column gives it, the
        head, verb or noun that the pair is about (the first column there is of ``CLUSTER_COLUMNS``), else the pair.

    Raises
    ------
    UserError
        When nothing is there, a file cannot be read, lacks a column or names no language, a pair is empty or has two
        equal members, or no pair is in the languages.
    """
    path = Path(path).expanduser()
    pairs: dict[tuple[str, ...], MinimalPair] = {}
    for file in _files(path):
        for pair in _pairs(file, set(languages)):
            pairs.setdefault((pair.language, pair.phenomenon, pair.good, pair.bad), pair)
    if not pairs:
        raise UserError(f"minimal pairs: {path} has none in {', '.join(languages)}; drop it, or name another file")
    return tuple(pairs.values())


def _files(path: Path) -> list[Path]:
    if path.is_file():
        if not path.name.endswith(ENDINGS):
            raise UserError(f"minimal pairs: {path.name} is of an unknown kind; expected {', '.join(ENDINGS)}")
        return [path]
    if not path.is_dir():
        raise UserError(
            f"minimal pairs: {path} is missing; expected a file of {', '.join(ENDINGS)} or a folder of such"
        )
    found = sorted(file for file in path.rglob("*") if file.name.endswith(ENDINGS) and file.is_file())
    if not found:
        raise UserError(f"minimal pairs: {path} holds no file of {', '.join(ENDINGS)}; name another folder")
    return found


def _pairs(file: Path, languages: set[str]) -> Iterator[MinimalPair]:
    table = _table(file)
    for column in (GOOD, BAD, PHENOMENON):
        if column not in table.columns:
            known = [str(name) for name in table.columns]
            raise UserError(
                f"minimal pairs: {file} has no column '{column}' (it has {', '.join(known[:12]) or 'none'}); "
                f"expected {GOOD}, {BAD} and {PHENOMENON}{nearest(column, known)}"
            )
    by = next((name for name in CLUSTER_COLUMNS if name in table.columns), GOOD)
    codes = _languages(file, table)
    rows = zip(codes, table[PHENOMENON], table[GOOD], table[BAD], table[by], strict=True)
    for line, (code, phenomenon, good, bad, cluster) in enumerate(rows, start=1):
        if code not in languages:
            continue
        if not good.strip() or not bad.strip() or not phenomenon.strip():
            raise UserError(f"minimal pairs: {file}, row {line} has an empty cell; expected two texts and a phenomenon")
        if good == bad:
            raise UserError(f"minimal pairs: {file}, row {line}: both members are '{good}'; expected them to differ")
        yield MinimalPair(
            language=code, phenomenon=phenomenon, good=good, bad=bad, cluster=cluster.casefold() or good
        )  # fmt: skip


def _table(file: Path) -> pd.DataFrame:
    try:
        if file.suffix == ".parquet":
            return pd.read_parquet(file).fillna("").astype(str)
        table = pd.read_csv(file, sep="\t", dtype=str, keep_default_na=False, encoding="utf-8")
    except ImportError:
        raise UserError(f"minimal pairs: {file} needs the package 'pyarrow'; pip install '.[formats]'") from None
    except (ValueError, OSError, EOFError, pd.errors.ParserError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(
            f"minimal pairs: {file} cannot be read ({reason}); expected UTF-8 and tabs, or parquet"
        ) from None
    if not isinstance(table.index, pd.RangeIndex):
        raise UserError(f"minimal pairs: {file} has rows longer than its header; expected a name for every column")
    return table


def _languages(file: Path, table: pd.DataFrame) -> list[str]:
    """Return the code of each row as in ``calque.data.languages``; other languages keep theirs."""
    column = next((name for name in LANGUAGE_COLUMNS if name in table.columns), None)
    if column is not None:
        return [CODES.get(code.lower(), code) for code in table[column]]
    stem = file.name.split(".")[0].lower()
    for name in (stem, file.parent.name.lower()):
        if name in CODES or (len(name) == 3 and name.isalpha()):
            return [CODES.get(name, name)] * len(table)
    raise UserError(
        f"minimal pairs: {file} names no language; expected a column '{LANGUAGE_COLUMNS[0]}', or a file or folder "
        "named by a code such as eng or en"
    )
