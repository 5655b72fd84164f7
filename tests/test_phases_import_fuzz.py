"""The fuzz of imports in short form: spoilt logs of every format. The long form: ``python -m tests.fuzz``."""

import math

import numpy as np
import pytest

from tests.fuzz import imports
from tests.fuzz.frame import Attempt, attempt, in_child, within
from tests.fuzz.good_logs import FORMATS, spoilt

SHORT = 40


@pytest.mark.property
@pytest.mark.parametrize("block", range(4))
def test_spoilt_logs_are_refused_or_read_to_the_bit(block):
    for number in range(block * SHORT // 4, (block + 1) * SHORT // 4):
        one = attempt(imports.make, 2026, number)
        fault = within(one)
        assert fault is None, f"--kind imports --seed 2026 --only {number} ({one.label}): {fault}"


def test_the_fuzz_would_see_a_fault(tmp_path):
    """A reading that lacks a row, or has one more than was imported and told, is a fault."""
    log = next(log for log in map(spoilt, map(np.random.default_rng, range(99))) if log.label == "csv: empty line")
    for name, data in log.files.items():
        (tmp_path / name).write_bytes(data)
    rows = log.read(tmp_path / log.path)
    assert len(rows) == 20 and all(math.isfinite(v) for row in rows for v in row)
    for wrong in (set(list(rows)[1:]), rows | {(1e9, 0.5)}):
        words = log.words if "--trials" in log.words else (*log.words, "--trials", "n")
        changed = type(log)(**{**vars(log), "read": lambda path, wrong=wrong: wrong, "words": words})
        assert imports.check(tmp_path, changed) is not None


def test_every_format_is_spoilt():
    labels = {spoilt(np.random.default_rng(i)).label.partition(":")[0] for i in range(200)}
    assert labels == {"csv", "csv folder", "jsonl", "trainer_state", "lm-eval", "parquet", "tensorboard", "chart"}
    assert len({f.__name__ for f in FORMATS}) == len(labels)


@pytest.mark.parametrize(
    "check,words",
    [
        (lambda folder: 1 / 0, "traceback"),
        (lambda folder: bytearray(2**40) and None, "memory"),
        (lambda folder: "odd", "odd"),
        (lambda folder: None, None),
        (lambda folder: (folder / "x").read_text() or None, "text"),
    ],
)
def test_a_child_tells_what_happened(check, words):
    fault = in_child(Attempt(label="x", files={"x": b"text"}, check=check))
    assert fault is None if words is None else words in fault


@pytest.mark.parametrize("busy,words", [(False, "longer than 2.5 s"), (True, "longer than 0.5 s of the processor")])
def test_a_child_that_hangs_is_ended(busy, words, monkeypatch):
    import time

    monkeypatch.setattr("tests.fuzz.frame.PATIENCE", 1000.0 if busy else 5.0)

    def hang(folder):
        while True:
            time.sleep(0.0 if busy else 1.0)

    assert in_child(Attempt(label="x", files={}, check=hang), seconds=0.5) == words
