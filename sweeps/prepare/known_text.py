"""The text of runs before they train: counted where their shards are there, else as their configuration tells."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from calque.data.shards.folder import Shards
from calque.sweeps.plan.data_sets import DataSet, expected_shard_bytes
from calque.sweeps.plan.repetition import Text, expected_text
from calque.sweeps.prepare.prepare import shards_folder
from calque.sweeps.study.run_config import RunConfig


def known_text(run: RunConfig) -> Text | None:
    """Return the training text of a run by language; None where it is not known yet. Nothing is made or fetched.

    Raises
    ------
    UserError
        When the user's text or tokenizer cannot be found, or shards are damaged.
    """
    folder = shards_folder(run)
    return text_of_shards(Shards.open(folder), run.languages()) if folder.exists() else expected_text(run)


def text_of_shards(shards: Shards, languages: Iterable[str]) -> Text:
    """Return the training text in ``shards`` of these ``languages``."""
    train = {code: shards.train[code] for code in languages if code in shards.train}
    return Text(
        tokens={code: float(shard.tokens) for code, shard in train.items()},
        text_bytes={code: float(shard.text_bytes) for code, shard in train.items()}, measured=True,
    )  # fmt: skip


def data_sets(runs: Iterable[RunConfig], known: Mapping[str, Text | None]) -> list[DataSet]:
    """Return the shards that ``runs`` share, with what they take on disk.

    Parameters
    ----------
    runs : iterable of RunConfig
    known : mapping of str to Text or None
        As :func:`texts` gives it.
    """
    users: dict[Path, list[RunConfig]] = {}
    for run in runs:
        users.setdefault(shards_folder(run), []).append(run)
    found = []
    for folder, sharing in users.items():
        there = folder.exists()
        size = expected_shard_bytes(sharing[0], known[sharing[0].name])
        if there:
            size = float(sum(path.stat().st_size for path in folder.glob("*.bin")))
        found.append(DataSet(name=folder.name, runs=len(sharing), shard_bytes=size, measured=there))
    return found


def texts(runs: Iterable[RunConfig]) -> dict[str, Text | None]:
    """Return :func:`known_text` of all ``runs``, by name; runs that differ in their seeds are looked at once."""
    of_design: dict[str, Text | None] = {}
    found = {}
    for run in runs:
        design = run.design()
        if design not in of_design:
            of_design[design] = known_text(run)
        found[run.name] = of_design[design]
    return found
