"""From parts to streams: which parts are tokenised, and where a limit ends a stream."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from typing import get_args

import numpy as np

from calque.data.corpus import PartedCorpus, Split
from calque.data.shards import pool as shards_pool
from calque.data.shards.pool import Task
from calque.data.shards.tokenise import Job, TokenCounts, tokenise
from calque.data.shards.work import WorkFolder
from calque.data.tokens.encoding import Encoding

SPLITS: tuple[Split, ...] = get_args(Split)
Key = tuple[str, Split]


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Where a preparation stands.

    Attributes
    ----------
    doing : str
        In words.
    parts, parts_done : int
        Parts of all streams and splits; 0 while they are not known.
    text_bytes : int
        Text tokenised by this preparation, what an interrupted one finished left out.
    """

    doing: str
    parts: int = 0
    parts_done: int = 0
    text_bytes: int = 0


OnProgress = Callable[[Progress], None]


class Streams:
    """One pass over all streams and splits of a corpus.

    Parameters
    ----------
    task : Task
    encoding : Encoding
        Of the task's tokenizer.
    limits : mapping of stream to mapping of split to int or None
        Tokens at which to stop, with the document that reaches them.
    work : WorkFolder
    on_progress : callable
    """

    def __init__(
        self, task: Task, encoding: Encoding, limits: Mapping[str, Mapping[str, int | None]], work: WorkFolder,
        on_progress: OnProgress,
    ) -> None:  # fmt: skip
        self.task, self.encoding, self.work, self.on_progress = task, encoding, work, on_progress
        self.dtype = np.dtype(task.dtype)
        self.limits: dict[Key, int | None] = {(name, split): limits[name][split] for name in limits for split in SPLITS}
        corpus = task.corpus
        self.parts: dict[str, tuple[str | None, ...]] = {
            stream: corpus.parts(stream) if isinstance(corpus, PartedCorpus) else (None,) for stream in limits
        }
        self.counts: dict[Key, TokenCounts] = {}
        self.progress = Progress(doing="tokenises", parts=len(SPLITS) * sum(map(len, self.parts.values())))

    def tokenise(self, workers: int) -> dict[Key, TokenCounts]:
        """Tokenise every missing stream with ``workers`` processes; return all counts, in the order of the streams."""
        for key in self.limits:
            if (counts := self.work.joined(*key, self.dtype)) is not None:
                self.counts[key] = counts
                self._tell(parts=len(self.parts[key[0]]))
        waiting: dict[Key, list[tuple[Job, TokenCounts]]] = {key: [] for key in self.limits if key not in self.counts}
        workers = min(workers, max(1, sum(len(self.parts[stream]) for stream, _ in waiting)))
        with closing(
            shards_pool.run(self._jobs(list(waiting)), self.task, self.encoding, workers, self._on_text)
        ) as results:
            for job, counts in results:
                key = (job.stream, job.split)
                if key in self.counts:  # begun before the limit was known to be reached
                    continue
                waiting[key].append((job, counts))
                self._tell(parts=1)
                if self._complete(key, waiting[key]):
                    self.counts[key] = self.work.join(*key, self._cut(key, waiting[key]))
        for key in waiting:
            if key not in self.counts:  # a stream without parts
                self.counts[key] = self.work.join(*key, [])
        return {key: self.counts[key] for key in self.limits}

    def _jobs(self, keys: list[Key]) -> Iterator[Job]:
        for stream, split in keys:
            for number, part in enumerate(self.parts[stream]):
                if (stream, split) in self.counts:
                    break
                limit, path = self.limits[stream, split], self.work.part_path(stream, split, number)
                yield Job(stream=stream, split=split, part=part, limit=limit, path=path)

    def _complete(self, key: Key, parts: list[tuple[Job, TokenCounts]]) -> bool:
        limit = self.limits[key]
        reached = limit is not None and sum(counts.tokens for _, counts in parts) >= limit
        return reached or len(parts) == len(self.parts[key[0]])

    def _cut(self, key: Key, parts: list[tuple[Job, TokenCounts]]) -> list[tuple[Job, TokenCounts]]:
        """Tokenise the last part again, if the limit falls into it and it is not the only one."""
        limit = self.limits[key]
        before = sum(counts.tokens for _, counts in parts[:-1])
        if limit is None or len(parts) == 1 or before + parts[-1][1].tokens <= limit:
            return parts
        last = parts[-1][0]
        path = self.work.part_path(*key, number=len(parts) - 1, cut=True)
        job = replace(last, limit=limit - before, path=path)
        return [*parts[:-1], (job, tokenise(self.task.corpus, self.encoding, job, self.dtype, self._on_text))]

    def _on_text(self, added: int) -> None:
        self.progress = replace(self.progress, text_bytes=self.progress.text_bytes + added)
        self.on_progress(self.progress)

    def _tell(self, parts: int) -> None:
        self.progress = replace(self.progress, parts_done=self.progress.parts_done + parts)
        self.on_progress(self.progress)
