"""How parts of a model are taken away or exchanged. Light to import."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from calque.data.arguments import check_numbers
from calque.data.errors import UserError
from calque.models.config.probes import HEADS, WORD_HEADS

Kind = Literal["resample", "mean", "zero"]
"""What a part that is taken away gives instead (``calque.models.ablations.instead``)."""
OUTSIDE = "zeros are no output that later parts have seen: the effect is partly of that; prefer resample or mean"


QUESTIONS = 4
"""Questions of a kind (to translate, to repeat) and concept that are asked while parts are taken away, at most."""
SETS = 2
"""Sets of other heads that co-ablation compares with."""


def check_kind(kind: str, name: str) -> None:
    """Refuse an unknown ``kind``, given in the argument called ``name``.

    Raises
    ------
    UserError
        When it is none of ``Kind``.
    """
    if kind not in get_args(Kind):
        raise UserError(f"`{name}` is '{kind}'; expected one of {', '.join(get_args(Kind))}")


@dataclass(frozen=True, kw_only=True)
class AblationSettings:
    """How parts of a model are taken away or exchanged.

    Attributes
    ----------
    concepts : int
        Concepts whose words are asked, in all pairs of languages; 2 at least.
    checkpoints : int
        Checkpoints that are swapped with one another, evenly spaced, the first and the last among them; 2 at least.
    ranges : str
        Ranges of blocks that are swapped, such as ``0-3,4-7``; a single number is so many ranges of equal size. All
        other parameters together are one range more.
    factors : tuple of float
        Of a component's update since the first checkpoint; 0 rewinds it.
    heads : int
        Heads of the highest score that are taken away together; half of the heads at most are.
    instead : {"resample", "mean", "zero"}
        What heads and parts give that are taken away (``calque.models.ablations.instead``).
    head_type : str
        The score, a probe of heads, whose highest heads are taken away together before others are (co_ablation).
    level : float
        Of the intervals.
    seed : int
        Chooses prompts and other heads.

    Raises
    ------
    UserError
        When one of them is impossible.
    """

    concepts: int = 24
    checkpoints: int = 4
    ranges: str = "4"
    factors: tuple[float, ...] = (0.0, 0.5, 1.5)
    heads: int = 5
    instead: Kind = "resample"
    head_type: str = "prefix_matching"
    level: float = 0.95
    seed: int = 0

    def __post_init__(self) -> None:
        check_numbers(self, {"concepts": 2, "checkpoints": 2, "heads": 1, "seed": 0})
        check_kind(self.instead, "instead")
        if self.head_type not in (*HEADS, *WORD_HEADS):
            expected = ", ".join((*HEADS, *WORD_HEADS))
            raise UserError(f"`head_type` is '{self.head_type}'; expected one of {expected}")
        if not self.factors or not all(math.isfinite(f) for f in self.factors):
            raise UserError(f"`factors` is {list(self.factors)}; expected numbers such as 0, 0.5, 1.5")
        if len(set(self.factors)) < len(self.factors):
            raise UserError(f"`factors` is {list(self.factors)}; expected each once")
        self.blocks(10**6)

    def blocks(self, layers: int) -> dict[str, range]:
        """Return the ranges of a model's blocks by what they are called.

        Parameters
        ----------
        layers : int
            Blocks of the model.

        Raises
        ------
        UserError
            When the ranges cannot be read, or the model has no such block.
        """
        wrong = UserError(
            f"`ranges` is '{self.ranges}'; expected a number such as 4, or ranges of blocks such as 0-3,4-7, within "
            f"0 to {layers - 1}"
        )
        words, found = [word.strip() for word in self.ranges.split(",")], {}
        try:
            if len(words) == 1 and words[0].isdigit():
                count = min(int(words[0]), layers)
                cuts = [round(i * layers / count) for i in range(count + 1)] if count else []
                pairs = [(a, b - 1) for a, b in zip(cuts, cuts[1:], strict=False)]
            else:
                ends = [word.split("-") for word in words]
                pairs = [(int(e[0]), int(e[-1])) for e in ends if len(e) <= 2]
        except ValueError:
            raise wrong from None
        if not pairs or len(pairs) < len(words) or any(not 0 <= a <= b < layers for a, b in pairs):
            raise wrong
        for a, b in pairs:
            found[f"block {a}" if a == b else f"blocks {a}-{b}"] = range(a, b + 1)
        return found


DEFAULT = AblationSettings()


def numbers(given: str | Sequence[float]) -> tuple[float, ...]:
    """Return the factors that are given, in a text with commas between or as numbers.

    Parameters
    ----------
    given : str or sequence of float
        Shares of a component's update since initialisation.

    Raises
    ------
    UserError
        When one is no number.
    """
    try:
        return tuple(float(one) for one in (given.split(",") if isinstance(given, str) else given))
    except ValueError:
        raise UserError(f"`factors` is '{given}'; expected numbers such as 0, 0.5, 1.5") from None
