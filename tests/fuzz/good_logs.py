"""Small good logs of every format, and spoilt ones: files, how they are asked for, and how they read independently."""

from __future__ import annotations

import csv
import gzip
import io
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tests.fuzz import readings
from tests.fuzz.mutations import Rng, dump, pick, spoil_bytes, spoil_json, spoil_table
from tests.phases_logs import events, scalar

STEPS = (1, 2, 4, 8, 16, 32, 64, 100, 200, 300)
PER_STEP = 1000


@dataclass(frozen=True, kw_only=True)
class Spoilt:
    """A log that was spoilt.

    Attributes
    ----------
    label : str
        Format and what was done.
    files : mapping of str to bytes
        By path.
    path : str
        What is imported.
    words : tuple of str
        Options of ``phases import``.
    metric : str
        Name of the metric in the log.
    read : callable
        From the path to the rows that a second reader finds.
    """

    label: str
    files: Mapping[str, bytes]
    path: str
    words: tuple[str, ...]
    metric: str
    read: Callable[[Path], readings.Reading]


def values(rng: Rng, n: int) -> list[float]:
    """Return a rising curve of proportions."""
    return [float(v) for v in np.clip(np.linspace(0.1, 0.8, n) + rng.normal(0, 0.01, n), 0, 1)]


def _text(rows: list[list[str]], separator: str = ",") -> bytes:
    out = io.StringIO()
    csv.writer(out, delimiter=separator, lineterminator="\n").writerows(rows)
    return out.getvalue().encode("utf-8", "surrogatepass")


def _table(rng: Rng) -> list[list[str]]:
    rows = [["run", "tokens", "acc", "n"]]
    for run in ("a", "b"):
        rows += [[run, str(s * PER_STEP), repr(v), "200"] for s, v in zip(STEPS, values(rng, len(STEPS)), strict=True)]
    return rows


def table(rng: Rng) -> Spoilt:
    """CSV or TSV, gzipped or not, with a column of runs."""
    suffix, separator = pick(rng, ((".csv", ","), (".tsv", "\t"), (".csv.gz", ","), (".csv", ";"), (".csv", ",")))
    rows = _table(rng)
    what = "bytes"
    by_bytes = rng.random() < 0.3
    if not by_bytes:
        what, rows = spoil_table(rng, rows)
    data = _text(rows, separator)
    data = spoil_bytes(rng, data) if by_bytes else data
    if suffix.endswith(".gz"):
        data = gzip.compress(data)
        data = spoil_bytes(rng, data) if rng.random() < 0.3 else data
    words = (
        "--tokens",
        "tokens",
        "--metric",
        "acc",
        "--run",
        "run",
        *(("--trials", "n") if rng.random() < 0.3 else ()),
    )
    return Spoilt(label=f"csv: {what}", files={f"log{suffix}": data}, path=f"log{suffix}", words=words, metric="acc",
                  read=lambda p: readings.table(p, separator, "run", "tokens", "acc"))  # fmt: skip


def folder(rng: Rng) -> Spoilt:
    """A folder with a CSV for each run, or for each version of Lightning."""
    names = pick(
        rng, (("run-a.csv", "run-b.csv"), ("version_0/metrics.csv", "version_1/metrics.csv"), ("a.csv", "deep/b.csv"))
    )
    files, what = {}, ""
    for name in names:
        rows = [r[1:3] for r in _table(rng)[: len(STEPS) + 1]]
        if not what or rng.random() < 0.5:
            what, rows = spoil_table(rng, rows)
        files[f"logs/{name}"] = _text(rows)
    return Spoilt(label=f"csv folder: {what}", files=files, path="logs",
                  words=("--tokens", "tokens", "--metric", "acc"), metric="acc",
                  read=lambda p: readings.folder(p, "tokens", "acc"))  # fmt: skip


def history(rng: Rng) -> Spoilt:
    """A history as JSON lines."""
    rows: list[Any] = [{"_step": s, "tokens": s * PER_STEP, "eval/acc": v}
                       for s, v in zip(STEPS, values(rng, len(STEPS)), strict=True)]  # fmt: skip
    if by_bytes := rng.random() < 0.3:
        data = spoil_bytes(rng, b"\n".join(dump(r) for r in rows))
    else:
        for _ in range(int(rng.integers(1, 3))):
            rows = spoil_json(rng, rows)
        data = b"\n".join(dump(r) for r in rows)
    by_tokens = rng.random() < 0.5
    words = ("--tokens", "tokens") if by_tokens else ("--tokens-per-step", "1000")
    return Spoilt(label=f"jsonl: {'bytes' if by_bytes else 'json'}",
                  files={"history.jsonl": data}, path="history.jsonl",
                  words=("--metric", "eval/acc", *words), metric="eval/acc",
                  read=lambda p: readings.history(p, "tokens" if by_tokens else "_step", "eval/acc",
                                                  1 if by_tokens else PER_STEP))  # fmt: skip


def trainer(rng: Rng) -> Spoilt:
    """A trainer_state.json."""
    log = []
    for s, v in zip(STEPS, values(rng, len(STEPS)), strict=True):
        log += [{"step": s, "loss": 3.0, "epoch": s / 10}, {"step": s, "eval_accuracy": v, "epoch": s / 10}]
    whole = {"global_step": STEPS[-1], "epoch": 1.0, "log_history": log, "is_world_process_zero": True}
    by_bytes = rng.random() < 0.3
    data = spoil_bytes(rng, dump(whole)) if by_bytes else dump(spoil_json(rng, whole))
    return Spoilt(label=f"trainer_state: {'bytes' if by_bytes else 'json'}", files={"trainer_state.json": data},
                  path="trainer_state.json", words=("--metric", "eval_accuracy", "--tokens-per-step", "1000"),
                  metric="eval_accuracy",
                  read=lambda p: readings.trainer(p, "eval_accuracy", PER_STEP))  # fmt: skip


def harness(rng: Rng) -> Spoilt:
    """A folder of result files of lm-evaluation-harness."""
    files = {}
    spoilt = int(rng.integers(len(STEPS)))
    by_bytes = rng.random() < 0.3
    for i, (s, v) in enumerate(zip(STEPS, values(rng, len(STEPS)), strict=True)):
        whole: Any = {
            "results": {"quiz": {"alias": "quiz", "acc,none": v, "acc_stderr,none": 0.01}}, "versions": {"quiz": 1},
            "group_subtasks": {"quiz": []}, "n-shot": {"quiz": 0},
            "config": {"model": "hf", "model_args": f"pretrained=org/m,revision=step{s}"}, "date": 1e9 + i,
        }  # fmt: skip
        data = dump(spoil_json(rng, whole) if i == spoilt and not by_bytes else whole)
        files[f"out/org__m/results_2024-01-{i + 1:02d}T00-00-00.json"] = (
            spoil_bytes(rng, data) if by_bytes and i == spoilt else data
        )
    return Spoilt(label=f"lm-eval: {'bytes' if by_bytes else 'json'}", files=files, path="out",
                  words=("--metric", "quiz/acc", "--tokens-per-step", "1000"), metric="quiz/acc",
                  read=lambda p: readings.harness(p, "quiz", "acc", PER_STEP))  # fmt: skip


def parquet(rng: Rng) -> Spoilt:
    """A Parquet file with columns of odd types, or damaged."""
    import pandas as pd

    rows = _table(rng)
    frame = pd.DataFrame(rows[1:], columns=rows[0]).astype({"tokens": "int64", "acc": float, "n": int})
    kind = pick(
        rng, ("bytes", "bool", "date", "text", "decimal", "list", "category", "index", "float32", "null", "order")
    )
    column = pick(rng, ("tokens", "acc"))
    if kind == "bool":
        frame[column] = frame[column] > frame[column].median()
    elif kind == "date":
        frame[column] = pd.to_datetime(frame["tokens"], unit="s")
    elif kind == "text":
        frame[column] = frame[column].astype(str)
        frame.loc[3, column] = pick(rng, [c for c in CELLS_TEXT if c.isprintable()])
    elif kind == "decimal":
        from decimal import Decimal

        frame[column] = [Decimal(repr(v)) for v in frame[column].tolist()]
    elif kind == "list":
        frame[column] = [[v] for v in frame[column]]
    elif kind == "category":
        frame[column] = frame[column].astype("category")
    elif kind == "index":
        frame = frame.set_index(pick(rng, ("tokens", "run")))
    elif kind == "float32":
        frame["acc"] = frame["acc"].astype("float32")
    elif kind == "null":
        frame[column] = frame[column].astype("Int64" if column == "tokens" else "Float64")
        frame.loc[4, column] = pd.NA
    elif kind == "order":
        frame = frame.sample(frac=1, random_state=int(rng.integers(1000)))
    out = io.BytesIO()
    frame.to_parquet(out)
    data = spoil_bytes(rng, out.getvalue()) if kind == "bytes" else out.getvalue()
    return Spoilt(label=f"parquet: {kind}", files={"log.parquet": data}, path="log.parquet",
                  words=("--tokens", "tokens", "--metric", "acc", "--run", "run"), metric="acc",
                  read=lambda p: readings.parquet(p, "run", "tokens", "acc"))  # fmt: skip


CELLS_TEXT = ("0.5", "x", "True", "1e999", "2024-01-01", "", "NaN", "1,5", "0x10")


def tensorboard(rng: Rng) -> Spoilt:
    """A log folder: damaged records, or events of odd kinds."""
    from tensorboard.compat.proto import summary_pb2, types_pb2

    made = [
        scalar("acc", v, s, tensor=bool(rng.random() < 0.5))
        for s, v in zip(STEPS, values(rng, len(STEPS)), strict=True)
    ]
    kind = pick(rng, ("bytes", "type", "shape", "content", "order", "values"))
    at = int(rng.integers(len(made)))
    if kind == "order":
        made = [made[i] for i in rng.permutation(len(made))]
    elif kind == "values":
        made[at] = scalar("acc", pick(rng, (float("nan"), float("inf"), -1.0, 1e300, 0.5)), STEPS[at], tensor=True)
    elif kind in ("type", "shape", "content"):
        value = summary_pb2.Summary.Value(tag="acc")
        value.tensor.dtype = int(rng.integers(0, 24)) if kind == "type" else types_pb2.DT_DOUBLE
        for size in pick(rng, ((), (1,), (10**12,), (2**31, 2**31), (-1,), (0,), (3,))) if kind == "shape" else ():
            value.tensor.tensor_shape.dim.add().size = size
        if kind == "content" or rng.random() < 0.5:
            value.tensor.tensor_content = rng.bytes(int(rng.integers(0, 17)))
        else:
            value.tensor.double_val.append(0.5)
        made[at].summary.CopyFrom(summary_pb2.Summary(value=[value]))
    with tempfile.TemporaryDirectory() as place:
        name = events(Path(place), made).name
        data = (Path(place) / name).read_bytes()
    data = spoil_bytes(rng, data) if kind == "bytes" else data
    return Spoilt(label=f"tensorboard: {kind}", files={"tb/run/events.out.tfevents.1700000000.host": data},
                  path="tb", words=("--metric", "acc", "--tokens-per-step", "1000"), metric="acc",
                  read=lambda p: readings.tensorboard(p, "acc", PER_STEP))  # fmt: skip


def chart(rng: Rng) -> Spoilt:
    """The CSV of a chart of Weights & Biases."""
    rows = [["Step", "a - acc", "a - acc__MIN", "a - acc__MAX"]]
    rows += [[str(s), repr(v), "0", "1"] for s, v in zip(STEPS, values(rng, len(STEPS)), strict=True)]
    what, rows = spoil_table(rng, rows)
    return Spoilt(label=f"chart: {what}", files={"wandb_export.csv": _text(rows)}, path="wandb_export.csv",
                  words=("--metric", "acc", "--tokens-per-step", "1000"), metric="acc",
                  read=lambda p: readings.chart(p, "Step", "acc", PER_STEP))  # fmt: skip


FORMATS = (table, table, folder, history, history, trainer, harness, harness, parquet, tensorboard, chart)


def spoilt(rng: Rng) -> Spoilt:
    """Return a spoilt log of any format."""
    return pick(rng, FORMATS)(rng)  # type: ignore[no-any-return]
