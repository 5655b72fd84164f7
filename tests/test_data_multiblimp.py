from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from calque.data.errors import UserError
from calque.data.tasks import MinimalPair
from calque.data.words.multiblimp import read_pairs

HEADER = "sen\twrong_sen\tphenomenon\thead\tchild"
ENGLISH = [
    "The dogs bark .\tThe dogs barks .\tSV-#\tbark\tdogs",
    'He says "hello" .\tHe say "hello" .\tSV-#\tsays\tHe',
    "I am here .\tI is here .\tSV-P\tam\tI",
    "The cats Bark .\tThe cats barks .\tSV-#\tBark\tcats",
]
GERMAN = ["Die Hunde bellen .\tDie Hunde bellt .\tSV-#\tbellen\tHunde"]


def write(path: Path, rows: list[str], header: str = HEADER) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    frame = pd.DataFrame([row.split("\t") for row in rows], columns=header.split("\t"))
    if path.suffix == ".parquet":
        frame.to_parquet(path)
    else:
        frame.to_csv(path, sep="\t", index=False)
    return path


@pytest.mark.parametrize("name", ["eng/data.tsv", "eng.tsv", "en.tsv", "eng/data.tsv.gz", "eng.parquet"])
def test_a_file_is_read_and_clustered_by_its_head(tmp_path: Path, name: str) -> None:
    pairs = read_pairs(write(tmp_path / name, ENGLISH), ("en", "de"))
    assert [pair.phenomenon for pair in pairs] == ["SV-#", "SV-#", "SV-P", "SV-#"]
    assert pairs[1] == MinimalPair(
        language="en", phenomenon="SV-#", good='He says "hello" .', bad='He say "hello" .', cluster="says"
    )
    assert pairs[0].cluster == pairs[3].cluster == "bark", "one word is one cluster, however it is written"


def test_a_folder_gives_the_languages_asked_for(tmp_path: Path) -> None:
    write(tmp_path / "eng" / "data.tsv", ENGLISH)
    write(tmp_path / "deu" / "data.tsv", GERMAN)
    write(tmp_path / "nld" / "data.tsv", ["Hij loopt .\tHij lopen .\tSV-#\tloopt\tHij"])
    assert {pair.language for pair in read_pairs(tmp_path, ("en", "de", "zh"))} == {"en", "de"}
    assert [pair.good for pair in read_pairs(tmp_path, ("de",))] == ["Die Hunde bellen ."]


def test_a_column_names_the_language_before_the_file_does(tmp_path: Path) -> None:
    rows = [f"{ENGLISH[0]}\teng", f"{GERMAN[0]}\tdeu", f"{ENGLISH[1]}\tnld"]
    pairs = read_pairs(write(tmp_path / "all.tsv", rows, HEADER + "\tlang"), ("en", "de"))
    assert [pair.language for pair in pairs] == ["en", "de"]


def test_a_lemma_goes_before_the_head_and_a_repeated_pair_counts_once(tmp_path: Path) -> None:
    rows = [f"{ENGLISH[2]}\tbe", f"{ENGLISH[2]}\tbe", f"{ENGLISH[1]}\tsay"]
    pairs = read_pairs(write(tmp_path / "en.tsv", rows, HEADER + "\tlemma"), ("en",))
    assert [pair.cluster for pair in pairs] == ["be", "say"]


def test_without_such_a_column_every_pair_stands_alone(tmp_path: Path) -> None:
    rows = ["\t".join(row.split("\t")[:3]) for row in ENGLISH]
    pairs = read_pairs(write(tmp_path / "en.tsv", rows, "sen\twrong_sen\tphenomenon"), ("en",))
    assert len({pair.cluster for pair in pairs}) == len(pairs) == 4


def test_languages_without_the_phenomenon_are_missing_not_zero(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from calque.data.tokens.encoding import Encoding
    from calque.data.tokens.tokenizers import train
    from calque.models.config.sizes import size
    from calque.models.decoder.decoder import Decoder
    from calque.models.scoring.texts import MinimalPairScorer

    pairs = read_pairs(write(tmp_path / "eng.tsv", ENGLISH), ("en", "zh"))
    tokenizer = train(["The dogs bark ."], 260)
    scorer = MinimalPairScorer(pairs, Encoding(tokenizer), ("en", "zh"))
    row = scorer(Decoder(size("tiny", tokenizer.get_vocab_size()), seed=0))
    assert scorer.phenomena == ("SV-#", "SV-P")
    np.testing.assert_array_equal(row["minimal_pair_total"], [[3, 1], [np.nan, np.nan]])
    assert np.isnan(row["minimal_pair_correct"][1]).all()


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        (
            "en.tsv",
            "sen\twrong_sentence\tphenomenon\na\tb\tc\n",
            "no column 'wrong_sen'.*did you mean 'wrong_sentence'",
        ),
        ("en.tsv", "", "cannot be read"),
        ("en.tsv", "sen\twrong_sen\tphenomenon\na\t\tSV\n", "row 1 has an empty cell"),
        ("en.tsv", "sen\twrong_sen\tphenomenon\na\tb\tSV\nb\tb\tSV\n", "row 2: both members are 'b'"),
        ("en.tsv", "sen\twrong_sen\tphenomenon\na\tb\tc\td\te\n1\t2\t3\t4\t5\t6\t7\n", "cannot be read"),
        ("en.tsv", "sen\twrong_sen\tphenomenon\na\tb\tc\td\n", "rows longer than its header"),
        ("pairs.tsv", "sen\twrong_sen\tphenomenon\na\tb\tc\n", "names no language; expected a column 'lang'"),
        ("fi.tsv", "sen\twrong_sen\tphenomenon\na\tb\tc\n", "has none in en; drop it"),
        ("en.parquet", "no parquet", "cannot be read"),
        ("en.csv", "sen,wrong_sen\n", "en.csv is of an unknown kind; expected .tsv"),
    ],
)
def test_a_bad_file_is_told_in_one_line(tmp_path: Path, name: str, content: str, words: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(UserError, match=words) as error:
        read_pairs(tmp_path / name, ("en",))
    assert "\n" not in str(error.value)


def test_what_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nowhere is missing; expected a file of .tsv"):
        read_pairs(tmp_path / "nowhere", ("en",))
    with pytest.raises(UserError, match="holds no file of .tsv"):
        read_pairs(tmp_path, ("en",))
    (tmp_path / "en.tsv").write_bytes(b"sen\twrong_sen\tphenomenon\n\xff\xfe\tb\tc\n")
    with pytest.raises(UserError, match="cannot be read"):
        read_pairs(tmp_path, ("en",))
    (tmp_path / "en.tsv").unlink()
    (tmp_path / "en.tsv.gz").write_bytes(b"\x1f\x8b\x08 no gzip")
    with pytest.raises(UserError, match="cannot be read"):
        read_pairs(tmp_path, ("en",))
