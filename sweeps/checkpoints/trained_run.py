"""A trained run on disk: its configuration, and the weights and training positions of its checkpoints."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open

from calque.data import cube
from calque.data.errors import UserError
from calque.models.checkpoints.digests import digest_of
from calque.models.checkpoints.weights import load_weights, weights_path
from calque.models.decoder.decoder import Decoder
from calque.sweeps.study.run_config import RunConfig


@dataclass(frozen=True, kw_only=True)
class TrainedRun:
    """A run that Calque trained: the folder ``runs/NAME`` of a study's results.

    Attributes
    ----------
    folder : Path
    config : RunConfig
        From the run's own cube.
    tokens : dict of int to int
        Training tokens by step, ascending.
    sha256 : dict of int to str
        SHA-256 of the weights' file, by step.
    tokenizer_sha256 : str
        SHA-256 of the tokenizer that the run was trained with.
    """

    folder: Path
    config: RunConfig
    tokens: dict[int, int]
    sha256: dict[int, str]
    tokenizer_sha256: str

    @classmethod
    def open(cls, folder: str | os.PathLike[str]) -> TrainedRun:
        """Read the run in ``folder``.

        Raises
        ------
        UserError
            When it holds no checkpoint yet, or was written by another version.
        """
        folder = Path(folder)
        path = folder / "run.nc"
        if not path.exists():
            raise UserError(f"{folder} holds no checkpoint yet (run.nc is missing); train the run first")
        kept = cube.read(path)
        try:
            config = RunConfig.from_dict(json.loads(str(kept["config_json"].values[0])))
            steps = [int(step) for step in kept["step"].values[0]]
            return cls(
                folder=folder,
                config=config,
                tokens=dict(zip(steps, np.asarray(kept["tokens"].values[0], np.int64).tolist(), strict=True)),
                sha256=dict(zip(steps, map(str, kept["checkpoint_sha256"].values[0]), strict=True)),
                tokenizer_sha256=str(kept["tokenizer_sha256"].values[0]),
            )
        except (KeyError, ValueError) as error:
            reason = " ".join(str(error).split())[:120]
            raise UserError(
                f"{path} was not written by a run of this version ({reason}); use the one it is from"
            ) from None

    def keeps(self, step: int) -> bool:
        """Return whether the weights of ``step`` are on disk."""
        return weights_path(self.folder, step).exists()

    def weights(self, step: int) -> Path:
        """Return the file with the weights of ``step``.

        Raises
        ------
        UserError
            When the run has no such step, or no longer keeps its weights.
        """
        if step not in self.tokens:
            close = sorted(self.tokens, key=lambda kept: abs(kept - step))[:3]
            raise UserError(
                f"run '{self.config.name}' has no checkpoint at step {step}; expected one of its {len(self.tokens)} "
                f"steps, such as {', '.join(map(str, sorted(close)))}"
            )
        path = weights_path(self.folder, step)
        if not path.exists():
            raise UserError(f"{path} is missing: the weights of step {step} are not kept; choose another step")
        return path

    def load(self, step: int) -> Decoder:
        """Return the decoder of ``step`` after checking the SHA-256 of its file.

        Raises
        ------
        UserError
            As :meth:`weights`, and when the file has another SHA-256 than the run wrote.
        """
        path = self.weights(step)
        digest = digest_of(path)
        if digest != self.sha256[step]:
            raise UserError(
                f"{path} is not what the run wrote (SHA-256 {digest[:12]}, expected {self.sha256[step][:12]}): it is "
                "damaged or was swapped; restore it or choose another step"
            )
        try:
            with safe_open(path, "pt") as opened:
                vocabulary = int(opened.get_slice("embedding.weight").get_shape()[0])
        except SafetensorError as error:
            raise UserError(f"{path} holds no weights of a decoder ({error}); choose another step") from None
        return load_weights(Decoder(self.config.decoder(vocabulary), drawn=False), path).eval()
