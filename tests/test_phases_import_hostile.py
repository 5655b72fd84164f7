"""Hostile and careless logs: refused in one line with exit 2, within a minute and two gigabytes."""

import gzip
import json
import os
import socket
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tensorboard.compat.proto import event_pb2, summary_pb2, types_pb2

from calque.phases.cli import main
from tests.fuzz.frame import Attempt, in_child, refused_well, run_command
from tests.phases_logs import events, scalar

TABLE = ("--tokens", "t", "--metric", "a")
STEPS = ("--metric", "a", "--tokens-per-step", "1")
RESULT = {"results": {"q": {"acc": 0.5}}, "versions": {"q": 1},
          "config": {"model_args": "pretrained=m,revision=step1", "num_fewshot": 0}}  # fmt: skip


def nested(depth):
    return '{"a": ' * depth + "1" + "}" * depth


def refusal(path, *words):
    """Import in a child with limits; return the message that a person reads, or fail."""
    out = path.parent / "out.nc" if path.parent.is_dir() and os.access(path.parent, os.W_OK) else path
    told = path.parent / "told" if out.name == "out.nc" else None

    def check(folder):
        where = told or folder / "told"
        ran = run_command(
            main, ["phases", "import", str(path), *words, *(() if "-o" in words else ("-o", str(folder / "o.nc")))]
        )
        where.write_text(ran.error)
        return refused_well(ran)

    fault = in_child(Attempt(label="hostile", files={}, check=check), seconds=60)
    assert fault is None, fault
    return told.read_text() if told else ""


CASES = {
    "a number too large": ("log.csv", b"t,a\n1,1\n2,1e999\n", TABLE, "in line 3, or one too large for a number"),
    "a position too large": ("log.csv", b"t,a\n1,1\n1e999,1\n", TABLE, "'t' holds an infinite value in line 3"),
    "digits without end": ("log.csv", b"t,a\n1,1\n2," + b"9" * 5000 + b"\n", TABLE, "too large for a number"),
    "a whole number of 5000 digits": ("h.jsonl", b'{"_step": 1, "a": ' + b"9" * 5000 + b"}", STEPS, "line 1: "),
    "JSON nested 10,000 deep": ("h.jsonl", nested(10_000).encode(), STEPS, "line 1: nested too deep"),
    "lists nested 100,000 deep": ("h.json", b"[" * 100_000, STEPS, "nested too deep"),
    "a state nested deep": ("trainer_state.json", nested(10_000).encode(), STEPS, "nested too deep"),
    "half a character as a run": (
        "h.jsonl",
        b'{"_step": 1, "a": 1, "r": "x\\ud800"}',
        (*STEPS, "--run", "r"),
        r"'x\ud800'",
    ),
    "a run with a line break": ("log.csv", b't,a,r\n1,1,"x\ny"\n', (*TABLE, "--run", "r"), r"a run is called 'x\ny'"),
    "a key twice": ("h.jsonl", b'{"_step": 1, "a": 1, "a": 2}', STEPS, "the key 'a' stands twice"),
    "no object": ("h.jsonl", b'"\\u001b[31m"\n', STEPS, r"holds '\x1b[31m' where one JSON object"),
    "bytes that are no text": ("log.csv", b"t,a\n1,\xff\n", TABLE, "is no UTF-8 text (byte 0xff)"),
    "text in UTF-16 without its mark": ("log.csv", "t,a\n1,1\n".encode("utf-16-le"), TABLE, "has no column 't'"),
    "a cut gzip": ("log.csv.gz", gzip.compress(b"t,a\n" + b"1,1\n" * 99)[:-9], TABLE, "cut or damaged"),
    "a quote without end": ("log.csv", b't,a\n1,"1\n2,2\n', TABLE, "line 2 is no CSV"),
    "a field without end": ("log.csv", b"t,a\n1," + b"x" * 200_000 + b"\n", TABLE, "line 2 is no CSV"),
    "a cell of 100,000 characters": ("log.csv", b"t,a\n1," + b"x" * 100_000 + b"\n", TABLE, "expected a number"),
    "an empty file": ("log.csv", b"", TABLE, "is empty; expected CSV"),
    "no Parquet": ("x.parquet", b"PAR1 PAR1", TABLE, "cannot be read as Parquet"),
    "a damaged event file": ("events.out.tfevents.1", b"\x00" * 300, STEPS, "holds no scalar"),
}


@pytest.mark.parametrize("name", CASES)
def test_a_hostile_file_is_refused_in_one_line(name, tmp_path):
    file, data, words, told = CASES[name]
    (tmp_path / file).write_bytes(data)
    assert told in refusal(tmp_path / file, *words)


def test_what_is_no_file_is_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe.csv")
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(tmp_path / "s"))
    for path in (tmp_path / "pipe.csv", tmp_path / "s"):
        assert "is neither a file nor a folder" in refusal(path, *TABLE)
    for format in ("csv", "wandb", "lm-eval"):
        assert "is neither a file nor a folder" in refusal(tmp_path / "pipe.csv", *TABLE, "--from", format)
    refusal(Path("/dev/zero"), *TABLE)
    assert "is missing" in refusal(tmp_path / "none.csv", *TABLE)
    long = refusal(tmp_path / ("x" * 300), *TABLE)
    assert "expected a shorter path" in long and "PosixPath" not in long


def test_an_output_name_of_300_characters_is_refused(tmp_path):
    (tmp_path / "log.csv").write_text("t,a\n1,1\n")
    assert "expected a shorter path" in refusal(tmp_path / "log.csv", *TABLE, "-o", str(tmp_path / f"{'x' * 300}.nc"))
    out = tmp_path / f"{'x' * 250}.nc"
    assert run_command(main, ["phases", "import", str(tmp_path / "log.csv"), *TABLE, "-o", str(out)]).code == 0
    assert out.is_file()


def test_groups_that_contain_themselves_or_double(tmp_path):
    doubling = {f"g{i}": [f"g{i + 1}"] * 2 + [f"h{i + 1}"] for i in range(60)} | {"h1": ["g0"], "g60": [], "h60": []}
    for i, groups in enumerate(({"q": ["q"]}, {"q": ["b"], "b": ["q", "c"]}, {"q": ["g0"], **doubling})):
        (tmp_path / "r.json").write_text(json.dumps(RESULT | {"group_subtasks": groups, "n-samples": {"c": 8}}))
        out = tmp_path / f"{i}.nc"
        ran = run_command(main, ["phases", "import", str(tmp_path / "r.json"), "--metric", "q/acc", "--tokens-per-step",
                                 "1", "-o", str(out)])  # fmt: skip
        assert ran.code == 0 and out.exists(), ran.error


@pytest.mark.parametrize("pattern", [r"(s+)+(?P<step>x)$", r"(?:(?:s|s)*)*(?P<step>\d+)!", r"(?P<step>(s*)*b)"])
def test_a_catastrophic_pattern_is_refused(pattern, tmp_path):
    whole = RESULT | {"config": {"model_args": f"pretrained=m,revision={'s' * 90}"}}
    (tmp_path / "r.json").write_text(json.dumps(whole))
    told = refusal(tmp_path / "r.json", "--metric", "q/acc", "--tokens-per-step", "1", "--checkpoint", pattern)
    assert "--checkpoint takes longer than a second" in told


@pytest.mark.parametrize("pattern", ["(", "(?P<step>a{99999999999})", "(?P<run>x)", "(" * 5000 + "(?P<step>x)"])
def test_a_pattern_that_is_none_is_refused(pattern, tmp_path):
    (tmp_path / "r.json").write_text(json.dumps(RESULT))
    assert "--checkpoint is" in refusal(tmp_path / "r.json", "--metric", "q/acc", "--checkpoint", pattern)


@pytest.mark.parametrize(
    "type_,shape",
    [("DT_DOUBLE", shape) for shape in ((10**12,), (2**31, 2**31), (2**62, 2**62), (0,), (-1,), (1, 2))]
    + [(type_, ()) for type_ in ("DT_STRING", "DT_QINT8", "DT_INVALID")],
)
def test_events_of_wrong_types_and_shapes_are_left_out(type_, shape, tmp_path):
    value = summary_pb2.Summary.Value(tag="a")
    value.tensor.dtype = types_pb2.DataType.Value(type_)
    value.tensor.double_val.append(0.5)
    for size in shape:
        value.tensor.tensor_shape.dim.add().size = size
    odd = event_pb2.Event(step=2, summary=summary_pb2.Summary(value=[value]))
    events(tmp_path, [scalar("a", 0.25, 1), odd, scalar("a", 0.5, 3)])
    ran = run_command(main, ["phases", "import", str(tmp_path), *STEPS, "-o", str(tmp_path / "o.nc"), "--json", "-"])
    assert ran.code == 0, ran.error
    told = json.loads(ran.out)
    assert told["runs"][0]["checkpoints"] == 2 and any("1 value of its tags" in note for note in told["notes"])


def test_a_parquet_of_few_bytes_and_many_rows_is_refused(tmp_path):
    zeros = pa.array(np.zeros(1_000_000))
    with pq.ParquetWriter(tmp_path / "bomb.parquet", pa.schema([("t", pa.float64()), ("a", pa.float64())])) as writer:
        for _ in range(3):
            writer.write_table(pa.table({"t": zeros, "a": zeros}))
    assert "has 3,000,000 rows; expected at most 2000000" in refusal(tmp_path / "bomb.parquet", *TABLE)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["line", "gzip", "blank", "columns", "runs", "names", "steps"])
def test_floods_are_refused(name, tmp_path):
    """A line of 300 MB, gzip of 3 GB, a million columns, 100,000 runs, long names, millions of steps."""
    words = TABLE
    path = tmp_path / "log.csv"
    if name == "line":
        path.write_bytes(b"t,a\n1," + b"x" * 300_000_000 + b"\n")
    elif name in ("gzip", "blank"):
        path = tmp_path / "log.csv.gz"
        block = (b"0" if name == "gzip" else b"\n") * 10_000_000
        with gzip.open(path, "wb", compresslevel=1) as file:
            for _ in range(300):
                file.write(block)
    elif name == "columns":
        path.write_text(",".join(f"c{i}" for i in range(1_000_000)) + "\n" + ",".join("1" * 1_000_000) + "\n")
    elif name == "runs":
        path.write_text("t,a,r\n" + "".join(f"1,1,{i}\n" for i in range(100_000)))
        words = (*TABLE, "--run", "r")
    elif name == "names":
        path.write_text("t,a,r\n" + "".join(f"1,1,{'x' * 60_000}{i}\n" for i in range(2000)))
        words = (*TABLE, "--run", "rr")
    else:
        path = tmp_path / "h.jsonl"
        path.write_text("".join(f'{{"_step": {i}, "a": 1}}\n' for i in range(3_000_000)))
        words = STEPS
    refusal(path, *words)
