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
    length : int, optional
        Tokens of a half of a prompt; 2 at least. Prompts that have lines with answers take twice as many and one at
        most. None is 24, and such prompts may then be as long as two lines need.
    draws : int
        Random heads for each head: turned queries, turned values; 2 at least. With fewer than twenty times the sum of
        1/i over the model's heads a lone head cannot be shown after adjustment.
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
    length: int | None = None
    draws: int = 199
    tokens: int = 512
    level: float = 0.95
    seed: int = 0

    def __post_init__(self) -> None:
        given = {} if self.length is None else {"length": 2}
        check_numbers(self, {"prompts": 4, **given, "draws": 2, "tokens": 4, "seed": 0})
        if self.prompts % 2:
            raise UserError(f"`prompts` is {self.prompts}; expected an even number: half decides, half measures")

    @property
    def half(self) -> int:
        """Tokens of a half of a prompt of random tokens."""
        return 24 if self.length is None else self.length


DEFAULT = HeadSettings()
