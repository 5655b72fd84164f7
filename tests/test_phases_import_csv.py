"""CSV: what is imported is what stands in the file, and nothing is guessed on the way."""

import csv
import gzip
import io

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calque.data.errors import UserError
from calque.phases.formats.base import Request
from calque.phases.formats.importing import import_log

floats = st.floats(-1e300, 1e300)
numbers = st.one_of(
    floats.map(repr), floats.map(lambda v: f"{v:.3e}"), st.integers(-(10**20), 10**20).map(str),
    floats.map(lambda v: f" {v!r}\t"), st.decimals(-(10**20), 10**20, places=9).map(str),
)  # fmt: skip
cells = st.one_of(numbers, st.sampled_from(["", " ", "nan", "NaN"]))
names = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zs", "Zl", "Zp")), min_size=1, max_size=6)
other = st.text(st.characters(codec="utf-8", exclude_categories=("Cs",), exclude_characters="\x00\r"), max_size=8)


@st.composite
def tables(draw):
    """Text of a table with three columns that count among others, and how it is written."""
    columns = draw(st.permutations(["run", "tokens", "acc", "", "step", "acc.1", "Unnamed: 0"]))
    places = sorted(draw(st.sets(st.integers(0, 10**15), min_size=1, max_size=12)))
    runs = draw(st.lists(names, min_size=len(places), max_size=len(places)))
    rows = []
    for run, place in zip(runs, places, strict=True):
        known = {"run": st.just(run), "tokens": st.just(str(place)), "acc": cells}
        rows.append([draw(known.get(column, other)) for column in columns])
    out = io.StringIO()
    writer = csv.writer(out, delimiter=draw(st.sampled_from([",", ";", "\t"])), quoting=draw(st.sampled_from([0, 1])),
                        lineterminator=draw(st.sampled_from(["\n", "\r\n"])))  # fmt: skip
    writer.writerows([columns, *rows])
    return out.getvalue(), writer.dialect.delimiter, draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "gzip"]))


@pytest.mark.property
@settings(max_examples=120)
@given(written=tables())
def test_rows_values_and_positions_are_those_of_the_file(written, tmp_path_factory):
    text, separator, how = written
    path = tmp_path_factory.mktemp("csv") / "log.csv"
    path.write_bytes(gzip.compress(text.encode()) if how == "gzip" else text.encode(how))
    rows = list(csv.DictReader(io.StringIO(text, newline=""), delimiter=separator))
    rows = [r for r in rows if r["acc"].strip().lower() not in ("", "nan")]
    expected = [(r["run"], float(r["tokens"]), float(r["acc"])) for r in rows]
    request = Request(path=path, metrics=("acc",), tokens="tokens", run="run")
    if not expected:
        with pytest.raises(UserError, match="no row has both"):
            import_log(request, "csv", continuous=("acc",))
        return
    cube = import_log(request, "csv", continuous=("acc",)).cube
    found = [(str(run), float(t), float(v)) for run, one, a in zip(cube["run"].values, cube["tokens"].values,
             cube["acc"].values, strict=True) for t, v in zip(one, a, strict=True) if t == t]  # fmt: skip
    assert sorted(found) == sorted(expected)
    assert list(dict.fromkeys(run for run, _, _ in expected)) == list(cube["run"].values)


def asked(tmp_path, text, name="log.csv", **more):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return import_log(Request(path=path, metrics=("acc",), tokens="step", tokens_per_step=2.0, **more))


REFUSED = {
    "a field more": ("step,acc\n0,0.10,40\n1,0.11,50\n", "line 2 has 3 fields and the header 2"),
    "a field more in one row": ("step,acc\n0,0.10\n1,0.11,9\n", "line 3 has 3 fields and the header 2"),
    "a field less": ("step,acc,n\n0,0.10,40\n1,0.11\n", "line 3 has 2 fields and the header 3"),
    "thousands": ('step,acc\n"1,000",0.1\n', "holds '1,000' in line 2; expected a number such as 0.5 or 1000000"),
    "a decimal comma": ("step;acc\n1;0,5\n", "holds '0,5' in line 2; expected a number such as 0.5"),
    "two columns of one name": ("step,acc,acc\n1,0.1,0.9\n", "two columns 'acc'; expected one"),
    "two positions of one name": ("step,acc,step\n1,0.1,0.9\n", "two columns 'step'; expected one"),
    "truth values": ("step,acc\n1,True\n2,False\n", "holds 'True' in line 2; expected a number"),
    "hexadecimal": ("step,acc\n0x10,0.1\n", "holds '0x10' in line 2"),
    "underscores": ("step,acc\n1_000,0.1\n", "holds '1_000' in line 2"),
    "a date as the position": ("step,acc\n2024-05-01,0.1\n", "holds '2024-05-01' in line 2"),
    "a percent sign": ("step,acc\n1,45%\n", "holds '45%' in line 2"),
    "digits of another script": ("step,acc\n1,١\n", "holds '١' in line 2"),
    "the header again": ("step,acc\n1,0.1\nstep,acc\n2,0.2\n", "holds 'step' in line 3"),
    "a sum": ("step,acc\n1,=1+1\n", "holds '=1[+]1' in line 2"),
    "a comment": ("# log of a run\nstep,acc\n1,0.1\n", "has no column 'step'; it has # log of a run"),
    "Latin-1": (b"step,acc,who\n1,0.1,Ren\xe9\n", "no UTF-8 text .byte 0xe9.; save it as UTF-8"),
    "a zip": (b"PK\x03\x04\xff\xff", "no UTF-8 text"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_pandas_would_guess_is_refused(name, tmp_path):
    text, words = REFUSED[name]
    with pytest.raises(UserError, match=words) as refusal:
        asked(tmp_path, text)
    assert len(str(refusal.value)) <= 300


SAID = {
    "an empty field at the end": ("step,acc\n1,0.1,\n2,0.2,,\n", "an empty field at the end of 2 rows"),
    "semicolons": ("step;acc\n1;0.1\n2;0.2\n", "fields are separated by ';'"),
    "tabs in a .csv": ("step\tacc\n1\t0.1\n2\t0.2\n", "fields are separated by tabs"),
    "words for missing": ("step,acc\n1,0.1\n2,0.2\n3,NA\n4,null\n", "'acc': 2 cells such as 'NA' taken as missing"),
}


@pytest.mark.parametrize("name", SAID)
def test_what_is_decided_is_said(name, tmp_path):
    text, words = SAID[name]
    made = asked(tmp_path, text)
    np.testing.assert_array_equal(made.cube["tokens"], [[2, 4]])
    np.testing.assert_array_equal(made.cube["acc"], [[0.1, 0.2]])
    assert any(words in note for note in made.notes)


@pytest.mark.parametrize("run", ["NA", "None", "null", "01", "1.0", "True", "1e3", "2024-05-05", "nan", "0x1"])
def test_names_of_runs_stay_text(run, tmp_path):
    made = asked(tmp_path, f"step,acc,r\n1,0.1,{run}\n", run="r")
    assert list(made.cube["run"].values) == [run]


def test_an_index_that_pandas_wrote_is_a_column_without_name(tmp_path):
    frame = pd.DataFrame({"step": [5, 6], "acc": [0.1, 0.2]})
    frame.to_csv(tmp_path / "log.csv")
    made = asked(tmp_path, (tmp_path / "log.csv").read_bytes())
    np.testing.assert_array_equal(made.cube["tokens"], [[10, 12]])


@pytest.mark.parametrize("kind", ["bool", "datetime64[ns]", "timedelta64[ns]"])
@pytest.mark.parametrize("column", ["step", "acc"])
def test_parquet_columns_that_hold_no_numbers_are_refused(kind, column, tmp_path):
    frame = pd.DataFrame({"step": [0, 1], "acc": [0, 1]})
    frame.astype({column: kind}).to_parquet(tmp_path / "log.parquet")
    with pytest.raises(UserError, match=f"column '{column}' holds values of type .*; expected numbers or text"):
        asked(tmp_path, (tmp_path / "log.parquet").read_bytes(), "log.parquet")


def test_parquet_indexes_and_folders_are_columns(tmp_path):
    for run in ("01", "1", "a b"):
        path = tmp_path / f"seed={run.replace(' ', '%20')}" / "0.parquet"
        path.parent.mkdir()
        pd.DataFrame({"acc": [0.1, 0.2]}, index=pd.Index([3, 4], name="step")).to_parquet(path)
    request = Request(path=tmp_path, metrics=("acc",), tokens="step", tokens_per_step=1.0)
    made = import_log(Request(**{**vars(request), "run": "seed"}))
    assert list(made.cube["run"].values) == ["01", "1", "a b"] and made.cube["tokens"].values.tolist() == [[3, 4]] * 3
    assert list(import_log(request).cube["run"].values) == ["seed=01", "seed=1", "seed=a%20b"]
