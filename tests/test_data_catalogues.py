"""The word list from catalogues: entries, votes, selection, what training text may have of it."""

from itertools import permutations

import numpy as np
import pytest

from calque.data.corpora.debian.catalogues import __main__ as command
from calque.data.corpora.debian.catalogues import making, questions, selection
from calque.data.corpora.debian.catalogues.entries import entry_of, one_word
from calque.data.corpora.debian.catalogues.lexicon import CatalogueLexicon, Form, LexiconWord
from calque.data.corpora.debian.catalogues.making import make_lexicon
from calque.data.corpora.debian.catalogues.occurrences import count_words
from calque.data.corpora.debian.catalogues.projects import LOCALE_FILE, PROJECTS, Project
from calque.data.corpora.debian.catalogues.selection import select
from calque.data.corpora.debian.config import DebianConfig
from calque.data.corpora.debian.corpus import DebianCorpus
from calque.data.corpora.debian.formats.gettext import Message
from calque.data.corpora.debian.sources import DebianSource
from calque.data.corpora.sample import SampleConfig, SampleCorpus
from calque.data.errors import UserError
from calque.data.mixes import parallel
from calque.data.mixes.ablations import changed
from calque.data.mixes.mix import Mix
from calque.data.words.exposure import ENTRY, IN_LINES, NEVER
from calque.data.words.words import normalise
from tests.debian_packages import catalogue_of, deb

CODES = ("en", "de", "fi")
WORDS = {
    # English: (German, Finnish) by project; a tuple where projects differ
    "Dog": ("Hund", "koira"),
    "House": ("Haus", "talo"),
    "River": ("Fluss", "joki"),
    "Colour": ("Farbe", "väri"),
    "Color": ("Farbe", "väri"),  # the same words as another concept
    "Bank": (("Bank", "Bank", "Ufer", "Ufer", "Damm", "Deich"), "pankki"),  # several senses
    "Open": (("Öffnen", "Öffnen", "Offen", "Auf", "Los", "Frei"), "avaa"),  # nothing that three give
    "HTML": ("HTML", "HTML"),
    "Tree": (("Baum", "Baum", "Baum", "Baum", "Bäume", "Bäume"), "puu"),
    "_Save as": ("_Speichern", "tallenna"),  # two words in English
}
PROJECT_COUNT = 6


def project(name):
    source = DebianSource(name=name, title=name, licence="MIT", packages=(f"{name}-data",), rules=(LOCALE_FILE,))
    return Project(name=name, sources=(source,), in_corpus=False)


MADE = tuple(project(f"p{number}") for number in range(PROJECT_COUNT))
LINES = {
    "en": ["A dog sleeps in the house.", "The dog barks.", "Some HTML here"],
    "de": ["Der Hund schläft im Haus.", "Farbe ist Farbe", "ein hund"],
    "fi": ["Koira nukkuu.", "Missä koira on? Talo on tässä."],
}


def said(forms, number):
    return forms[number] if isinstance(forms, tuple) else forms


@pytest.fixture(scope="module")
def lexicon(tmp_path_factory):
    folder = tmp_path_factory.mktemp("debs")
    many = {f"Word{letter}": (f"Wort{letter}", f"sana{letter}") for letter in "abcdefghijklmnopqrstuvwxyz"}
    for number, one in enumerate(MADE):
        files = {f"usr/share/doc/{one.name}-data/copyright": "License: GPL-2+\n"}
        for place, code in enumerate(("de", "fi")):
            messages = {english: said(forms[place], number) for english, forms in {**WORDS, **many}.items()}
            messages["noun\x04Lock"] = "Schloss" if code == "de" else "lukko"
            messages["verb\x04Lock"] = "Sperren" if code == "de" else "lukitse"
            if number < 2:
                messages["Rare"] = "Selten"
            files[f"usr/share/locale/{code}/LC_MESSAGES/{one.name}.mo"] = catalogue_of(messages)
        deb(folder / f"{one.name}-data_1_all.deb", files)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CALQUE_DEBS", str(folder))
        home = tmp_path_factory.mktemp("home")
        first = make_lexicon(home, (), "text", lambda code: LINES.get(code, []), projects=MADE)
        patch.setattr(making, "read_project", None)  # what was read is kept
        assert make_lexicon(home, (), "text", lambda code: LINES.get(code, []), projects=MADE) == first
    return first


@pytest.fixture
def corpus(lexicon, monkeypatch):
    made = DebianCorpus(DebianConfig(languages=CODES, shots=1), words="catalogue")
    monkeypatch.setattr(made, "_lexicon", lexicon)
    return made


@pytest.mark.parametrize(
    ("text", "code", "word"),
    [
        ("_Datei", "de", "Datei"), ("&Datei", "de", "Datei"), ("D&atei:", "de", "Datei"), ("Suchen...", "de", "Suchen"),
        ("ファイル(_F)", "ja", "ファイル"), ("ファイル(&F)", "ja", "ファイル"), ("파일", "ko", "파일"),
        ("Do it", "en", None),
        ("x", "de", None), ("Datei", "ru", None), ("файл", "ru", "файл"), ("%s", "de", None), ("a\nb", "de", None),
        ("tab-separated", "en", "tab-separated"), ("Größe2", "de", None),
    ],
)  # fmt: skip
def test_one_word(text, code, word):
    assert one_word(text, code) == word


def test_messages_with_plural_forms_are_no_entries_and_contexts_tell_parts_of_speech():
    assert entry_of(Message("a verb", "Open", "Öffnen", False), "de", "p").part == "verb"
    assert entry_of(Message("noun or verb", "Open", "Öffnen", False), "de", "p").part == ""
    assert entry_of(Message("", "Day", "Tage", True), "de", "p") is None


def test_a_word_is_kept_when_three_projects_agree_and_every_other_has_its_reason(lexicon):
    chosen = select(lexicon, CODES)
    assert {"dog", "house", "river", "tree", "worda", "wordz"} <= set(chosen.concepts)
    assert chosen.dropped == {
        "bank": selection.DISAGREE, "open": selection.DISAGREE, "html": selection.ABBREVIATION,
        "colour": selection.SAME_WORD, "lock": selection.PARTS, "rare": selection.FEW,
    }  # fmt: skip
    assert chosen.forms["de", "tree"] == ("Baum", "Bäume") and chosen.forms["fi", "tree"] == ("puu",)
    assert sum(chosen.dropped_counts().values()) == len(chosen.dropped)
    assert {word.word for word in lexicon.words} == set(chosen.dropped) | set(chosen.concepts)


def word(name, forms, covered=1.0, parts=(), abbreviation=False):
    given = {
        code: tuple(Form(text=text, projects=n, uses=0) for text, n in own)
        for code, own in {"en": [(name, 0)], **forms}.items()
    }
    return LexiconWord(
        word=name, parts=parts, abbreviation=abbreviation, projects={code: 9 for code in forms},
        covered={code: covered for code in forms}, forms=given,
    )  # fmt: skip


def test_senses_and_reviewed_words_are_dropped_and_shared_forms_belong_to_one_concept(lexicon, monkeypatch):
    words = (
        word("edge", {"de": [("Kante", 9)]}, covered=0.6),
        word("quick", {"de": [("schnell", 9), ("rasch", 3)]}),
        word("rapid", {"de": [("zügig", 5), ("rasch", 4)]}),
        word("space", {"de": [("Raum", 9)]}),
    )
    monkeypatch.setattr(selection, "lexicon_rows", lambda name: [{"word": "space", "reason": "two senses"}])
    chosen = select(CatalogueLexicon(words=words, projects={}, text_words={}), ("en", "de"))
    assert chosen.dropped == {"edge": selection.SENSES, "space": "reviewed: two senses"}
    assert chosen.forms["de", "quick"] == ("schnell", "rasch") and chosen.forms["de", "rapid"] == ("zügig",)


def test_words_are_spelled_as_text_has_them_and_counted(lexicon):
    known = {one.word: one for one in lexicon.words}
    assert known["dog"].forms["fi"][0].text == "koira" and known["dog"].forms["fi"][0].uses == 2
    assert known["dog"].forms["de"][0].text == "Hund" and known["dog"].forms["de"][0].uses == 2
    assert known["river"].forms["de"][0].text == "Fluss" and known["river"].forms["fi"][0].text == "joki"
    assert known["dog"].forms["en"][0].text == "dog" and lexicon.text_words["en"] == 12


def test_words_of_dense_scripts_are_counted_anywhere():
    found = count_words(["打开文件夹", "文件"], "zh", ["文件", "打开"])
    assert found.uses == {"文件": 2, "打开": 1} and found.words == 7
    spaced = count_words(["Open the file-system file", "Files"], "en", ["file", "open"])
    assert spaced.uses == {"file": 1, "open": 1} and spaced.spellings == {"file": 1}


def test_no_entry_of_a_concept_that_is_held_out_is_in_training_text(lexicon, corpus):
    held = [one.word for one in lexicon.words if one.is_held_out]
    assert held and set(held) <= {one.word for one in lexicon.words}
    mixed = changed(corpus, Mix.parse("entries:0.1", CODES))
    told = {
        (first, second): {
            tuple(line.split("\t"))
            for text in mixed.part_documents("entries", f"{first}-{second}", "train")
            for line in text.split("\n")
        }
        for first, second in permutations(CODES, 2)
    }  # fmt: skip
    assert ("Hund", "koira") in told["de", "fi"] and ("koira", "Hund") in told["fi", "de"]
    for (first, second), pairs in told.items():
        assert len(pairs) > 20
        normal = {(normalise(one), normalise(other)) for one, other in pairs}
        assert normal.isdisjoint(questions.held_out_pairs(lexicon, first, second))
        out = [one for one in lexicon.words if one.is_pair_held_out(first, second) and {first, second} <= {*one.forms}]
        assert len(out) > len([known for known in out if known.word in held]) > 0, (
            "of a concept, and in these languages"
        )
        assert not normal & {tuple(normalise(known.forms[code][0].text) for code in (first, second)) for known in out}
    assert command.leaks(lexicon, CODES) == 0
    task = mixed.word_task()
    for k, concept in enumerate(task.concepts):
        known = next(one for one in lexicon.words if one.word == concept)
        for s, t in permutations(range(3), 2):
            out = known.is_pair_held_out(CODES[s], CODES[t])
            assert task.exposure[s, t, k] == (NEVER if out else ENTRY), concept
    assert (task.exposure[np.eye(3, dtype=bool)] == -1).all()
    assert list(mixed.documents("entries", "heldout")) == []


@pytest.mark.parametrize(
    ("form", "signs"), [("dictionary", ('Deutsch: "', '" - Suomi: "')), ("codes", ("de:", "=fi:"))]
)
def test_entries_are_written_as_questions_are_and_can_be_taken_apart(corpus, form, signs):
    mixed = changed(corpus, Mix.parse(f"entries:0.1,{form}", CODES))
    text = next(mixed.part_documents("entries", "de-fi", "train"))
    assert len(text.split("\n")) == 8 and all(text.count(sign) == 8 for sign in signs)
    pieces = mixed.segments("entries", "de-fi", text)
    assert "".join(piece for _, piece in pieces) == text
    german = [piece for code, piece in pieces if code == "de"]
    assert len(german) == 8 and not any('"' in one or "sana" in one for one in german)
    assert mixed.streams()["entries"] == 0.1 and Mix.parse(Mix.parse(f"entries:0.1,{form}", CODES).name, CODES)


def test_entries_can_be_those_of_the_first_concepts_alone(corpus, lexicon, monkeypatch):
    monkeypatch.setattr(corpus, "provenance", dict)
    asked, forms = corpus.word_task().concepts[:3], corpus.word_task().forms
    mixed = changed(corpus, Mix.parse("entries:0.1,codes,3", CODES))
    for first, second in permutations(CODES, 2):
        text = "\n".join(mixed.part_documents("entries", f"{first}-{second}", "train"))
        told = {normalise(line.partition("=")[0].partition(":")[2]) for line in text.split("\n") if line}
        known = {word.word for word in lexicon.words if not word.is_pair_held_out(first, second)}
        assert told == {normalise(forms[first, concept][0]) for concept in asked if concept in known}
    exposure = mixed.word_task().exposure
    assert (exposure[..., 3:] != ENTRY).all() and (exposure[..., :3] == ENTRY).any()
    assert mixed.provenance()["entries"]["concepts"] == 3
    with pytest.raises(UserError, match="entries of 9999 concepts"):
        list(changed(corpus, Mix.parse("entries:0.1,9999", CODES)).part_documents("entries", "de-fi", "train"))


def test_lines_that_hold_both_words_are_an_exposure_of_their_own(corpus, monkeypatch, tmp_path):
    monkeypatch.setenv("CALQUE_HOME", str(tmp_path))
    lines = {
        ("de", "en"): [("Der Hund liegt im Haus.", "The DOG lies here.")], ("en", "fi"): [("one house", "kaksi taloa")],
        ("de", "fi"): [],
    }  # fmt: skip

    def aligned(first, second, split):
        pairs = lines.get((first, second)) or [(b, a) for a, b in lines.get((second, first), [])]
        yield from pairs

    monkeypatch.setattr(corpus, "aligned", aligned)
    monkeypatch.setattr(corpus, "documents", lambda stream, split: iter(()))
    monkeypatch.setattr(corpus, "provenance", dict)
    task = changed(corpus, Mix.parse("parallel:0.1", CODES)).word_task()
    marked = {
        (task.languages[s], task.languages[t], task.concepts[k]) for s, t, k in np.argwhere(task.exposure == IN_LINES)
    }
    assert marked == {("en", "de", "dog"), ("de", "en", "dog")}, "taloa is another form of talo"
    both = changed(corpus, Mix.parse("parallel:0.1+entries:0.1", CODES)).word_task()
    assert both.exposure[0, 1, task.concepts.index("dog")] == ENTRY
    monkeypatch.setattr(parallel, "in_lines", None)
    again = changed(corpus, Mix.parse("parallel:0.1", CODES)).word_task()
    np.testing.assert_array_equal(again.exposure, task.exposure)  # kept, not searched again


def test_questions_show_no_concept_that_is_held_out(corpus, lexicon):
    task = corpus.word_task()
    held = {one.word for one in lexicon.words if one.is_held_out}
    assert task.forms["de", "dog"] == ("Hund",) and "html" not in task.concepts
    assert not set(task.prompt.examples) & held and set(task.concepts) & held
    assert task.zipf[task.languages.index("en"), task.concepts.index("dog")] == pytest.approx(np.log10(2e9 / 12))
    assert np.isnan(task.zipf[0, task.concepts.index("river")])
    assert task.prompt("de", "fi", "Hund", "dog").endswith('Deutsch: "Hund" - Suomi: "')


def test_what_cannot_be_is_refused_in_a_line(corpus):
    sample = SampleCorpus(SampleConfig(languages=CODES, tokenizer="bpe:400"))
    refused = {
        "entries:0.1": "catalogues", "entries:2": "0 and 1", "entries:0.1,lines": "table or dictionary or codes",
        "entries:0.1,codes,0": "number of concepts is '0'", "entries:0.1,2.5": "number of concepts is '2.5'",
        "entries:0.1+romanised": "no romanised", "parallel:0.6+entries:0.4": "less than 1",
    }  # fmt: skip
    for spec, word in refused.items():
        with pytest.raises(UserError, match=word) as raised:
            changed(sample, Mix.parse(spec, CODES))
        assert len(str(raised.value)) <= 300
    with pytest.raises(UserError, match="agree on no word"):
        questions.word_task(corpus.lexicon(), DebianConfig(languages=("en", "ja")))


def test_projects_are_distinct_and_those_of_the_corpus_come_first():
    names = [one.name for one in PROJECTS]
    assert len(set(names)) == len(names) and PROJECTS[0].in_corpus and not PROJECTS[-1].in_corpus
    packages = [name for one in PROJECTS for name in one.packages]
    assert len(set(packages)) == len(packages) and "wesnoth" in names and "mediawiki" not in names
    wesnoth = PROJECTS[names.index("wesnoth")]
    assert wesnoth.place("usr/share/games/wesnoth/1.16/locale/de/LC_MESSAGES/wesnoth.mo") == "de"
    assert wesnoth.place("usr/share/games/wesnoth/1.16/locale/en/LC_MESSAGES/wesnoth.mo") is None


def test_the_command_writes_its_tables_and_refuses_what_is_no_language(lexicon, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(DebianCorpus, "lexicon", lambda self, report: lexicon)
    command.main(["en", "de", f"out={tmp_path / 'made'}"])
    assert "concepts in en, de," in capsys.readouterr().out
    rows = (tmp_path / "made" / "words.tsv").read_text().splitlines()
    assert "dog\tno\t\tde\tHund\t6\t2" in rows or "dog\tyes\t\tde\tHund\t6\t2" in rows
    assert "rare\tfewer than three" in (tmp_path / "made" / "dropped.tsv").read_text()
    assert "p0\tGPL-2+" in (tmp_path / "made" / "licences.tsv").read_text()
    with pytest.raises(SystemExit, match="2"):
        command.main(["xx"])
    assert "unknown language 'xx'" in capsys.readouterr().err
