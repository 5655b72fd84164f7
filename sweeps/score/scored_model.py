"""Models that are scored: how revisions of ``transformers`` models are identified, loaded and questioned."""

from __future__ import annotations

import gc
import hashlib
import json
import os
from pathlib import Path
from typing import Any, Protocol

import torch
import xarray as xr

from calque.data.errors import UserError
from calque.data.quantities import format_count
from calque.data.tokens.encoding import Encoding
from calque.data.tokens.tokenizers import digest
from calque.data.version import code_version
from calque.data.words.properties import item_properties
from calque.models.huggingface.architecture import differences
from calque.models.huggingface.config_file import positions_of, read_config, said_of_architecture
from calque.models.huggingface.importing import import_decoder
from calque.models.huggingface.tokenizer import encoding_of
from calque.models.huggingface.transformers_model import load_transformers_model, parameter_counts, split_parameters
from calque.models.huggingface.weights import digest_lines, file_digests, weight_files, weights_sha256
from calque.models.scoring.language_model import DecoderModel, LanguageModel
from calque.models.scoring.scorer import Scorer
from calque.models.scoring.selection import Selection
from calque.sweeps.score.file import Fingerprint
from calque.sweeps.score.questions import Questions


class ScoredModel(Protocol):
    """A model whose revisions are all asked the same questions."""

    log: Selection | None
    """Of the answers that are logged."""

    @property
    def identity(self) -> dict[str, Any]:
        """Everything that identifies its scores, as JSON-ready values."""
        ...

    def fingerprint(self, revision: str, folder: Path) -> Fingerprint:
        """Return the SHA-256 of the weights of ``revision`` in ``folder``, and of all else its scores depend on."""
        ...

    def scorer(self, revision: str, folder: Path) -> Scorer:
        """Return the scorer for ``revision`` in ``folder``."""
        ...

    def load(self, revision: str, folder: Path) -> LanguageModel:
        """Load the model of ``revision`` in ``folder``; it is not cached."""
        ...

    def parameters(self, folder: Path) -> tuple[int, int]:
        """Return the parameters of the layers, and of the output projection, by the configuration in ``folder``."""
        ...

    def static(self, run: str) -> xr.Dataset:
        """Return the part of the cube that is the same for all revisions of the run ``run``; load one first."""
        ...


class HuggingFaceModel:
    """A model saved by ``transformers``: imported into the decoder if that computes the same, else run by the library.

    Parameters
    ----------
    model : str
        Name of the model: a folder, or ``OWNER/NAME``.
    questions : Questions
    device : str
    dtype : torch.dtype
        In which the model computes.
    tokenizer : path, optional
        Folder with the ``tokenizer.json`` of all revisions; by default each has its own.
    tokenizer_sha256 : str, optional
        Of the tokenizer of earlier revisions in the same cube.
    log : Selection, optional
        Of the answers that are logged.
    """

    def __init__(
        self, model: str, questions: Questions, *, device: str, dtype: torch.dtype,
        tokenizer: str | os.PathLike[str] | None = None, tokenizer_sha256: str | None = None,
        log: Selection | None = None,
    ) -> None:  # fmt: skip
        self.model, self.questions, self.device, self.dtype = model, questions, device, dtype
        self.tokenizer = None if tokenizer is None else Path(tokenizer)
        self.tokenizer_sha256, self.log = tokenizer_sha256, log
        self.encoding: Encoding | None = None
        self._scorer: Scorer | None = None
        self._seen: set[str] = set()
        self._about: dict[str, Any] = {}

    @property
    def identity(self) -> dict[str, Any]:
        """The model's name, the questions and the precision."""
        return {"model": self.model, "questions": self.questions.to_dict(), "dtype": str(self.dtype)}

    def fingerprint(self, revision: str, folder: Path) -> Fingerprint:
        """Return the SHA-256 of the weights in ``folder`` and of its configuration, whatever ``revision`` is."""
        whole = read_config(folder)
        config = {k: v for k, v in whole.items() if k not in ("_name_or_path", "transformers_version")}
        digests = file_digests(weight_files(folder))
        return Fingerprint(
            sha256=weights_sha256(digests), files=digest_lines(digests), settings_json=said_of_architecture(whole),
            config_sha256=hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest(),
        )  # fmt: skip

    def scorer(self, revision: str, folder: Path) -> Scorer:
        """Return the scorer with the tokenizer of ``revision`` in ``folder``; all revisions must have the same.

        Raises
        ------
        UserError
            When a revision has another tokenizer than those before, or the first has none.
        """
        home = self.tokenizer or folder
        file = home / "tokenizer.json"
        if self._scorer is not None and not file.exists():
            return self._scorer
        raw = hashlib.sha256(file.read_bytes()).hexdigest() if file.exists() else ""
        if self._scorer is None or raw not in self._seen:
            config = read_config(folder)
            encoding = encoding_of(home, config)
            sha256 = digest(encoding.tokenizer)
            if self.tokenizer_sha256 not in (None, sha256):
                raise UserError(
                    f"revision '{revision}' has another tokenizer than those before it; score it into a cube of its "
                    "own, or name one for all with `tokenizer`"
                )
            self._seen.add(raw)
            if self._scorer is None:
                self.encoding, self.tokenizer_sha256 = encoding, sha256
                self._scorer = self.questions.scorer(encoding, positions_of(config), self.log)
        assert self._scorer is not None
        return self._scorer

    def load(self, revision: str, folder: Path) -> LanguageModel:
        """Return the model of ``revision`` in ``folder`` on the device.

        Raises
        ------
        UserError
            When it is damaged or cannot be scored, or has fewer tokens than its tokenizer.
        """
        config = read_config(folder)
        model: LanguageModel
        if differences(config):
            foreign = load_transformers_model(folder, self.dtype, self.device)
            total, inner, _ = split_parameters(foreign.model)
            read_by, model = "transformers", foreign
        else:
            decoder = import_decoder(folder, self.dtype).to(self.device)
            shape = decoder.config
            total, inner, read_by = shape.n_params, shape.n_params_non_embedding, "calque"
            model = DecoderModel(decoder)
        if self.encoding is not None and self.encoding.size > model.vocabulary:
            raise UserError(
                f"the tokenizer of '{revision}' has {self.encoding.size} tokens and the model {model.vocabulary}; name "
                "the right one with `tokenizer`"
            )
        self._about = {
            "architecture": str(config.get("model_type")), "read_by": read_by, "n_params": total,
            "n_params_non_embedding": inner, "size": format_count(inner),
        }  # fmt: skip
        return model

    def parameters(self, folder: Path) -> tuple[int, int]:
        """Return the parameters of the layers, and of the output projection, by the configuration in ``folder``."""
        return parameter_counts(folder)

    def static(self, run: str) -> xr.Dataset:
        """Return the coordinates of the run called ``run``, and properties of the words such as their overlap."""
        assert self._scorer is not None and self.encoding is not None, "a revision is loaded first"
        task, languages = self._scorer.words.task, list(self.questions.languages)
        per_run = {
            **self._about, "model": self.model, "template": task.template, "tokenizer_sha256": self.tokenizer_sha256,
            "torch_version": torch.__version__, "questions_json": json.dumps(self.questions.to_dict(), sort_keys=True),
            "dtype": str(self.dtype).removeprefix("torch."),
        }  # fmt: skip
        return xr.Dataset(
            item_properties(task, self.encoding),
            coords={
                "run": [run], "language": languages, "source": languages, "target": languages,
                "concept": list(task.concepts), "phenomenon": list(self._scorer.pairs.phenomena),
                **{name: ("run", [value]) for name, value in per_run.items()},
            },
            attrs={"code_version": code_version()},
        )  # fmt: skip


class LastLoaded:
    """Identifies and loads revisions, and keeps what it gave last.

    Parameters
    ----------
    subject : ScoredModel
        Loads them.
    """

    def __init__(self, subject: ScoredModel) -> None:
        self.subject = subject
        self._fingerprint: tuple[str, Fingerprint] | None = None
        self._model: tuple[str, LanguageModel] | None = None

    def fingerprint(self, revision: str, folder: Path) -> Fingerprint:
        """Return what identifies the weights of ``revision`` in ``folder``, and all else its scores depend on."""
        if self._fingerprint is None or self._fingerprint[0] != revision:
            self._fingerprint = revision, self.subject.fingerprint(revision, folder)
        return self._fingerprint[1]

    def load(self, revision: str, folder: Path) -> LanguageModel:
        """Return the model of ``revision`` in ``folder``; the one before is given up.

        Raises
        ------
        UserError
            When it is damaged or cannot be scored.
        """
        if self._model is None or self._model[0] != revision:
            self._model = None
            gc.collect()  # frees the model before, which has reference cycles
            self._model = revision, self.subject.load(revision, folder)
        return self._model[1]
