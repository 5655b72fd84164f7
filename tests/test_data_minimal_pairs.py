import re
from collections import Counter

import pytest

from calque.data.errors import UserError
from calque.data.languages import LANGUAGES
from calque.data.words.minimal_pairs import minimal_pairs

MARKED = ("en", "de", "ru", "fi")


@pytest.mark.parametrize("code", MARKED)
def test_each_language_has_its_pairs(code: str) -> None:
    pairs = minimal_pairs((code,))
    assert 150 <= len(pairs) <= 400
    assert {pair.language for pair in pairs} == {code}
    assert {pair.phenomenon for pair in pairs} == {"numeral_agreement"}
    assert len({(pair.good, pair.bad) for pair in pairs}) == len(pairs)
    clusters = Counter(pair.cluster for pair in pairs)
    assert len(clusters) >= 35
    assert set(clusters.values()) == {6 if code == "ru" else 4}


@pytest.mark.parametrize("code", MARKED)
def test_members_share_the_numeral_and_differ_in_the_noun(code: str) -> None:
    for pair in minimal_pairs((code,)):
        numeral, good = pair.good.split(" ", 1)
        other, bad = pair.bad.split(" ", 1)
        assert numeral == other and good != bad
        assert pair.good == " ".join(pair.good.split()) and pair.bad == " ".join(pair.bad.split())


@pytest.mark.parametrize("code", MARKED)
def test_no_preference_for_a_form_beats_chance(code: str) -> None:
    right: Counter[tuple[str, str]] = Counter()
    wrong: Counter[tuple[str, str]] = Counter()
    for pair in minimal_pairs((code,)):
        right[pair.cluster, pair.good.split(" ", 1)[1]] += 1
        wrong[pair.cluster, pair.bad.split(" ", 1)[1]] += 1
    assert right == wrong


@pytest.mark.parametrize("code", MARKED)
def test_the_shorter_member_is_right_half_the_time(code: str) -> None:
    """A model that only counts letters must not score; Russian forms of one length are left out."""
    uneven = [pair for pair in minimal_pairs((code,)) if len(pair.good) != len(pair.bad)]
    shorter = sum(len(pair.good) < len(pair.bad) for pair in uneven)
    assert shorter * 2 == len(uneven)


def russian(n: int) -> int:
    """Return 0 for the form after 1, 1 for that after 2 to 4, 2 for that after 5."""
    if n % 10 == 1 and n % 100 != 11:
        return 0
    return 1 if 2 <= n % 10 <= 4 and not 12 <= n % 100 <= 14 else 2


def test_russian_numerals_ask_for_the_right_form() -> None:
    forms: dict[str, dict[str, int]] = {}
    for pair in minimal_pairs(("ru",)):
        number, good = pair.good.split(" ", 1)
        assert forms.setdefault(pair.cluster, {}).setdefault(good, russian(int(number))) == russian(int(number))
    assert all(sorted(found.values()) == [0, 1, 2] for found in forms.values())
    assert forms["week"] == {"неделя": 0, "недели": 1, "недель": 2}
    assert forms["year"] == {"год": 0, "года": 1, "лет": 2}


@pytest.mark.parametrize(
    ("code", "one", "cluster", "forms"),
    [
        ("en", {"1", "one"}, "century", {"century", "centuries"}),
        ("de", {"1", "ein", "eine"}, "light-year", {"Lichtjahr", "Lichtjahre"}),
        ("fi", {"1", "yksi"}, "year", {"vuosi", "vuotta"}),
    ],
)
def test_only_one_takes_the_singular(code: str, one: set[str], cluster: str, forms: set[str]) -> None:
    singular, plural = set(), set()
    for pair in minimal_pairs((code,)):
        numeral, good = pair.good.split(" ", 1)
        (singular if numeral in one else plural).add((pair.cluster, good))
    assert not singular & plural
    assert {good for name, good in singular | plural if name == cluster} == forms


def test_german_articles_agree_and_units_without_a_plural_are_absent() -> None:
    goods = {pair.good for pair in minimal_pairs(("de",))}
    assert {"ein Tag", "ein Jahr", "eine Woche", "ein Erdradius", "eine Unze"} <= goods
    feminine = [good for good in goods if re.match(r"ein (\w+e|\w+heit)\b", good)]
    assert not feminine
    assert not any(re.search(r"\b(Meter|Liter|Gramm|Grad|Byte|Pixel|Zoll|Volt)\b", good) for good in goods)


def test_other_languages_have_none_and_unknown_ones_are_named() -> None:
    assert minimal_pairs(tuple(code for code in LANGUAGES if code not in MARKED)) == ()
    with pytest.raises(UserError, match="unknown language"):
        minimal_pairs(("xx",))
