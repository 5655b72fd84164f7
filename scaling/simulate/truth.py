"""The truth that a simulated cube is drawn from: sizes, seeds, the law of takeoff, curves and noise."""

from __future__ import annotations

import os
from typing import Annotated, Literal, Self, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator, model_validator

from calque.data.strict_yaml.validation import Strict, read_model

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Shape = Literal["sharp", "saturating", "logistic"]
METRICS = ("copying", "false_copying", "translation")
"""What is simulated of every run."""
T = TypeVar("T")


class Size(Strict):
    """One model size; the laws run on ``n_params_non_embedding``."""

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
        """Return T(N) in tokens."""
        return float(self.t0 + self.c * n**-self.gamma)


class Curve(Strict):
    """A rate that grows from ``floor`` to ``end``.

    ``sharp`` is 1 - exp(-((x - corner)/width)**kappa) after a corner, ``logistic`` the logistic function of
    (x - middle)/width, both in x = log10 tokens; ``saturating`` is 1 - exp(-T/scale): no delay at all.
    """

    shape: Shape = "sharp"
    kappa: Annotated[float, Field(ge=1)] = 1.5
    width: Positive = 0.4
    floor: Share = 0.01
    end: Share = 0.5

    @model_validator(mode="after")
    def _grows(self) -> Self:
        if self.end <= self.floor:
            raise ValueError(f"end is {self.end:g}; expected more than floor, which is {self.floor:g}")
        return self


class Copying(Curve):
    """Copying where it is right; translation takes off at ``lag`` times copying's tokens."""

    end: Share = 0.9
    lag: Positive = 4.0


class FalseCopying(Strict):
    """Copying where the word should change: rises with copying to ``peak``, falls with translation."""

    floor: Share = 0.01
    peak: Share = 0.35
    end: Share = 0.1


class Overlap(Strict):
    """Shares of items whose words are identical or share a token; the latter take off at ``lead`` times T."""

    identical: Share = 0.06
    shared_token: Share = 0.15
    lead: Positive = 1.0


class Exposure(Strict):
    """Share of items that training text pairs; they take off at ``lead`` times T."""

    paired: Share = 0.4
    lead: Positive = 0.5


class Noise(Strict):
    """What blurs the curves.

    ``sd`` and ``rho``: an AR(1) level shift along checkpoints on the logit scale, of which ``shared`` (a
    share of the variance) hits all metrics alike; ``persistence``: share of an item's latent variance that
    stays the same at every checkpoint (its difficulty), of which ``concept`` belongs to the concept.
    """

    rho: Annotated[float, Field(ge=0, lt=1)] = 0.7
    sd: Annotated[float, Field(ge=0)] = 0.2
    shared: Share = 0.5
    persistence: Annotated[float, Field(ge=0, lt=1)] = 0.7
    concept: Share = 0.5


class Truth(Strict):
    """Everything a simulated study is drawn from."""

    name: str = "simulated"
    sizes: Annotated[tuple[Size, ...], Field(min_length=1)]
    seeds: Annotated[int, Field(ge=1)] | Annotated[tuple[int, ...], Field(min_length=1)] = 3
    mixes: Annotated[tuple[Mix, ...], Field(min_length=1)] = (Mix(name="uniform"),)
    checkpoints: Checkpoints
    languages: Annotated[tuple[str, ...], Field(min_length=2)] = ("en", "de", "ru", "tr")
    concepts: Annotated[int, Field(ge=2)] = 60
    law: TakeoffLaw
    rise: Annotated[float, Field(gt=0, lt=1)] = 0.05
    translation: Curve = Curve()
    copying: Copying = Copying()
    false_copying: FalseCopying = FalseCopying()
    overlap: Overlap = Overlap()
    exposure: Exposure | None = None
    noise: Noise = Noise()
    logprobs: Literal["none", "delayed", "gradual"] = "delayed"
    other_language: Share = 0.1
    batch_tokens: Positive = 524_288

    @field_validator("sizes", "mixes")
    @classmethod
    def _names_once(cls, value: tuple[Size | Mix, ...]) -> tuple[Size | Mix, ...]:
        return _once(value, [item.name for item in value])

    @field_validator("languages")
    @classmethod
    def _languages_once(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return _once(value, list(value))

    @field_validator("seeds")
    @classmethod
    def _seeds_once(cls, value: int | tuple[int, ...]) -> int | tuple[int, ...]:
        return value if isinstance(value, int) else _once(value, [str(seed) for seed in value])

    @model_validator(mode="after")
    def _possible(self) -> Self:
        for name, curve in (("translation", self.translation), ("copying", self.copying)):
            if curve.end - curve.floor <= self.rise:
                raise ValueError(
                    f"{name} rises by {curve.end - curve.floor:g}; expected more than the rise of "
                    f"{self.rise:g} that "
                    "marks a takeoff"
                )
        if self.false_copying.peak + self.translation.end > 0.98:
            raise ValueError(
                f"false_copying.peak {self.false_copying.peak:g} and translation.end "
                f"{self.translation.end:g} add up to "
                "more than 0.98; expected shares of the same items"
            )
        for mix in self.mixes:
            _check_shares(mix, self.languages)
        if self.overlap.identical + self.overlap.shared_token > 0.9:
            raise ValueError("overlap.identical and overlap.shared_token add up to more than 0.9")
        return self

    def shares(self, mix: Mix) -> NDArray[np.float64]:
        """Return the languages' shares under a mix, summing to 1."""
        named = mix.shares or {}
        rest = [code for code in self.languages if code not in named]
        even = (1 - sum(named.values())) / len(rest) if rest else 0.0
        return np.array([named.get(code, even) for code in self.languages])

    def seed_list(self) -> tuple[int, ...]:
        """Return the runs' seeds."""
        return tuple(range(self.seeds)) if isinstance(self.seeds, int) else self.seeds


def _check_shares(mix: Mix, languages: tuple[str, ...]) -> None:
    if mix.shares is None:
        return
    unknown = sorted(set(mix.shares) - set(languages))
    total, rest = sum(mix.shares.values()), len(set(languages) - set(mix.shares))
    if unknown:
        raise ValueError(f"mix {mix.name}: '{unknown[0]}' is no language of this study ({', '.join(languages)})")
    if (rest and total >= 1) or (not rest and abs(total - 1) > 1e-6):
        raise ValueError(
            f"mix {mix.name}: shares add up to {total:g}; expected 1"
            + (f", less than that for the {rest} languages not named" if rest else "")
        )


def _once(value: tuple[T, ...], names: list[str]) -> tuple[T, ...]:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"'{twice[0]}' occurs twice; expected every one once")
    return value


def read_truth(path: str | os.PathLike[str]) -> Truth:
    """Read a truth file; a mistake in it is one :class:`calque.data.errors.UserError` line."""
    return read_model(path, Truth, "a truth file such as docs/examples/truth.yaml")
