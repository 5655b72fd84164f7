import json
import random
from pathlib import Path

import numpy as np
import pytest

from calque.data.corpora.debian import cleaning, counting
from calque.data.corpora.debian.extracting import ExtractedSource, Row
from calque.data.corpora.debian.identify import checked_language_of, language_of
from calque.data.corpora.debian.near_copies import near_copies
from calque.data.corpora.debian.text import fault, normalised, templates, tidy

SENTENCES = {
    "en": "The weather was fine and the children went down to the river with their grandmother.",
    "de": "Das Wetter war schön, und die Kinder gingen mit ihrer Großmutter hinunter zum Fluss.",
    "ru": "Погода была хорошая, и дети пошли с бабушкой вниз к реке, где стояла старая лодка.",
    "zh": "天气很好，孩子们和祖母一起走到河边，那里停着一条旧船，还有许多人在钓鱼和聊天。",
    "ja": "天気がよかったので、子どもたちは祖母と一緒に古い舟のある川まで歩いて行きました。",
    "ko": "날씨가 좋아서 아이들은 할머니와 함께 낡은 배가 있는 강가로 내려갔습니다.",
    "tr": "Hava güzeldi ve çocuklar büyükanneleriyle birlikte eski teknenin durduğu nehre indiler.",
    "fi": "Sää oli kaunis, ja lapset menivät isoäitinsä kanssa joelle, jossa vanha vene seisoi.",
    "id": "Cuacanya bagus dan anak-anak pergi bersama nenek mereka ke sungai tempat perahu tua itu.",
}


@pytest.mark.parametrize("code", SENTENCES)
def test_running_text_passes_and_both_identifiers_know_it(code: str) -> None:
    text = SENTENCES[code]
    assert fault(text, code) is None
    assert language_of(text) == code
    assert checked_language_of(text) == (code, code)


@pytest.mark.parametrize("code", SENTENCES)
def test_other_scripts_and_left_over_english_do_not(code: str) -> None:
    for other, text in SENTENCES.items():
        if "Latn" not in (code, other) and {code, other} & {"ru", "ko", "ja", "zh"} and code != other:
            assert fault(text, code) is not None, (code, other)
    if code not in ("en", "ru", "zh", "ja", "ko"):
        assert fault(SENTENCES["en"], code) == "english"


@pytest.mark.parametrize(
    ("text", "code", "reason"),
    [
        ("File not found", "en", "short"),
        ("ファイル", "ja", "short"),
        ("word " * 2000, "en", "long"),
        ("12 34 56 78 90 12 34 - 56: words are few here and numbers many", "en", "symbols"),
        ("run configure_with --prefix=/usr && make -j4 $HOME/bin | tee log_file.txt", "en", "code"),
        ("see https://example.org/a for more of the words", "en", "code"),
        ("Donaudampfschifffahrtsgesellschaftskapitän", "de", "code"),
        ("Слово word words words words words words words", "ru", "script"),
        ("漢字漢字漢字漢字漢字漢字", "ja", "script"),
        ("これは日本語の文章です、中国語ではない", "zh", "script"),
    ],
)
def test_faults(text: str, code: str, reason: str) -> None:
    assert fault(tidy(text, code), code) == reason


def test_tidy() -> None:
    assert tidy(" a\u00ad b\u200b\n c , d . ", "en") == "a b c, d."
    assert tidy("cafe\u0301", "de") == "café"
    assert tidy("打开 文件,然后 Save 它", "zh") == "打开文件，然后 Save 它"
    assert tidy("ファイル を 開く", "ja") == "ファイルを開く"
    assert tidy("파일을 여는 중", "ko") == "파일을 여는 중"


def test_templates_blank_what_differs() -> None:
    assert templates('Kit "A" has 3 parts', "en") == templates("Kit “B 2” has 41 parts", "en")
    assert templates("Пакет apt-get 1.2 найден", "ru") == templates("Пакет dpkg 7 найден", "ru")
    assert templates("Der Hund schläft", "de") != templates("Der Wolf schläft", "de")
    first, second = (
        "A card with what is needed to install the " + name + " and nothing else" for name in ("arm", "leg")
    )
    assert not set(templates(first, "en")) & set(templates(second, "en"))
    tail = " of the very long sentence that never seems to end and goes on in the same words"
    assert set(templates("Arms" + tail, "en")) & set(templates("Legs and feet" + tail, "en"))


def test_near_copies_agree_with_sets(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(3)
    words = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta"]
    of = [" ".join(rng.choices(words, k=rng.randint(1, 12))) for _ in range(60)]
    texts = [" ".join(rng.choices(words, k=rng.randint(1, 12))) for _ in range(200)]
    texts += [text.replace("alpha", "omega") for text in of] + ["", "abc"]
    texts, of = [normalised(text) for text in texts], [normalised(text) for text in of]

    def runs(text: str) -> list[str]:
        return [text[place : place + 9] for place in range(len(text) - 8)]

    def near(text: str, other: str) -> bool:
        mine, theirs = runs(text), runs(other)
        shared = sum(theirs.count(run) for run in mine)
        return bool(mine and theirs) and shared >= 0.6 * (len(mine) + len(theirs) - shared)

    expected = np.array([any(near(text, other) for other in of) for text in texts])
    assert expected.any() and not expected.all()
    monkeypatch.setattr("calque.data.corpora.debian.near_copies.COMMON", 10_000)
    for at_once in (50, 10_000):
        monkeypatch.setattr("calque.data.corpora.debian.near_copies.LETTERS_AT_ONCE", at_once)
        assert np.array_equal(near_copies(texts, of, 9), expected)
    assert not near_copies(texts, [], 9).any() and not len(near_copies([], of, 9))


def extracted(folder: Path, name: str, rows: list[Row]) -> ExtractedSource:
    path = folder / f"{name}.tsv"
    path.write_text("".join("\t".join(row) + "\n" for row in rows), encoding="utf-8")
    return ExtractedSource(path=path, files=1, unreadable={}, licences={})


def test_each_reason_to_drop_is_counted(tmp_path: Path) -> None:
    german = SENTENCES["de"]
    first = [
        Row("en", "page", "", SENTENCES["en"]),
        Row("de", "page", "k1", german),
        Row("de", "page", "", german.upper()),
        Row("de", "page", "", SENTENCES["fi"]),
        Row("de", "page", "", "Seite 4"),
        *(
            Row("de", "page", "", f"Diese Seite hat {number} Zeilen und {number} Wörter im Ganzen.")
            for number in range(9)
        ),
        Row("de", "page", "", "Zimmer Atmosphere Baguette Restaurant"),
        Row("en", "page", "", "Zimmer Atmosphere Baguette Restaurant"),
    ]
    second = [
        Row("de", "other", "", german),
        Row("de", "other", "k2", "Am Abend kamen alle müde und nass wieder heim."),
    ]
    sources = {"a": extracted(tmp_path, "a", first), "b": extracted(tmp_path, "b", second)}
    out = tmp_path / "de"
    out.mkdir()
    counts = cleaning.clean("de", sources, cleaning.english_of(list(sources.values())), out)
    assert counts["a"].found == 14 and counts["a"].lines == 2
    assert counts["a"].dropped == {"repeated": 9, "language": 1, "short": 1, "english": 1}
    assert counts["b"].dropped == {"repeated elsewhere": 1} and counts["b"].lines == 1
    lines = [line.split("\t") for line in (out / "a.tsv").read_text(encoding="utf-8").splitlines()]
    assert [(document, key, text) for _, document, key, text in lines][0] == ("page#1", "k1", german)
    assert counts["a"].bytes == sum(len(text.encode()) + 1 for *_, text in lines)
    assert json.dumps(counts["a"].to_dict())


def test_templates_are_capped(tmp_path: Path) -> None:
    names = ["Anna", "Bert", "Carl", "Dora", "Emil", "Frida", "Gustav", "Hanna"]
    rows = [Row("en", "page", "", f"The house of {name} stands at the end of the street.") for name in names]
    out = tmp_path / "en"
    out.mkdir()
    counts = cleaning.clean("en", {"a": extracted(tmp_path, "a", rows)}, set(), out)["a"]
    assert counts.lines == cleaning.SAME_TEMPLATE and counts.dropped == {
        "template": len(names) - cleaning.SAME_TEMPLATE
    }


def test_no_training_paragraph_is_near_a_held_out_one(tmp_path: Path) -> None:
    rng = random.Random(1)
    words = (
        SENTENCES["en"].split() + "stone bridge yellow morning window silver garden letter winter horse bread".split()
    )
    rows = []
    for page in range(60):
        for _ in range(10):
            text = " ".join(rng.sample(words, 14)) + "."
            rows.append(Row("en", f"page{page}", "", text))
            if rng.random() < 0.2:
                rows.append(Row("en", f"copy{rng.randrange(60)}", "", f"Then {text[0].lower()}{text[1:]}"))
    rows.sort(key=lambda row: row.document)
    out = tmp_path / "en"
    out.mkdir()
    counts = cleaning.clean("en", {"a": extracted(tmp_path, "a", rows)}, set(), out)["a"]
    lines = [line.split("\t") for line in (out / "a.tsv").read_text(encoding="utf-8").splitlines()]
    sides: dict[str, list[str]] = {"train": [], "heldout": []}
    documents: dict[str, set[str]] = {}
    for split, document, _, text in lines:
        sides[split].append(normalised(text))
        documents.setdefault(document, set()).add(split)
    assert all(len(splits) == 1 for splits in documents.values())
    assert 10 < counts.heldout_lines == len(sides["heldout"]) < 0.2 * counts.lines
    assert counts.dropped["near held-out"] > 0
    assert not near_copies(sides["train"], sides["heldout"], cleaning.RUN[False]).any()


def test_the_sample_is_the_same_whatever_the_order() -> None:
    texts = [f"{number} {SENTENCES['en']}" for number in range(900)]
    chosen = counting.sampled("en", texts)
    assert len(chosen) == counting.SAMPLED and chosen == counting.sampled("en", texts[::-1])
    assert counting.sampled("en", ["too short to tell"]) == []
