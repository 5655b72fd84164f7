import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calque.data.errors import UserError
from calque.data.mixes.mix import Mix, stream_shares

LANGUAGES = ("en", "de", "ru", "zh")
SIZES = {"en": 1000, "de": 100, "ru": 10, "zh": 1}


def test_uniform():
    mix = Mix.parse("uniform", LANGUAGES)
    assert mix.name == "uniform"
    assert mix.shares == dict.fromkeys(LANGUAGES, 0.25)


def test_temperature_is_between_uniform_and_as_it_comes():
    natural = Mix.parse("temperature:1", LANGUAGES, SIZES).shares
    assert natural["en"] == pytest.approx(1000 / 1111, rel=1e-12)
    tempered = Mix.parse("temperature:0.3", LANGUAGES, SIZES).shares
    assert tempered["en"] / tempered["de"] == pytest.approx(10**0.3, rel=1e-12)
    assert tempered["de"] / tempered["zh"] == pytest.approx(100**0.3, rel=1e-12)
    assert Mix.parse("temperature: 0.30", LANGUAGES, SIZES).name == "temperature:0.3"


def test_drop_leaves_the_others_equal():
    mix = Mix.parse("drop:zh, en", LANGUAGES)
    assert mix.name == "drop:en,zh"
    assert mix.shares == {"en": 0, "de": 0.5, "ru": 0.5, "zh": 0}


def test_only_keeps_those_named():
    mix = Mix.parse("only: zh,de", LANGUAGES)
    assert mix.name == "only:de,zh"
    assert mix.shares == {"en": 0, "de": 0.5, "ru": 0, "zh": 0.5}
    assert mix.languages == ("de", "zh")


@pytest.mark.parametrize(
    "spec, name",
    [
        ("romanised", "romanised"),
        ("uniform + romanised", "romanised"),
        ("romanised+drop:zh", "drop:zh+romanised"),
        ("disjoint+parallel:.010+only:ru,en", "only:en,ru+parallel:0.01+disjoint"),
        ("romanised+temperature:0.30+parallel:0.2", "temperature:0.3+parallel:0.2+romanised"),
        ("de:0.5,en:.5+disjoint", "en:0.5,de:0.5+disjoint"),
    ],
)
def test_parts_combine_under_one_name(spec, name):
    mix = Mix.parse(spec, LANGUAGES, SIZES)
    assert mix.name == name
    assert Mix.parse(name, LANGUAGES, SIZES) == mix
    assert mix.disjoint == ("disjoint" in name) and mix.romanised == ("romanised" in name)
    assert mix.parallel == (float(name.split("parallel:")[1].split("+")[0]) if "parallel" in name else 0)
    plain = Mix.parse(name.split("+")[0] if "+" in name else "uniform", LANGUAGES, SIZES)
    assert mix.shares == plain.shares


def test_mixes_that_treat_text_alike_share_their_shards():
    def changes(spec):
        return Mix.parse(spec, LANGUAGES, SIZES).text_changes()

    assert changes("uniform") == changes("temperature:0.5") == changes("drop:zh") == {}
    assert changes("parallel:0.1") == changes("parallel:0.2+temperature:0.5") == {"parallel": list(LANGUAGES)}
    assert changes("parallel:0.1+drop:zh") == {"parallel": ["en", "de", "ru"]}, "lines of languages that train"
    assert changes("drop:zh+disjoint") == {"disjoint": list(LANGUAGES)}, "a dropped language keeps its block"
    assert changes("romanised") == {"romanised": True}


def test_explicit_shares_have_one_name_however_written():
    spellings = ["de:.3,en:0.7", "en:0.7, de:0.3", {"de": 0.3, "en": 0.7}, {"en": 0.7, "zh": 0, "de": 0.3}]
    assert {Mix.parse(spec, LANGUAGES).name for spec in spellings} == {"en:0.7,de:0.3"}
    assert Mix.parse(spellings[0], LANGUAGES).shares == {"en": 0.7, "de": 0.3, "ru": 0, "zh": 0}


@pytest.mark.property
@given(st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=9), st.floats(0.01, 1))
def test_shares_sum_to_one_and_the_name_reads_back(weights, temperature):
    languages = [f"w{i + 1}" for i in range(len(weights))]
    sizes = dict(zip(languages, weights, strict=True))
    total = math.fsum(weights)
    for spec in ("uniform", f"temperature:{temperature}", {k: v / total for k, v in sizes.items()}):
        mix = Mix.parse(spec, languages, sizes)
        assert list(mix.shares) == languages
        assert math.fsum(mix.shares.values()) == pytest.approx(1, rel=1e-9)
        again = Mix.parse(mix.name, languages, sizes)
        assert again.name == mix.name
        assert list(again.shares.values()) == pytest.approx(list(mix.shares.values()), rel=1e-9)


@pytest.mark.parametrize(
    "spec, words",
    [
        ("unifrom", "did you mean 'uniform'"),
        ("uniform:", "expected uniform"),
        ("", "'' is unknown; expected uniform"),
        ("uniform+", "'' is unknown; expected uniform"),
        ("disjont", "did you mean 'disjoint'"),
        ("drop:zh+romanized", "'romanized' is unknown; expected uniform"),
        ("drop:zh+romanized", "did you mean 'romanised'"),
        ("paralel:0.1", "did you mean 'parallel'"),
        ("drop:zh+only:en", "gives shares twice, by drop and by only"),
        ("uniform+en:0.5,de:0.5", "gives shares twice"),
        ("drop:zh+drop:en", "says drop twice"),
        ("drop:zh,zh", "names 'zh' twice"),
        ("disjoint+romanised", "expected one of them"),
        ("disjoint:2", "disjoint takes nothing after it"),
        ("parallel", "the parallel share is ''"),
        ("parallel:0", "the parallel share is '0'; expected a number between 0 and 1"),
        ("parallel:1", "expected a number between 0 and 1 (write 0.01 for 1 %)"),
        ("parallel:nan", "the parallel share is 'nan'"),
        ("only:en+parallel:0.01", "is about two languages or more"),
        ("en:1+disjoint", "is about two languages or more"),
        ("only:xx", "unknown language 'xx'"),
        ("en:0.5,dee:0.5", "unknown language 'dee'; expected one of en, de, ru, zh; did you mean 'de'"),
        ("drop:xx", "unknown language 'xx'"),
        ("drop:", "unknown language ''"),
        ("drop:en,de,ru,zh", "drops every language"),
        ("en:0.5,de:0.4", "the shares sum to 0.9; expected 1"),
        ({"en": 50, "de": 50}, "write 0.5 for 50 %"),
        ("en:1.5,de:-0.5", "the share of 'de' is -0.5"),
        ("en:0.5,en:0.5", "names 'en' twice"),
        ("en:half,de:0.5", "cannot read 'en:half'"),
        ({"en": True}, "the share of 'en' is True"),
        ({"en": "1"}, "the share of 'en' is '1'"),
        ({"en": math.nan}, "the share of 'en' is nan"),
        ("en:inf", "the share of 'en' is inf"),
        ({}, "the shares sum to 0"),
        ("temperature:0", "above 0 and at most 1"),
        ("temperature:1.01", "above 0 and at most 1"),
        ("temperature:nan", "above 0 and at most 1"),
        ("temperature:warm", "the temperature is 'warm'"),
        (0.3, "mix is 0.3; expected uniform"),
    ],
)
def test_a_mistake_is_told_in_one_line(spec, words):
    with pytest.raises(UserError) as error:
        Mix.parse(spec, LANGUAGES, SIZES)
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_a_mix_needs_languages():
    with pytest.raises(UserError, match="has no languages"):
        Mix.parse("uniform", ())


@pytest.mark.parametrize("sizes", [None, {"en": 1}, {**SIZES, "de": 0}])
def test_temperature_needs_every_size(sizes):
    with pytest.raises(UserError, match=r"amount of text|size of 'de' is"):
        Mix.parse("temperature:0.5", LANGUAGES, sizes)


def test_stream_shares_leave_the_languages_what_fixed_streams_leave():
    streams = {"en": None, "de": None, "ru": None, "zh": None, "glossary": 0.2}
    shares = stream_shares(streams, Mix.parse("drop:en,de", LANGUAGES))
    assert shares == pytest.approx({"ru": 0.4, "zh": 0.4, "glossary": 0.2})


def test_a_fixed_stream_may_be_all_there_is():
    assert stream_shares({"en": None, "glossary": 1.0}, Mix.parse("uniform", ("en",))) == {"glossary": 1.0}


def test_stream_shares_refuse_a_language_without_text():
    with pytest.raises(UserError, match="'ru', of which this corpus has no text"):
        stream_shares({"en": None, "de": None}, Mix.parse("uniform", ("en", "de", "ru")))
    with pytest.raises(UserError, match="share of 1.1; expected at most 1"):
        stream_shares({"en": None, "glossary": 1.1}, Mix.parse("uniform", ("en",)))


def test_a_number_of_concepts_is_part_of_a_mix():
    mix = Mix.parse("entries:0.10, 60", ("en", "de", "fi"))
    assert mix.name == "entries:0.1,table,60" and Mix.parse(mix.name, ("en", "de", "fi")) == mix
    assert (mix.entries_form, mix.entries_concepts) == ("table", 60)
    all_of_them = Mix.parse("entries:0.1", ("en", "de", "fi"))
    assert "entries_concepts" not in all_of_them.text_changes() and mix.text_changes() != all_of_them.text_changes()
