"""The runs of a simulated study: sizes, mixes, checkpoints and the law of their takeoff."""

from __future__ import annotations

from typing import Annotated, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from calque.data.strict_yaml.validation import Strict

Positive = Annotated[float, Field(gt=0)]


class Size(Strict):
    """One model size; laws are in ``n_params_non_embedding``."""

    name: str
    n_params_non_embedding: Positive
    n_params: Positive | None = None


class Mix(Strict):
    """One language mix; ``factor`` multiplies every takeoff of its runs.

    ``shares`` of training text by language; languages not named share evenly what is left. Without it all are even.
    """

    name: str
    factor: Positive = 1.0
    shares: dict[str, Positive] | None = None


class Checkpoints(Strict):
    """When runs are measured, in training tokens; ``both`` unites half log-spaced and half evenly spaced."""

    count: Annotated[int, Field(ge=8, le=100_000)]
    first: Positive
    last: Positive
    spacing: Literal["log", "linear", "both"] = "log"

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.last <= self.first:
            raise ValueError(f"last is {self.last:g}; expected more than first, which is {self.first:g}")
        return self

    def tokens(self) -> NDArray[np.float64]:
        """Return the whole, strictly increasing token counts."""
        log = np.geomspace(self.first, self.last, self.count)
        even = np.linspace(self.first, self.last, self.count)
        if self.spacing == "both":
            half = self.count // 2
            even = np.linspace(self.first, self.last, self.count - half + 2)[1:-1]
            log = np.r_[np.geomspace(self.first, self.last, half), even]
        chosen = even if self.spacing == "linear" else log
        return np.unique(np.round(chosen))


class TakeoffLaw(Strict):
    """Translation takes off at ``T(N) = t0 + c * N**-gamma`` tokens; ``seed_sd``: SD of ln T over seeds.

    Into a language of share p it takes off at ``T (p L)**-eta exp(b)``, L the number of languages, b normal with SD
    ``language_sd``, the same in every run.
    """

    t0: Annotated[float, Field(ge=0)]
    c: Annotated[float, Field(ge=0)]
    gamma: float
    seed_sd: Annotated[float, Field(ge=0)] = 0.04
    eta: float = 0.0
    language_sd: Annotated[float, Field(ge=0)] = 0.0

    @model_validator(mode="after")
    def _positive(self) -> Self:
        if self.t0 + self.c <= 0:
            raise ValueError("t0 and c are both 0; expected a takeoff above 0 tokens")
        return self

    @property
    def by_language(self) -> bool:
        """Whether languages take off at times of their own."""
        return self.eta != 0 or self.language_sd > 0

    def takeoff(self, n: float) -> float:
        """Return T(N) in tokens for ``n`` non-embedding parameters."""
        return float(self.t0 + self.c * n**-self.gamma)
