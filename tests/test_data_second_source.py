"""A sample of the word list beside a dictionary."""

import gzip

import pytest

from calque.data.corpora.debian.catalogues.dictionary import Dictionary
from calque.data.corpora.debian.catalogues.second_source import compare
from calque.data.corpora.debian.catalogues.selection import Selection
from calque.data.errors import UserError
from tests.debian_packages import deb


def selection_of(**words):
    forms = {("en", concept): (concept,) for concept in words} | {
        ("de", concept): (word,) for concept, word in words.items()
    }
    return Selection(languages=("en", "de"), concepts=tuple(words), forms=forms, held_out=frozenset(), dropped={})


def dictionary(path, articles):
    digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

    def number(value):
        text = digits[value % 64]
        while value := value // 64:
            text = digits[value % 64] + text
        return text

    body, index = b"", ""
    for word, text in articles:
        index += f"{word}\t{number(len(body))}\t{number(len(text.encode()))}\n"
        body += text.encode()
    return deb(path, {"usr/share/dictd/x.index": index, "usr/share/dictd/x.dict.dz": gzip.compress(body)})


def test_a_dictionary_agrees_where_an_article_names_the_word_or_a_reader_found_so(tmp_path):
    found = dictionary(
        tmp_path / "dict-x_1_all.deb",
        [("filler", "x" * 5000), ("dog", "dog <n>\n1. Hund, Köter\nanimal"), ("house", "house <n>\nHausboot"),
         ("river", "river\nStrom"), ("tree", "tree\nPflanze")],
    )  # fmt: skip
    chosen = selection_of(dog="Hund", house="Haus", river="Fluss", tree="Baum", cat="Katze")
    german = Dictionary(found, "de")
    assert german.gives("Dog", "hund") and not german.gives("house", "Haus") and "cat" not in german
    rows = [{"language": "de", "concept": "house", "form": "Haus", "verdict": "agrees"},
            {"language": "de", "concept": "river", "form": "Fluss", "verdict": "differs"}]  # fmt: skip
    one = compare(chosen, "de", {"en": german}, rows)
    assert (one.named, one.judged, one.differing, one.unread) == (1, 1, ("river",), ("tree",))
    assert one.sampled == 4 and one.agreement == 0.5
    with pytest.raises(UserError, match="no dictionary"):
        Dictionary(deb(tmp_path / "empty_1_all.deb", {"a": "b"}), "de")
