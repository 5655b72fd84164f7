"""Parts tokenised by several processes, given back in order."""

from __future__ import annotations

import os
import signal
from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from calque.data.corpus import Corpus
from calque.data.errors import UserError
from calque.data.processes import cores, end_with_parent
from calque.data.shards.tokenise import Job, OnText, TokenCounts, tokenise
from calque.data.tokens.encoding import Encoding, blocks_of
from calque.data.tokens.tokenizers import load

LOOK_AHEAD = 2
"""Parts begun for each process, so that none waits while the first in order is not done."""

POLL_SECONDS = 0.25


@dataclass(frozen=True, kw_only=True)
class Task:
    """What is the same for all parts.

    Attributes
    ----------
    corpus : Corpus
    tokenizer_file : Path
    dtype : str
        Of the token ids.
    """

    corpus: Corpus
    tokenizer_file: Path
    dtype: str


def run(
    jobs: Iterator[Job], task: Task, encoding: Encoding, workers: int, on_text: OnText
) -> Generator[tuple[Job, TokenCounts]]:
    """Tokenise parts and yield each with its counts, in the order of the jobs.

    With one worker it happens in this process, documents side by side in threads. Otherwise jobs are taken up to
    ``LOOK_AHEAD`` x ``workers`` ahead of the counts that are yielded. Processes end with this one, however it ends.

    Parameters
    ----------
    jobs : iterator of Job
    task : Task
    encoding : Encoding
        Of the task's tokenizer, for this process.
    workers : int
        Processes.
    on_text : callable
        Called in this process.

    Raises
    ------
    UserError
        When a process was killed from outside, as happens when memory runs out.
    """
    if workers == 1:
        for job in jobs:
            yield job, tokenise(task.corpus, encoding, job, np.dtype(task.dtype), on_text)
        return
    context = get_context("spawn")
    done, stop = context.Value("q", 0), context.Event()
    threads = max(1, cores() // workers)
    reported = 0
    with ProcessPoolExecutor(workers, context, _begin, (task, done, stop, threads)) as pool:
        waiting: deque[tuple[Job, Future[TokenCounts]]] = deque()
        try:
            while True:
                for job in islice(jobs, LOOK_AHEAD * workers - len(waiting)):
                    waiting.append((job, pool.submit(_work, job)))
                if not waiting:
                    return
                job, future = waiting.popleft()
                while wait([future], POLL_SECONDS).not_done:
                    reported = _report(done.value, reported, on_text)
                reported = _report(done.value, reported, on_text)
                yield job, future.result()
        except BrokenProcessPool:
            raise UserError(
                "a process that tokenised was killed, as happens when memory runs out; run the same again with fewer "
                "workers, it goes on where it stood"
            ) from None
        finally:
            stop.set()
            pool.shutdown(wait=True, cancel_futures=True)


def _report(now: int, reported: int, on_text: OnText) -> int:
    if now > reported:
        on_text(now - reported)
    return now


class _Stopped(Exception):
    """The parent process has stopped the work."""


@dataclass(frozen=True, kw_only=True)
class _Worker:
    task: Task
    encoding: Encoding
    done: Any
    stop: Any

    def on_text(self, added: int) -> None:
        if self.stop.is_set():
            raise _Stopped
        with self.done.get_lock():
            self.done.value += added


_worker: list[_Worker] = []


def _begin(task: Task, done: Any, stop: Any, threads: int) -> None:
    """Make a new process ready: it leaves Ctrl-C to its parent and ends when the parent is gone."""
    os.environ["RAYON_NUM_THREADS"] = str(threads)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent()
    encoding = Encoding(load(task.tokenizer_file), blocks_of(task.corpus))
    _worker.append(_Worker(task=task, encoding=encoding, done=done, stop=stop))


def _work(job: Job) -> TokenCounts:
    worker = _worker[0]
    return tokenise(worker.task.corpus, worker.encoding, job, np.dtype(worker.task.dtype), worker.on_text)
