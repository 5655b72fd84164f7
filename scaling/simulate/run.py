"""One simulated run: its curves with their takeoffs, level shifts, and every item's answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.signal import lfilter
from scipy.special import expit

from calque.data.cube import NOT_ASKED, OUTCOMES
from calque.data.errors import UserError
from calque.scaling.simulate.curves import Array, centre, crossing, place, unit_shape
from calque.scaling.simulate.items import Items, answered, by_item
from calque.scaling.simulate.scores import RateCurve
from calque.scaling.simulate.study import Mix, Size
from calque.scaling.simulate.truth import METRICS, Truth

WRONG, TRANSLATED, COPIED, OTHER = (np.int8(OUTCOMES.index(o)) for o in OUTCOMES)


@dataclass(frozen=True, kw_only=True)
class SimulatedRun:
    """One simulated run: its cube, its expected rates, its takeoffs by metric and, of translation, by language."""

    cube: xr.Dataset
    rates: xr.Dataset
    takeoffs: dict[str, float | None]
    languages: Array


def simulate_run(
    truth: Truth, items: Items, tokens: Array, size: Size, mix: Mix, own: Array, rng: np.random.Generator
) -> SimulatedRun:
    """Draw one run.

    Parameters
    ----------
    truth : Truth
        The study.
    items : Items
        Its items.
    tokens : array, shape (checkpoint,)
        Training tokens.
    size : Size
        The run's size.
    mix : Mix
        The run's mix.
    own : array, shape (target,)
        The languages' own parts of ln T.
    rng : numpy.random.Generator
        Source of randomness.

    Raises
    ------
    UserError
        When a curve cannot have its takeoff.
    """
    scatter = float(np.exp(truth.law.seed_sd * rng.normal()))
    takeoff = truth.law.takeoff(size.n_params_non_embedding) * mix.factor * scatter
    factors = np.ones(1)
    if truth.law.by_language:
        factors = (truth.shares(mix) * len(truth.languages)) ** -truth.law.eta * np.exp(own)
    weights = items.plain / items.plain.sum() if factors.size > 1 else np.ones(1)
    leads = (1.0, truth.overlap.lead, truth.exposure.lead if truth.exposure else 1.0)

    def curves(at: Array) -> tuple[Array, Array, Array, Array]:
        up = _unit(truth, at, truth.copying, takeoff / truth.copying.lag, "copying")
        units = np.array(
            [
                [_unit(truth, at, truth.translation, takeoff * lead * f, "translation") for f in factors]
                for lead in leads
            ]
        )
        hump = truth.false_copying
        fall = hump.peak - (hump.peak - hump.end) * (weights @ units[0])
        false = hump.floor + np.maximum(fall - hump.floor, 0.0) * up
        right = truth.copying.floor + (truth.copying.end - truth.copying.floor) * up
        return right, false, up, units

    right, false, up, units = curves(tokens)
    height = truth.translation.end - truth.translation.floor
    grown = truth.translation.floor + height * units
    dense = np.geomspace(tokens[0], tokens[-1], 20_001)
    over = curves(dense)
    mean = takeoff * factors[0] if factors.size == 1 else crossing(dense, height * (weights @ over[3][0]), truth.rise)
    takeoffs: dict[str, float | None] = {
        "copying": takeoff / truth.copying.lag,
        "false_copying": crossing(dense, over[1], truth.rise),
        "translation": mean,
    }
    shift = _level_shifts(truth, tokens.size, rng)

    def noisy(rate: Array, metric: str) -> Array:
        return expit(centre(rate, truth.noise.sd) + shift[METRICS.index(metric)])

    shape = (tokens.size, *items.overlap.shape)
    outcome = np.where(rng.random(shape) < truth.other_language, OTHER, WRONG)
    copy_rate = noisy(false, "false_copying")
    by_group = noisy(grown, "translation")
    by_group = np.concatenate([by_group, by_group[:1]])
    same = items.same
    known = answered(truth, items, "copying", np.broadcast_to(noisy(right, "copying"), (4, 1, tokens.size)), rng)
    outcome[known & same] = TRANSLATED
    copied = answered(truth, items, "false_copying", np.minimum(copy_rate / (1 - by_group), 1.0), rng)
    outcome[copied & ~same] = COPIED
    translated = answered(truth, items, "translation", by_group, rng)
    outcome[translated & ~same] = TRANSLATED
    dims = ("checkpoint", "source", "target", "concept")
    data: dict[str, Any] = {
        "tokens": ("checkpoint", tokens),
        "step": ("checkpoint", np.ceil(tokens / truth.batch_tokens)),
        "flops": ("checkpoint", 6.0 * (size.n_params or size.n_params_non_embedding) * tokens),
        "translation_outcome": (dims, outcome.astype(np.int8)),
    }
    if truth.logprobs != "none":
        word, copy = _logprobs(truth, items, tokens, up, units, false, shift, rng)
        data["translation_logprob"], data["copy_logprob"] = (dims, word), (dims, copy)
    rates = xr.Dataset(
        {
            "copying": ("checkpoint", right),
            "false_copying": ("checkpoint", false),
            "translation": ("checkpoint", weights @ grown[0]),
        }
    )
    assert NOT_ASKED not in outcome
    languages = takeoff * np.broadcast_to(factors, len(truth.languages))
    return SimulatedRun(cube=xr.Dataset(data), rates=rates, takeoffs=takeoffs, languages=languages)


def _unit(truth: Truth, tokens: Array, curve: RateCurve, takeoff: float, metric: str) -> Array:
    gain = truth.rise / (curve.end - curve.floor)
    try:
        m = place(takeoff, float(tokens[0]), gain, curve.shape, curve.width, curve.kappa)
    except ValueError as error:
        raise UserError(f"{metric}: {error}") from None
    return unit_shape(np.log10(tokens) - m, curve.shape, curve.width, curve.kappa)


def _level_shifts(truth: Truth, n: int, rng: np.random.Generator) -> Array:
    """Stationary AR(1) shifts on the logit scale, (metric, checkpoint), partly common to the metrics."""
    noise = truth.noise
    e = rng.normal(size=(1 + len(METRICS), n))
    e[:, 1:] *= np.sqrt(1 - noise.rho**2)
    u = lfilter([1.0], [1.0, -noise.rho], e, axis=1)
    shifts: Array = noise.sd * (np.sqrt(noise.shared) * u[:1] + np.sqrt(1 - noise.shared) * u[1:])
    return shifts


def _logprobs(
    truth: Truth, items: Items, tokens: Array, up: Array, units: Array, false: Array, shift: Array,
    rng: np.random.Generator,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:  # fmt: skip
    """Log-probabilities that grow with the rates, or (``gradual``) as log(1 + tokens) from the start."""
    low, high = -12.0, -1.5
    scale = tokens[-1] / 30
    gradual = np.log1p(tokens / scale) / np.log1p(tokens[-1] / scale)
    word = units if truth.logprobs == "delayed" else np.broadcast_to(gradual, units.shape)
    word = np.concatenate([word, np.broadcast_to(up, units[:1].shape)])
    hump = false / truth.false_copying.peak if truth.false_copying.peak > 0 else np.zeros_like(false)
    shape = (tokens.size, *items.overlap.shape)
    target = low + (high - low) * by_item(items, word) + _column(shift[2]) - items.difficulty["translation"]
    target = target + 0.5 * rng.normal(size=shape)
    source = low + (high - low) * _column(hump) + _column(shift[1]) - items.difficulty["false_copying"]
    source = source + 0.5 * rng.normal(size=shape)
    target = np.minimum(target, -1e-3)
    source = np.where(items.same, target, np.minimum(source, -1e-3))
    return target.astype(np.float32), source.astype(np.float32)


def _column(values: Array) -> Array:
    return values[:, None, None, None]
