import fnmatch
import gzip
import hashlib
import json
import re
import subprocess
import sys
import tomllib
from importlib.resources import files
from itertools import pairwise
from pathlib import Path

import pytest

from calque.data.corpora.sample import SampleConfig, SampleCorpus
from calque.data.corpora.sample_text import build, packed, pages, text
from calque.data.corpus import Corpus
from calque.data.errors import UserError
from calque.data.languages import LANGUAGES

ALL = tuple(LANGUAGES)
ROOT = Path(__file__).parent.parent


def sample(code: str, **settings: float) -> SampleCorpus:
    return SampleCorpus(SampleConfig(languages=(code,), **settings))


def paragraphs(code: str, split: str) -> list[str]:
    documents = sample(code).documents(code, "train" if split == "train" else "heldout")
    return [line for document in documents for line in document.split("\n")]


@pytest.mark.parametrize("code", ALL)
def test_size_and_script(code: str) -> None:
    whole = text(code)
    assert 120_000 <= len(whole.encode()) <= 180_000
    letters = re.findall(r"[^\W\d_]", whole)
    share = len(re.findall(build.SCRIPT[LANGUAGES[code].script], whole)) / len(letters)
    assert share > (0.9 if code in ("zh", "ja", "ko", "ru") else 0.99)
    if code == "zh":
        assert not re.search(r"[\u3040-\u30ff]", whole)
    if code == "ja":
        assert len(re.findall(r"[\u3040-\u30ff]", whole)) > 0.4 * len(letters)


@pytest.mark.parametrize(("code", "marks"), [("de", "äöüß"), ("tr", "ığşç"), ("fi", "äö"), ("en", "w"), ("id", "ng")])
def test_latin_languages_are_told_apart(code: str, marks: str) -> None:
    whole = text(code).lower()
    assert all(whole.count(mark) > 100 for mark in marks)
    words = re.findall(r"\w+", whole)
    english = sum(word in ("the", "of", "and", "is") for word in words) / len(words)
    assert english > 0.05 if code == "en" else english < 0.002


@pytest.mark.parametrize("code", ALL)
def test_no_paragraph_on_both_sides_nor_a_near_copy(code: str) -> None:
    train, heldout = paragraphs(code, "train"), paragraphs(code, "heldout")
    assert not {build.normalised(line) for line in train} & {build.normalised(line) for line in heldout}
    kept = build.Paragraphs()
    for line in train:
        kept.add(line)
    assert not [line for line in heldout if kept.resembled(line)]


def test_near_copies_are_seen() -> None:
    kept = build.Paragraphs()
    assert kept.admit("Click the icon on the toolbar to open the dialog.")
    assert kept.resembled("CLICK THE ICON ON THE TOOLBAR, to open the dialog")
    assert kept.resembled("Click the icon on the toolbar to open this dialog.")
    assert not kept.resembled("Select the cells that you want to sort.")


@pytest.mark.parametrize("code", ALL)
def test_a_tenth_is_held_out_by_document(code: str) -> None:
    corpus = sample(code)
    train, heldout = list(corpus.documents(code, "train")), list(corpus.documents(code, "heldout"))
    assert len(heldout) >= 5 and not set(train) & set(heldout)
    share = sum(map(len, heldout)) / sum(map(len, train + heldout))
    assert 0.08 <= share <= 0.13
    whole = text(code).rstrip("\n").split("\n\n")
    assert sorted(whole) == sorted(train + heldout)
    digests = {document: hashlib.sha256(document.encode()).digest() for document in train[1:] + heldout}
    assert max(digests[page] for page in heldout) < min(digests[page] for page in train[1:])


@pytest.mark.parametrize("code", ALL)
def test_lines_are_clean(code: str) -> None:
    for document in text(code).rstrip("\n").split("\n\n"):
        lines = document.split("\n")
        assert all(lines) and len("".join(lines)) > 300
        assert all(line == pages.tidy(line) for line in lines)
        assert not any(re.search(r"Title is|</?\w+>|&\w+;|://|\ufffd", line) for line in lines)
        assert all(first != second for first, second in pairwise(lines))


def test_documents_are_listed_in_order() -> None:
    table = files("calque.data.corpora.sample_text").joinpath("documents.tsv").read_text().splitlines()[1:]
    for code in ALL:
        rows = [line.split("\t") for line in table if line.startswith(f"{code}\t")]
        documents = text(code).rstrip("\n").split("\n\n")
        assert [int(row[4]) for row in rows] == [len(document.encode()) + 1 for document in documents]
        assert rows[0][1] == "udhr" and {row[1] for row in rows[1:]} == {"libreoffice-help"}


def test_files_carry_no_time_and_packages_hold_them_all() -> None:
    for code in ALL:
        raw = packed(code)
        assert raw[4:8] == b"\0\0\0\0" and gzip.decompress(raw).decode() == text(code)
    globs = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    for package in ("calque.data.corpora.sample_text", "calque.data.lexicon"):
        for file in files(package).iterdir():
            if file.is_file() and not file.name.endswith(".py"):
                assert any(fnmatch.fnmatch(file.name, glob) for glob in globs[package]), file


def test_licences_are_shipped() -> None:
    folder = files("calque.data.corpora.sample_text")
    assert "Mozilla Public License Version 2.0" in folder.joinpath("LICENSE-MPL-2.0.md").read_text()
    readme, notice = folder.joinpath("README.md").read_text(), (ROOT / "NOTICE").read_text()
    for word in ("LibreOffice", "Mozilla Public License", "Universal Declaration of Human Rights"):
        assert word in readme and word in notice
    assert "Unicode License v3" in notice


def test_the_corpus_keeps_the_contract() -> None:
    corpus: Corpus = SampleCorpus(SampleConfig(languages=("en", "ja"), tokenizer="bpe:300", shots=1, shot_seed=4))
    assert corpus.name == "sample" and corpus.languages == ("en", "ja")
    assert corpus.streams() == {"en": None, "ja": None}
    assert corpus.tokenizer().get_vocab_size() == 300
    assert corpus.word_task().languages == ("en", "ja")
    assert corpus.word_task().prompt("en", "ja", "dog", "dog").count("\n") == 1
    assert {pair.language for pair in corpus.minimal_pairs()} == {"en"}
    provenance = corpus.provenance()
    assert json.loads(json.dumps(provenance)) == provenance
    entry = provenance["files"]["ja.txt.gz"]
    assert entry["sha256"] == hashlib.sha256(packed("ja")).hexdigest()
    assert entry["documents"]["heldout"] == len(list(corpus.documents("ja", "heldout")))
    assert "MPL-2.0" in provenance["sources"]["libreoffice-help"]["licence"]


@pytest.mark.parametrize("code", ["en", "zh"])
def test_repetition_adds_to_training_text_alone(code: str) -> None:
    plain, again = (
        sample(code),
        sample(code, repeat_rate=0.5),
    )
    assert list(plain.documents(code, "heldout")) == list(again.documents(code, "heldout"))
    before, after = list(plain.documents(code, "train")), list(again.documents(code, "train"))
    assert after == list(again.documents(code, "train"))
    assert [document.count("\n") for document in before] == [document.count("\n") for document in after]
    longer = sum(len("".join(document.split())) for document in after)
    assert 1.9 < longer / sum(len("".join(document.split())) for document in before) < 2.1
    assert again.provenance()["repeat_rate"] == 0.5 and plain.provenance()["repeat_rate"] == 0


def test_mistakes_are_named() -> None:
    with pytest.raises(UserError, match="unknown language 'dee'.*did you mean 'de'"):
        SampleConfig(languages=("en", "dee"))
    with pytest.raises(UserError, match="expected each code once"):
        SampleConfig(languages=("en", "en"))
    with pytest.raises(UserError, match="languages is empty"):
        SampleConfig(languages=())
    with pytest.raises(UserError, match="repeat_rate is 1"):
        SampleConfig(languages=("en",), repeat_rate=1)
    with pytest.raises(UserError, match="no stream 'de'"):
        list(sample("en").documents("de", "train"))


def test_torch_is_not_needed() -> None:
    code = "import sys; import calque.data.corpora.sample; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_help_page_is_read_as_its_reader_sees_it() -> None:
    page = pages.Page()
    page.feed(
        '<h1>Saving</h1><p class="paragraph">Choose <span class="switchinline">'
        '<span hidden="true" id="MACx" class="MAC">Preferences</span>'
        '<span hidden="true" id="defaultx">Tools</span></span>, then pilih<span class="emph">Simpan</span> .</p>'
        '<table><tr><td><p>a cell</p></td></tr></table><p>Click <img src="x.png"> now.</p><pre>code</pre>'
        '<div class="relatedtopics"><p>See also</p></div><p class="paragraph">One<br>two.</p>'
    )
    page.close()
    assert page.paragraphs == ["Saving", "Choose Tools, then pilih Simpan.", "One two."]


def test_untranslated_and_foreign_paragraphs_are_refused() -> None:
    assert build.belongs("Klicken Sie auf das Symbol Umrandung.", "de")
    assert not build.belongs("Click the icon and choose the name of the file.", "de")
    assert not build.belongs("漢字だけではない文章です。", "zh")
    assert not build.belongs("中文没有假名的句子。", "ja")
    assert not build.belongs("Format - Absatz - Umrandung", "de")
    assert not build.belongs("= 12 + 34 * 56", "en")
