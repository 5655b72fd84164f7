"""The truth file of a simulated study: everything that its cube is drawn from."""

from __future__ import annotations

import os
from typing import Annotated, Literal, Self, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator, model_validator

from calque.data.quantities import plural
from calque.data.strict_yaml.validation import Strict, read_model
from calque.scaling.simulate.scores import Copying, Exposure, FalseCopying, Noise, Overlap, RateCurve, Share
from calque.scaling.simulate.study import Checkpoints, Mix, Positive, Size, TakeoffLaw

METRICS = ("copying", "false_copying", "translation")
"""What is simulated of every run."""
T = TypeVar("T")


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
    translation: RateCurve = RateCurve()
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
                    f"{name} rises by {curve.end - curve.floor:g}; expected more than the rise of {self.rise:g} that "
                    "marks a takeoff"
                )
        if self.false_copying.peak + self.translation.end > 0.98:
            raise ValueError(
                f"false_copying.peak {self.false_copying.peak:g} and translation.end {self.translation.end:g} add up "
                "to more than 0.98; expected shares of the same items"
            )
        for mix in self.mixes:
            _check_shares(mix, self.languages)
        if self.overlap.identical + self.overlap.shared_token > 0.9:
            raise ValueError("overlap.identical and overlap.shared_token add up to more than 0.9")
        return self

    def shares(self, mix: Mix) -> NDArray[np.float64]:
        """Return the languages' shares of training text under a mix, (languages,), summing to 1."""
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
            + (f", less than that for the {plural(rest, 'language')} not named" if rest else "")
        )


def _once(value: tuple[T, ...], names: list[str]) -> tuple[T, ...]:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"'{twice[0]}' occurs twice; expected every one once")
    return value


def read_truth(path: str | os.PathLike[str]) -> Truth:
    """Read a truth file strictly.

    Parameters
    ----------
    path : path
        A YAML file such as docs/examples/truth.yaml.

    Raises
    ------
    UserError
        When the file cannot be read, or a key is unknown, missing or out of range: one line with file, line and key.
    """
    return read_model(path, Truth, "a truth file such as docs/examples/truth.yaml")
