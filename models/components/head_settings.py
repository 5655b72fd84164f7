"""How heads are probed: prompts, random heads, tokens. Light to import."""

from __future__ import annotations

from dataclasses import dataclass

from calque.data.arguments import check_numbers
from calque.data.errors import UserError


@dataclass(frozen=True, kw_only=True)
class HeadSettings:
    """How heads are probed.

    Attributes
    ----------
    prompts : int
        Prompts of random tokens said twice, half to decide and half to measure; even, 4 at least.
    length : int
        Tokens of a half of a prompt; 2 at least.
    draws : int
        Random heads for each head, and permutations of tokens; 2 at least. With fewer than twenty times the sum of 1/i
        over the model's heads a lone head cannot be shown after adjustment.
    tokens : int
        Most tokens that the weights are averaged over, half to decide and half to measure.
    level : float
        Of the intervals.
    seed : int
        Chooses prompts, random heads and tokens: the same at every checkpoint.

    Raises
    ------
    UserError
        When one of them is impossible.
    """

    prompts: int = 32
    length: int = 24
    draws: int = 199
    tokens: int = 512
    level: float = 0.95
    seed: int = 0

    def __post_init__(self) -> None:
        check_numbers(self, {"prompts": 4, "length": 2, "draws": 2, "tokens": 4, "seed": 0})
        if self.prompts % 2:
            raise UserError(f"`prompts` is {self.prompts}; expected an even number: half decides, half measures")


DEFAULT = HeadSettings()
