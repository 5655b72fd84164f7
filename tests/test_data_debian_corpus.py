import json
import os
import pickle
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from calque.data.corpora.debian import building, extracting
from calque.data.corpora.debian.building import CLEAN, build
from calque.data.corpora.debian.config import DebianConfig
from calque.data.corpora.debian.corpus import DebianCorpus
from calque.data.corpora.debian.provenance import rows_of, tables
from calque.data.corpora.debian.sources import LANGUAGE_OF, SOURCES
from calque.data.corpus import Corpus, PartedCorpus
from calque.data.errors import UserError
from calque.data.languages import LANGUAGES
from tests.debian_packages import catalogue_of, deb
from tests.test_data_debian_cleaning import SENTENCES

NAMES = ("libreoffice-help", "wesnoth", "crawl")
SMALL = tuple(source for source in SOURCES if source.name in NAMES)
CODES = ("en", "de", "ru", "zh", "fi")
ROOT = Path(__file__).parent.parent


def shuffled(code: str, number: int) -> str:
    """Return a sentence of a language, its own for every number."""
    text = SENTENCES[code]
    rng = random.Random(f"{code}{number}")
    if LANGUAGES[code].spaces:
        return " ".join(rng.sample(text.split(), len(text.split())))
    return "".join(rng.sample(text, len(text)))


def help_package(folder: Path, code: str, tag: str, name: str, pages: int) -> None:
    files = {}
    for page in range(pages):
        body = "".join(f'<p id="par_{n}">{shuffled(code, 10 * page + n)}</p>' for n in range(4))
        files[f"usr/share/libreoffice/help/{tag}/text/guide/page{page}.html"] = (
            f'<html><body><div id="DisplayArea"><h1>Page</h1>{body}</div></body></html>'
        )
    deb(
        folder / f"libreoffice-help-{name}_7_all.deb",
        {f"usr/share/doc/libreoffice-help-{name}/copyright": "License: MPL-2.0\n", **files},
    )


@pytest.fixture(scope="module")
def debs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("debs")
    help_package(folder, "en", "en-US", "en-us", 60)
    help_package(folder, "de", "de", "de", 60)
    help_package(folder, "zh", "zh-CN", "zh-cn", 30)
    place = "usr/share/games/wesnoth/1.16/locale/{}/LC_MESSAGES/wesnoth-trow.mo"
    english = [shuffled("en", number) for number in range(1000, 1060)]
    files = {
        place.format(code): catalogue_of(
            {source: shuffled(code, 1000 + number) for number, source in enumerate(english)}
            | {shuffled("en", 2000): shuffled("en", 2001)}
        )
        for code in ("de", "fi", "ru")
    }
    files["usr/share/games/wesnoth/1.16/locale/pl/LC_MESSAGES/wesnoth-trow.mo"] = catalogue_of({"a": "b"})
    files["usr/share/games/wesnoth/1.16/locale/tr/LC_MESSAGES/wesnoth-trow.mo"] = b"damaged"
    deb(folder / "wesnoth-1.16-trow_1_all.deb", files)
    descriptions = f"%%%%\nOrc\n\n{shuffled('en', 3000)}\n\n{shuffled('en', 1)}\n%%%%\n"
    deb(folder / "crawl-common_1_all.deb", {"usr/share/crawl/dat/descript/monsters.txt": descriptions})
    return folder


@pytest.fixture(autouse=True)
def given(debs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALQUE_DEBS", str(debs))


@pytest.fixture(scope="module")
def corpus(debs: Path, tmp_path_factory: pytest.TempPathFactory) -> DebianCorpus:
    made = DebianCorpus(DebianConfig(languages=CODES), tmp_path_factory.mktemp("made"), sources=SMALL)
    before = os.environ.get("CALQUE_DEBS")
    os.environ["CALQUE_DEBS"] = str(debs)
    try:
        made.prepare()
    finally:
        os.environ.pop("CALQUE_DEBS") if before is None else os.environ.update(CALQUE_DEBS=before)
    return made


def paragraphs(corpus: DebianCorpus, code: str, split: str) -> list[str]:
    documents = corpus.documents(code, "train" if split == "train" else "heldout")
    return [line for document in documents for line in document.split("\n")]


def test_it_keeps_the_contract_of_corpora(corpus: DebianCorpus) -> None:
    held: Corpus = corpus
    assert isinstance(held, PartedCorpus)
    assert tuple(corpus.streams()) == CODES
    assert corpus.parts("en") == ("libreoffice-help", "wesnoth", "crawl")
    assert corpus.parts("de") == ("libreoffice-help", "wesnoth")
    for code in ("en", "de"):
        parts = [text for part in corpus.parts(code) for text in corpus.part_documents(code, part, "train")]
        assert parts == list(corpus.documents(code, "train")) and len(parts) > 40
    with pytest.raises(UserError, match="no stream 'pl' in this corpus"):
        list(DebianCorpus(DebianConfig(languages=("en", "de")), corpus.folder, sources=SMALL).documents("pl", "train"))
    assert list(pickle.loads(pickle.dumps(corpus)).documents("de", "heldout")) == list(
        corpus.documents("de", "heldout")
    )


def test_a_language_without_text_is_one_line(corpus: DebianCorpus) -> None:
    bare = DebianCorpus(DebianConfig(languages=("de", "tr", "ko")), corpus.folder, sources=SMALL)
    with pytest.raises(
        UserError, match="the packages hold no text in tr, ko; put more of them into the folder that CALQ"
    ):
        bare.provenance()


@pytest.mark.parametrize("code", CODES)
def test_no_paragraph_is_there_twice(corpus: DebianCorpus, code: str) -> None:
    train, heldout = paragraphs(corpus, code, "train"), paragraphs(corpus, code, "heldout")
    assert len(set(train + heldout)) == len(train + heldout) > 30
    assert not set(train) & set(paragraphs(corpus, "en", "train")) or code == "en"


def test_the_first_source_keeps_what_several_hold(corpus: DebianCorpus) -> None:
    texts = list(corpus.part_documents("en", "crawl", "train")) + list(corpus.part_documents("en", "crawl", "heldout"))
    assert texts == [shuffled("en", 3000)]
    rows = {(row.source, row.language): row for row in corpus.provenance_table()}
    assert rows["crawl", "en"].dropped == {"repeated elsewhere": 1}
    assert rows["wesnoth", "de"].dropped["english"] == 1


def test_aligned_lines_translate_each_other(corpus: DebianCorpus) -> None:
    index = {shuffled(code, number): number for code in ("en", "de", "fi", "ru") for number in range(3000)}
    for first, second, least in (("en", "de", 150), ("de", "fi", 30), ("ru", "en", 1)):
        pairs = list(corpus.aligned(first, second, "train"))
        assert len(pairs) >= least and all(index[one] == index[other] for one, other in pairs)
        train = set(paragraphs(corpus, first, "train")), set(paragraphs(corpus, second, "train"))
        assert all(one in train[0] and other in train[1] for one, other in pairs)
        assert len(set(pairs)) == len(pairs)
    assert list(corpus.aligned("zh", "ru", "train")) == []


def test_provenance(corpus: DebianCorpus) -> None:
    provenance = corpus.provenance()
    assert json.loads(json.dumps(provenance)) == provenance
    source = provenance["sources"]["libreoffice-help"]
    assert source["licences"] == {"MPL-2.0": 3} and len(source["missing"]) == 6
    assert [package["name"] for package in source["packages"]] == [
        f"libreoffice-help-{tag}" for tag in ("en-us", "de", "zh-cn")
    ]
    assert all(len(package["sha256"]) == 64 and "/" not in package["file"] for package in source["packages"])
    assert "no gettext catalogue" in str(provenance["sources"]["wesnoth"]["unreadable"])
    rows = corpus.provenance_table()
    assert rows == rows_of(provenance)
    for row in rows:
        assert row.found == row.lines + sum(row.dropped.values()) and row.checked == min(400, row.checked)
        texts = [
            text for split in ("train", "heldout") for text in corpus.part_documents(row.language, row.source, split)
        ]
        assert row.documents == len(texts) and row.bytes == sum(len(text.encode()) + 1 for text in texts)
    few = DebianCorpus(DebianConfig(languages=("de",)), corpus.folder, sources=SMALL)
    assert {row.language for row in few.provenance_table()} == {"de"}


def test_the_tables_say_size_language_and_what_was_dropped(corpus: DebianCorpus) -> None:
    console = Console(width=140, record=True, file=open(os.devnull, "w"))  # noqa: SIM115
    for table in tables(corpus.provenance_table()):
        console.print(table)
    text = console.export_text()
    rows = corpus.provenance_table()
    assert f"{sum(row.bytes for row in rows) / 1e6:.2f}" in text
    share = 100 * sum(row.right for row in rows) / sum(row.checked for row in rows)
    assert f"{share:.1f}" in text and "MPL-2.0" in text and "repeated elsewhere" in text
    console.file.close()


def test_a_second_call_does_nothing(corpus: DebianCorpus, monkeypatch: pytest.MonkeyPatch) -> None:
    def files() -> dict[Path, int]:
        return {path: path.stat().st_mtime_ns for path in corpus.folder.rglob("*") if path.name != ".lock"}

    before = files()
    monkeypatch.setattr(extracting, "read_files", None)
    monkeypatch.setattr(building, "extract", None)
    assert build(corpus.folder, sources=SMALL) == corpus.prepare() and files() == before
    assert not list(corpus.folder.rglob("raw"))


def sha256(folder: Path) -> str:
    return str(json.loads((folder / "corpus.json").read_text())["sha256"])


class Interrupted(BaseException):
    pass


def ending_at(step: int, end: Callable[[], None]) -> Callable[[str, int, int], None]:
    """Return a report that ends the work at its call of this number."""
    left = [step]

    def report(what: str, done: int, of: int) -> None:
        left[0] -= 1
        if left[0] == 0:
            end()

    return report


def interrupt() -> None:
    raise Interrupted


def test_killed_again_and_again_it_ends_with_the_same_text(corpus: DebianCorpus, tmp_path: Path) -> None:
    call = f"""import os
from pathlib import Path
from calque.data.corpora.debian.building import build
from tests.test_data_debian_corpus import SMALL, ending_at
build(Path({str(tmp_path)!r}), ending_at(9, lambda: os.kill(os.getpid(), 9)), SMALL)"""
    assert subprocess.run([sys.executable, "-c", call], cwd=ROOT, check=False).returncode == -9
    assert not list(tmp_path.rglob("corpus.json"))
    for step in (6, 8, 11, 14, 25):
        with pytest.raises(Interrupted):
            build(tmp_path, ending_at(step, interrupt), SMALL)
    made = build(tmp_path, sources=SMALL)
    assert sha256(made) == sha256(corpus.prepare())
    assert sorted(path.name for path in made.iterdir()) == ["clean", "corpus.json"]
    assert not list(tmp_path.rglob("*.partial"))


def test_the_same_packages_give_the_same_text_wherever_they_lie(
    corpus: DebianCorpus, debs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for path in sorted(debs.iterdir(), reverse=True):
        (elsewhere / path.name).write_bytes(path.read_bytes())
    monkeypatch.setenv("CALQUE_DEBS", str(elsewhere))
    made = build(tmp_path / "again", sources=SMALL)
    assert made.name == corpus.prepare().name and sha256(made) == sha256(corpus.prepare())
    deb(
        elsewhere / "crawl-common_1_all.deb",
        {"usr/share/crawl/dat/descript/gods.txt": f"%%%%\nX\n\n{shuffled('en', 9999)}\n"},
    )
    other = build(tmp_path / "again", sources=SMALL)
    assert other.name != made.name and sha256(other) != sha256(made)
    assert (made / CLEAN).exists()


def test_a_hostile_package_stops_it_and_leaves_no_text(
    debs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "debs"
    folder.mkdir()
    deb(folder / "crawl-common_1_all.deb", {"../../../escaped": b"x"})
    monkeypatch.setenv("CALQUE_DEBS", str(folder))
    with pytest.raises(UserError, match="outside its own tree"):
        build(tmp_path / "made", sources=SMALL)
    assert not list(tmp_path.rglob("escaped")) and not list(tmp_path.rglob("corpus.json"))


def test_every_source_is_described() -> None:
    assert len({source.name for source in SOURCES}) == len(SOURCES)
    assert {LANGUAGE_OF[tag] for tag in LANGUAGE_OF} == set(LANGUAGES)
    for source in SOURCES:
        assert source.licence and source.title and source.packages and source.rules
    names = [word for source in SOURCES for word in source.packages]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("source", "path", "code", "document"),
    [
        ("libreoffice-help", "usr/share/libreoffice/help/zh-CN/text/a/b.html", "zh", "a/b"),
        ("wesnoth", "usr/share/games/wesnoth/1.16/locale/zh_CN/LC_MESSAGES/wesnoth-httt.mo", "zh", "wesnoth-httt"),
        ("manpages", "usr/share/man/man2/open.2.gz", "en", "man2/open.2"),
        ("manpages", "usr/share/man/de/man2/open.2.gz", "de", "man2/open.2"),
        ("debian-manuals", "usr/share/doc/debian/FAQ/ko/kernel.ko.html", "ko", "debian/FAQ/ko/kernel"),
        ("debian-manuals", "usr/share/debian-reference/ch01.en.html", "en", "debian-reference/ch01"),
        ("gnome-help", "usr/share/help/C/gnome-help/a.page", "en", "gnome-help/a"),
        ("lilypond-manuals", "usr/share/doc/lilypond/html/Documentation/usage/a.ja.html", "ja", "usage/a"),
        ("lilypond-manuals", "usr/share/doc/lilypond/html/Documentation/usage/a.html", "en", "usage/a"),
        ("wordpress", "usr/share/wordpress/wp-content/languages/admin-ko_KR.mo", "ko", "admin-"),
        ("crawl", "usr/share/crawl/dat/descript/ru/gods.txt", "ru", "gods"),
        ("mediawiki", "usr/share/mediawiki/languages/i18n/zh-hans.json", "zh", "languages/i18n"),
    ],
)
def test_paths_have_their_language(source: str, path: str, code: str, document: str) -> None:
    (found,) = [one.place(path) for one in SOURCES if one.name == source]
    assert found is not None and found[:2] == (code, document)


@pytest.mark.parametrize("path", ["usr/share/help/pl/gnome-help/a.page", "usr/share/help/en_GB/a.page", "usr/bin/ls"])
def test_other_languages_and_files_are_left(path: str) -> None:
    assert all(source.place(path) is None for source in SOURCES)
