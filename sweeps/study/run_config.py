"""A run's configuration: size + mix + corpus + training + evaluation + seeds; repeatable from its dictionary."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from functools import cache, cached_property
from typing import Any, ClassVar, Literal

from pydantic import ConfigDict, TypeAdapter, ValidationError

from calque.data.corpora.debian.config import DebianConfig
from calque.data.corpora.hub.config import HubConfig
from calque.data.corpora.real_text import RealTextConfig
from calque.data.corpora.sample import SampleConfig
from calque.data.corpora.text.config import TextConfig
from calque.data.corpora.world.config import WorldConfig
from calque.data.corpora.world.lexicon import Vocabulary
from calque.data.errors import UserError, about, nearest
from calque.data.metrics import COUNTED
from calque.data.mixes.mix import Mix
from calque.data.strict_yaml.validation import first_mistake
from calque.data.tokens import choice as tokenizer_choice
from calque.models.config.parametrisation import with_base
from calque.models.config.schedule import CheckpointSchedule
from calque.models.config.sizes import DecoderConfig, size
from calque.models.config.training import TrainingConfig
from calque.sweeps.study.branch import Branch
from calque.sweeps.study.evaluation import PROBING, EvaluationConfig

CORPORA = ("world", "sample", "debian", "text", "hub")
WATCHING = {"tensorboard": False, "profile": None, "keep_states": "newest", "attribution": None}
"""Keys of training that change no number, with their usual values."""


def check_name(what: str, name: str) -> None:
    """Refuse a name that is no plain file name: it becomes a folder's, which must not leave the results root.

    Parameters
    ----------
    what : str
        What is named, for the error.
    name : str
        The name.
    """
    if not name or not all(c.isalnum() or c in "-_." for c in name) or name[0] == ".":
        raise UserError(f"{what} is '{name}'; expected letters, digits, '-', '_' and '.', the first no '.'")


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """Everything that determines a run's numbers.

    Attributes
    ----------
    name : str
        The run's name in the study and the cube.
    size : str
        A word of ``calque.models.config.sizes``, such as ``152m``: width and depth.
    corpus : str
        One of ``CORPORA``; the section of the same name configures it.
    mix : str or mapping of language to share
        ``uniform``, ``temperature:0.3``, ``drop:en``, ``only:en,de``, ``en:0.6,de:0.4`` and others (docs/DATA.md).
    init_seed, data_seed : int
        Of the initial weights and of the order of the data; the world has a ``world_seed`` of its own.
    branch : Branch, optional
        Where this run leaves another one (``from`` in a study file). It has all steps before in common with that run,
        and checkpoints after it alone.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")  # sections of other packages have none

    name: str
    size: str = "micro"
    corpus: Literal["world", "sample", "debian", "text", "hub"] = "world"
    mix: str | dict[str, float] = "uniform"
    world: WorldConfig = field(default_factory=WorldConfig)
    sample: SampleConfig = field(default_factory=SampleConfig)
    debian: DebianConfig = field(default_factory=DebianConfig)
    text: TextConfig = field(default_factory=TextConfig)
    hub: HubConfig = field(default_factory=HubConfig)
    training: TrainingConfig
    checkpoints: CheckpointSchedule = field(default_factory=CheckpointSchedule)
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)
    init_seed: int = 0
    data_seed: int = 0
    branch: Branch | None = None

    def __post_init__(self) -> None:
        """Check what can be checked before anything is prepared."""
        with about("name"):
            check_name("name", self.name)
        with about("size"):
            size(self.size, 1024)
        with about("mix"):
            self.parsed_mix()
        if self.evaluation.words == "catalogue" and self.corpus != "debian":
            raise UserError(
                f"evaluation.words is 'catalogue', and corpus '{self.corpus}'; expected corpus debian, whose "
                "catalogues have these words, or words: cldr"
            ).at("evaluation", "words")
        half = self.evaluation.asked().heads.half
        need = 2 * half + 1
        if self.evaluation.probes and need > self.training.context:
            raise UserError(
                f"evaluation.probe_length is {half}, for prompts of {need} tokens, and "
                f"training.context {self.training.context}; lower it to {(self.training.context - 1) // 2}"
            ).at("evaluation", "probe_length")
        if self.training.attribution is not None:
            with about("training", "attribution", "pairs"):
                self.training.attribution.places(self.languages())
        with about("checkpoints"):
            self._check_adaptive(len(self.checkpoint_steps()))

    def _check_adaptive(self, planned: int) -> None:
        """Refuse a metric that cannot be watched, and more checkpoints than the run has steps."""
        adaptive = self.checkpoints.adaptive
        if adaptive is None:
            return
        if adaptive.metric not in COUNTED:
            raise UserError(
                f"checkpoints.adaptive.metric is '{adaptive.metric}'; expected one of {', '.join(COUNTED)}"
                + nearest(adaptive.metric, COUNTED)
            ).at("checkpoints", "adaptive", "metric")
        most = self.training.steps + 1 - planned
        if adaptive.budget > most:
            raise UserError(
                f"checkpoints.adaptive.budget is {adaptive.budget}; expected at most {most}: the run's "
                f"{self.training.steps} steps less its {planned} planned checkpoints"
            ).at("checkpoints", "adaptive", "budget")

    @property
    def real_text(self) -> RealTextConfig | None:
        """The section of the corpus, unless it is the simulated world."""
        return None if self.corpus == "world" else getattr(self, self.corpus)

    def languages(self) -> tuple[str, ...]:
        """Return the codes of the corpus's languages."""
        if self.real_text is not None:
            return self.real_text.languages
        return tuple(f"w{i + 1}" for i in range(self.world.languages))

    def vocab_size(self) -> int:
        """Return the number of tokens of a model, as far as it is known before the data are made.

        The tokenizer's of real text (a trained one may turn out smaller), the world's follows from its words.
        """
        if self.real_text is not None:
            size = tokenizer_choice.vocabulary(self.real_text.tokenizer)
        else:
            size = Vocabulary(self.world.languages, self.world.syllables).size
        return size * (len(self.languages()) if self.parsed_mix().disjoint else 1)

    def parsed_mix(self, sizes: Mapping[str, float] | None = None) -> Mix:
        """Return the mix over the corpus's languages.

        Parameters
        ----------
        sizes : mapping of str to float, optional
            How much text each language has; before it is known, all have the same, and only the shares of
            ``temperature`` are then not yet right.
        """
        codes = self.languages()
        return Mix.parse(self.mix, codes, dict.fromkeys(codes, 1.0) if sizes is None else sizes)

    def decoder(self, vocab_size: int) -> DecoderConfig:
        """Return the decoder's shape for a vocabulary, with the base that its training names.

        Parameters
        ----------
        vocab_size : int
            Tokens of the vocabulary.
        """
        return with_base(size(self.size, vocab_size), self.training)

    def checkpoint_steps(self) -> tuple[int, ...]:
        """Return the steps at which checkpoints are planned; adaptive ones come on top."""
        steps = self.checkpoints.steps(self.training.tokens, self.training.tokens_per_step)
        return steps if self.branch is None else tuple(step for step in steps if step > self.branch.step)

    @property
    def trained_steps(self) -> int:
        """Optimizer steps that this run takes itself: those after its branch, where it has one."""
        return self.training.steps - (0 if self.branch is None else self.branch.step)

    def to_dict(self) -> dict[str, Any]:
        """Return nested JSON-ready values, unused sections left out; :meth:`from_dict` reads them."""
        used = {each.name: getattr(self, each.name) for each in fields(self) if each.name not in self._unused()}
        plain = {
            name: asdict(value) if is_dataclass(value) and not isinstance(value, type) else value
            for name, value in used.items()
        }
        values: dict[str, Any] = json.loads(json.dumps(plain))
        if self.checkpoints.adaptive is None:
            del values["checkpoints"]["adaptive"]
        for name in ("minimal_pairs_every", "logprobs_every"):
            if values["evaluation"][name] == 1:
                del values["evaluation"][name]
        if self.evaluation.words == "cldr":
            del values["evaluation"]["words"]
        if self.evaluation.log_answers is None:
            del values["evaluation"]["log_answers"]
        for name, default in (("loss", "all"), ("attention", "context")):
            if values["training"][name] == default:
                del values["training"][name]
        if not self.training.skip_spikes:
            del values["training"]["skip_spikes"], values["training"]["spike_history"]
        for name, unwatched in WATCHING.items():
            if values["training"][name] == unwatched:
                del values["training"][name]
        if self.branch is None:
            del values["branch"]
        for name, usual in (("recurring_names", True), ("copying_first", 0), ("no_copying_first", 0)):
            if "world" in values and values["world"][name] == usual:
                del values["world"][name]
        for name in PROBING if not self.evaluation.probes else ():
            del values["evaluation"][name]
        return values

    def _unused(self) -> tuple[str, ...]:
        """Return the names of the sections of other corpora."""
        return tuple(name for name in CORPORA if name != self.corpus)

    def design(self) -> str:
        """Return a text that is the same for runs which differ in name and seeds alone."""
        apart = ("name", "init_seed", "data_seed", "branch", *self._unused())
        own = [getattr(self, each.name) for each in fields(self) if each.name not in apart]
        return repr([*own, None if self.branch is None else self.branch.step])

    @staticmethod
    def from_dict(values: dict[str, Any]) -> RunConfig:
        """Return the configuration that :meth:`to_dict` gave, for instance from a cube's ``config_json``.

        Parameters
        ----------
        values : dict
            Nested values, as in the JSON.

        Raises
        ------
        UserError
            For what is no configuration of this version: the first key that is wrong.
        """
        try:
            return adapter().validate_python(values)
        except ValidationError as error:
            raise UserError(first_mistake(error, RunConfig, lambda place: 0).message) from None

    @cached_property
    def run_id(self) -> str:
        """Stable hash (12 hexadecimal digits) of everything but the name and what changes no other number."""
        values = self.to_dict()
        del values["name"]
        for name in ("log_answers", *PROBING):
            values["evaluation"].pop(name, None)
        for name in WATCHING:
            values["training"].pop(name, None)
        if self.branch is not None:
            del values["branch"]["run"]
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:12]


@cache
def adapter() -> TypeAdapter[RunConfig]:
    """Return pydantic's reader of run configurations; unknown keys are errors, also in the sections."""
    return TypeAdapter(RunConfig)
