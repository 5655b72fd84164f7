"""The scores of a simulated run: curves of the metrics, kinds of items, and noise."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from calque.data.strict_yaml.validation import Strict
from calque.scaling.simulate.study import Positive

Share = Annotated[float, Field(ge=0, le=1)]
Shape = Literal["sharp", "saturating", "logistic"]


class RateCurve(Strict):
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


class Copying(RateCurve):
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
