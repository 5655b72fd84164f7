"""What is asked of a model at every checkpoint of a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from calque.data.errors import UserError, about
from calque.data.quantities import Count
from calque.models.components.head_settings import HeadSettings
from calque.models.config.probes import probes_in_training
from calque.models.probing.asked import Asked
from calque.models.scoring.selection import logged

PROBING = ("probes", "probes_every", "probe_length")
"""Keys of the evaluation that change no other number."""


@dataclass(frozen=True, kw_only=True)
class EvaluationConfig:
    """What is asked at every checkpoint.

    Attributes
    ----------
    heldout_tokens : int
        Held-out tokens a language for the loss.
    concepts : int, optional
        Ask only the first so many concepts (all pairs of languages); None asks all.
    minimal_pairs : int, optional
        At most so many a language and phenomenon; None asks all.
    minimal_pairs_file : str, optional
        A file or folder of further pairs in the format of MultiBLiMP (see ``calque.data.words.multiblimp``).
    minimal_pairs_every, logprobs_every : int
        Ask for minimal pairs, and for the log-probabilities of words, only at every n-th planned checkpoint: the
        first, the last, and every k-th between. Elsewhere they are missing.
    probes : tuple of str
        Probes of the model (docs/COMPONENTS.md): ``heads`` for all of heads, or some of their names. They change no
        other number and are no part of the run's identity.
    probes_every : int
        Probe only at every n-th planned checkpoint: the first, the last, and every k-th between.
    probe_length : int, optional
        Tokens that are said twice in a prompt of probes; twice as many and one have to fit into the context. None is
        24, and prompts with lines of answers may then be as long as two lines need, the context at most.
    words : {"cldr", "catalogue"}
        The list of words: the reviewed one of CLDR names, or what translation catalogues agree on (docs/DATA.md), which
        needs the corpus ``debian``.
    log_answers : int or {"all"}, optional
        Keep what the model says to so many items of each task, the same at every checkpoint, beside the cube
        (``calque.data.answers``). It changes no number and is no part of the run's identity.
    """

    heldout_tokens: Count = 4096
    concepts: int | None = None
    minimal_pairs: int | None = None
    minimal_pairs_file: str | None = None
    minimal_pairs_every: int = 1
    logprobs_every: int = 1
    probes: tuple[str, ...] = ()
    probes_every: int = 1
    probe_length: int | None = None
    words: Literal["cldr", "catalogue"] = "cldr"
    log_answers: int | Literal["all"] | None = None

    def __post_init__(self) -> None:
        """Refuse empty questions."""
        for name in (
            "heldout_tokens", "concepts", "minimal_pairs", "minimal_pairs_every", "logprobs_every", "probes_every",
        ):  # fmt: skip
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UserError(f"{name} is {value}; expected 1 or more")
        if self.probes:
            with about("probes"):
                probes_in_training(self.probes)
            with about("probe_length"):
                self.asked()
        logged(self.log_answers, 0)

    def asked(self) -> Asked:
        """Return what is probed, and how."""
        return Asked(
            probes=probes_in_training(self.probes) if self.probes else (), heads=HeadSettings(length=self.probe_length)
        )
