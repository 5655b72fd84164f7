"""The frame of the fuzz: makes inputs, runs each in a child with limits, and counts faults by kind.

A kind is a function ``(rng) -> Attempt``, registered in ``KINDS`` of ``tests.fuzz.kinds``. An attempt holds files and
what is done with them. Its ``check`` runs in a child of its own, with the folder of the files, and returns a sentence
for a fault, or None. An exception, a signal, more memory or more time than allowed are faults by themselves. The child
is forked: import in the kind's module what the check needs, so that not every child imports it again. What is found is
repeated by ``--seed S --only NUMBER`` and is to become a case in the tests.
"""

from __future__ import annotations

import contextlib
import io
import math
import os
import re
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

SECONDS = 60.0
"""One attempt may use the processor this long."""
PATIENCE = 5.0
"""And wait, or be kept waiting by a busy machine, so many times as long."""
MEMORY = 2 * 2**30
"""One attempt may need this many bytes of memory at once, beside what the program itself takes."""
MESSAGE = 300
"""Longest message for a person, in characters."""
POLL = 0.01
PROGRESS = re.compile(r"\[\d+:\d\d\] ")
"""A line of progress, which a slow machine prints before a refusal."""


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One input and what is done with it.

    Attributes
    ----------
    label : str
        Kind of input, a row of the table, such as ``csv: cut``.
    files : mapping of str to bytes
        What stands in the folder, by path below it.
    check : callable
        Takes the folder, runs the command, returns a fault or None.
    """

    label: str
    files: Mapping[str, bytes]
    check: Callable[[Path], str | None]

    def write(self, folder: Path) -> None:
        """Write the files into ``folder``."""
        for name, data in self.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)


Kind = Callable[[np.random.Generator], Attempt]


@dataclass(frozen=True, kw_only=True)
class Ran:
    """What a command did."""

    code: int
    out: str
    error: str


def run_command(main: Callable[[], Any], words: list[str]) -> Ran:
    """Run the entry point of a command line in this process, as if ``words`` had been typed."""
    out, error = io.StringIO(), io.StringIO()
    before, sys.argv = sys.argv, [words[0], *words[1:]]
    code = 0
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(error):
            main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    finally:
        sys.argv = before
    return Ran(code=code, out=out.getvalue(), error=error.getvalue())


def refused_well(ran: Ran, codes: tuple[int, ...] = (2,)) -> str | None:
    """Return what is wrong with a refusal: its code, more than one line, too long, raw control characters."""
    if ran.code not in codes:
        return f"exit {ran.code}: {(ran.error or ran.out)[-200:]!r}"
    lines = [line for line in ran.error.rstrip("\n").split("\n") if not PROGRESS.match(line)]
    if len(lines) != 1 or not lines[0]:
        return f"{len(lines)} lines: {ran.error[:200]!r}"
    message = lines[0].partition(": ")[2]
    if len(message) > MESSAGE:
        return f"{len(message)} characters: {message[:200]!r}"
    if not message.isprintable():
        return f"raw control characters: {message[:200]!r}"
    return None


def attempt(kind: Kind, seed: int, number: int) -> Attempt:
    """Return attempt ``number`` of a kind: the same for the same seed and number."""
    return kind(np.random.default_rng([seed, number]))


def within(one: Attempt) -> str | None:
    """Run an attempt in this process without limits; return its fault or None."""
    with tempfile.TemporaryDirectory() as folder:
        one.write(Path(folder))
        return one.check(Path(folder))


def in_child(one: Attempt, seconds: float = SECONDS, memory: int = MEMORY) -> str | None:
    """Run an attempt in a child with limits of processor time, clock time and memory; return its fault or None."""
    with tempfile.TemporaryDirectory() as folder:
        one.write(Path(folder))
        told = Path(folder).parent / f"{Path(folder).name}.fault"
        child = os.fork()
        if child == 0:
            os._exit(_child(one, Path(folder), told, seconds, memory))
        try:
            return _watch(child, told, seconds)
        finally:
            told.unlink(missing_ok=True)


def _child(one: Attempt, folder: Path, told: Path, seconds: float, memory: int) -> int:
    os.setsid()
    here = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (here + memory, here + memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    used = time.process_time() + seconds
    resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(used), math.ceil(used) + 1))
    try:
        fault = one.check(folder)
    except MemoryError:
        fault = "more memory than allowed"
    except BaseException:  # whatever escapes is what is looked for
        fault = "traceback: " + " | ".join(traceback.format_exc().strip().split("\n")[-4:])
    told.write_text(fault or "", encoding="utf-8", errors="backslashreplace")
    return 0


def _watch(child: int, told: Path, seconds: float) -> str | None:
    end = time.monotonic() + PATIENCE * seconds
    while True:
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            break
        if time.monotonic() > end:
            os.killpg(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return f"longer than {PATIENCE * seconds:g} s"
        time.sleep(POLL)
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGXCPU:
        return f"longer than {seconds:g} s of the processor"
    if os.WIFSIGNALED(status):
        return f"killed by signal {os.WTERMSIG(status)}"
    return told.read_text(encoding="utf-8") or None if told.exists() else "ended without an answer"
