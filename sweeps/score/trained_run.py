"""Scoring the checkpoints of a run that Calque trained, with other questions than during training."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import xarray as xr

from calque.data.errors import UserError
from calque.models.decoder.decoder import Decoder
from calque.models.scoring.language_model import DecoderModel, LanguageModel
from calque.models.scoring.scorer import Scorer
from calque.models.scoring.selection import EVERYTHING, Selection
from calque.sweeps.checkpoints.trained_run import TrainedRun
from calque.sweeps.prepare.prepare import RunData, prepare, sampler_of
from calque.sweeps.score.file import Fingerprint
from calque.sweeps.score.positions import Position
from calque.sweeps.trial.run_cube import static_part
from calque.sweeps.trial.scoring import scorer_of

WORDING = ("template", "shots", "shot_seed")
"""Settings of the corpus that change the wording of questions, not the text."""


class TrainedRunSource:
    """The checkpoints with kept weights in the ``folder`` of a run, whose cube has their positions."""

    every = True
    opening = "reading"

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.run = TrainedRun.open(folder)
        self.name = self.run.config.name
        kept = [step for step in sorted(self.run.tokens) if self.run.keeps(step)]
        self.steps = {f"step-{step}": step for step in kept}
        self.revisions = dict.fromkeys(self.steps, "")

    def of(self, revision: str) -> Position:
        """Return the position of the checkpoint ``revision``."""
        step = self.steps[revision]
        return Position(tokens=self.run.tokens[step], step=step)

    def rest(self, revision: str) -> str:
        """Return nothing: the run's cube gives the position of ``revision``."""
        return ""

    @contextmanager
    def fetched(self, revision: str) -> Iterator[Path]:
        """Yield the run's folder, which holds every ``revision``."""
        yield self.run.folder

    described = fetched


class TrainedRunModel:
    """A run that Calque trained, asked its own questions, or in another wording where its text is real.

    Parameters
    ----------
    source : TrainedRunSource
    changes : mapping of str to value
        Of ``shots``, ``shot_seed``, ``template`` (of the corpus) and ``concepts``, ``minimal_pairs``,
        ``heldout_tokens`` (of the evaluation); other settings are those of the study.
    device : str
    selection : Selection
        Which tasks are asked, and how many of their items.
    log : Selection, optional
        Of the answers that are logged.

    Raises
    ------
    UserError
        When the wording is changed and the corpus is the simulated world, which has its own words.
    """

    def __init__(
        self, source: TrainedRunSource, changes: Mapping[str, Any], device: str, selection: Selection = EVERYTHING,
        log: Selection | None = None,
    ) -> None:  # fmt: skip
        self.selection, self.log = selection, log
        self.run, self.source, self.device = source.run, source, device
        config = self.run.config
        wording = {name: value for name, value in changes.items() if name in WORDING}
        if wording and config.real_text is None:
            raise UserError(
                f"run '{config.name}' was trained on the simulated world, which has its own words; leave out "
                + ", ".join(f"`{name}`" for name in wording)
            )
        if wording:
            config = replace(config, **{config.corpus: replace(getattr(config, config.corpus), **wording)})
        rest = {name: value for name, value in changes.items() if name not in WORDING}
        self.config = replace(config, evaluation=replace(config.evaluation, **rest))
        self._prepared: RunData | None = None
        self._scorer: Scorer | None = None
        self._decoder: Decoder | None = None

    @property
    def identity(self) -> dict[str, Any]:
        """The run's configuration, with the changed questions."""
        chosen = {} if self.selection == EVERYTHING else {"selection": asdict(self.selection)}
        return {"run": self.config.to_dict(), **chosen}

    def fingerprint(self, revision: str, folder: Path) -> Fingerprint:
        """Return the SHA-256 of ``revision`` in the run's cube; loading checks it against the file in ``folder``."""
        return Fingerprint(sha256=self.run.sha256[self.source.steps[revision]], config_sha256="")

    def scorer(self, revision: str, folder: Path) -> Scorer:
        """Return the scorer used in training, with the changes; it is the same for every ``revision`` and ``folder``.

        The run's data are prepared where they are missing.

        Raises
        ------
        UserError
            When the data have another tokenizer than the run was trained with.
        """
        if self._scorer is None:
            self._prepared = prepare(self.config)
            if self._prepared.shards.tokenizer_sha256 != self.run.tokenizer_sha256:
                raise UserError(f"the data of run '{self.config.name}' have another tokenizer than it was trained with")
            self._scorer = scorer_of(self.config, self._prepared, self.selection, self.log)
        return self._scorer

    def load(self, revision: str, folder: Path) -> LanguageModel:
        """Return the decoder of the checkpoint ``revision`` in the run's ``folder``."""
        self._decoder = self.run.load(self.source.steps[revision]).to(self.device)
        return DecoderModel(self._decoder)

    def parameters(self, folder: Path) -> tuple[int, int]:
        """Return the parameters of the layers, and of the output projection; ``folder`` is the run's."""
        assert self._prepared is not None, "the scorer is asked for first"
        shape = self.config.decoder(self._prepared.shards.vocabulary)
        return shape.n_params_non_embedding, shape.vocab_size * shape.width

    def static(self, run: str) -> xr.Dataset:
        """Return the static part of the run's own cube, with the run called ``run``."""
        assert self._prepared is not None and self._scorer is not None and self._decoder is not None
        sampler = sampler_of(self.config, self._prepared)
        found = static_part(
            self.config, self._prepared, sampler=sampler, decoder=self._decoder.config,
            scorer=self._scorer,
        )  # fmt: skip
        return found.assign_coords(run=[run])
