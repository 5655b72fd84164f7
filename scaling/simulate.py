"""Simulated cubes at item level, with everything about them known.

An item (source, target, concept) is answered at checkpoint t when its latent normal score
``sqrt(p) d + sqrt(1 - p) e_t`` lies below the normal quantile of the checkpoint's rate; d is its lasting
difficulty. The rate is ``expit(m_t + u_t)`` with an AR(1) level shift u, m chosen so that its mean is the
true curve. Difficulties are the normal scores of the items' ranks, so that the rate over *these* items
follows the curve, not only the rate over words at large.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray
from scipy.signal import lfilter
from scipy.special import expit, ndtri

from data.cube import NOT_ASKED, OUTCOMES, OVERLAPS
from data.errors import UserError
from scaling.curves import Array, centre, crossing, place, unit_shape
from scaling.truth import Curve, Mix, Size, Truth

WRONG, TRANSLATED, COPIED, OTHER = (np.int8(OUTCOMES.index(o)) for o in OUTCOMES)
METRICS = ("copying", "false_copying", "translation")


@dataclass(frozen=True, kw_only=True)
class Simulation:
    """A cube and the truth behind it.

    Attributes
    ----------
    cube : xarray.Dataset
        Schema 1; the attribute ``truth_json`` holds the truth file's content, the seed and ``takeoffs``.
    takeoffs : pandas.DataFrame
        One row a run and metric: run, size, n_params_non_embedding, mix, seed, metric, tokens, outcome
        (``found``, ``censored`` when after the last checkpoint, ``before_first``, or ``none`` when it never
        rises that far).
    rates : xarray.Dataset
        The expected rates (run, checkpoint) of the three metrics over the items that define each.
    """

    cube: xr.Dataset
    takeoffs: pd.DataFrame
    rates: xr.Dataset


@dataclass(frozen=True, kw_only=True)
class _Items:
    """The word items, the same in every run."""

    overlap: NDArray[np.int8]
    exposure: NDArray[np.int8]
    group: NDArray[np.int8]
    difficulty: dict[str, Array]

    @property
    def same(self) -> NDArray[np.bool_]:
        return self.overlap == OVERLAPS.index("identical")


def simulate(truth: Truth, seed: int = 0, progress: Callable[[int, int, str], None] | None = None) -> Simulation:
    """Draw a cube from ``truth``.

    Parameters
    ----------
    truth : Truth
        What to draw from.
    seed : int
        The same seed gives the same cube; runs and items have generators of their own.
    progress : callable, optional
        Called with (done, total, run) before each run.

    Raises
    ------
    UserError
        When a curve cannot have the takeoff that the law asks for.
    """
    designs = [(size, mix, s) for size in truth.sizes for mix in truth.mixes for s in truth.seed_list()]
    item_seed, *run_seeds = np.random.SeedSequence(seed).spawn(1 + len(designs))
    items = _draw_items(truth, np.random.default_rng(item_seed))
    tokens = truth.checkpoints.tokens()
    cubes, rows, rates = [], [], []
    for i, ((size, mix, s), run_seed) in enumerate(zip(designs, run_seeds, strict=True)):
        name = f"{size.name}-{mix.name}-s{s}" if len(truth.mixes) > 1 else f"{size.name}-s{s}"
        if progress is not None:
            progress(i, len(designs), name)
        cube, curves, takeoffs = _run(truth, items, tokens, size, mix, np.random.default_rng(run_seed))
        cubes.append(cube.expand_dims(run=[name]))
        rates.append(curves.expand_dims(run=[name]))
        for metric, at in takeoffs.items():
            outcome = "none" if at is None else "censored" if at > tokens[-1] else "found"
            outcome = "before_first" if at is not None and at <= tokens[0] else outcome
            rows.append(
                {
                    "run": name,
                    "size": size.name,
                    "n_params_non_embedding": size.n_params_non_embedding,
                    "mix": mix.name,
                    "seed": s,
                    "metric": metric,
                    "tokens": at,
                    "outcome": outcome,
                }
            )
    cube = xr.concat(cubes, "run")
    languages = list(truth.languages)
    cube = cube.assign_coords(
        source=languages,
        target=languages,
        concept=[f"concept{i:03d}" for i in range(truth.concepts)],
        checkpoint=np.arange(tokens.size),
        size=("run", [size.name for size, _, _ in designs]),
        n_params=("run", [size.n_params or size.n_params_non_embedding for size, _, _ in designs]),
        n_params_non_embedding=("run", [size.n_params_non_embedding for size, _, _ in designs]),
        mix=("run", [mix.name for _, mix, _ in designs]),
        seed=("run", [s for _, _, s in designs]),
    )
    cube["overlap"] = (("source", "target", "concept"), items.overlap)
    if truth.exposure is not None:
        cube["exposure"] = (("source", "target", "concept"), items.exposure)
    table = pd.DataFrame(rows)
    record = {"schema": 1, "seed": seed, "truth": truth.model_dump(mode="json"), "takeoffs": rows}
    cube.attrs["truth_json"] = json.dumps(record, allow_nan=False)
    cube.attrs["title"] = f"simulated study '{truth.name}'"
    return Simulation(cube=cube, takeoffs=table, rates=xr.concat(rates, "run"))


def truth_of(cube: xr.Dataset) -> dict[str, Any]:
    """Return the record that :func:`simulate` left in a cube.

    Raises
    ------
    UserError
        When the cube was not simulated.
    """
    if "truth_json" not in cube.attrs:
        raise UserError("the cube has no attribute 'truth_json'; expected one written by 'scaling simulate'")
    return dict(json.loads(cube.attrs["truth_json"]))


def _draw_items(truth: Truth, rng: np.random.Generator) -> _Items:
    n, c = len(truth.languages), truth.concepts
    upper = rng.choice(
        np.arange(3, dtype=np.int8),
        size=(n, n, c),
        p=[
            1 - truth.overlap.identical - truth.overlap.shared_token,
            truth.overlap.shared_token,
            truth.overlap.identical,
        ],
    )
    i, j = np.indices((n, n))
    overlap = np.where((i < j)[..., None], upper, np.swapaxes(upper, 0, 1)).astype(np.int8)
    overlap[np.arange(n), np.arange(n)] = OVERLAPS.index("identical")
    paired = rng.random((n, n, c)) < (truth.exposure.paired if truth.exposure else 0.0)
    paired |= overlap == OVERLAPS.index("identical")
    group = np.where(paired, 2, np.where(overlap == OVERLAPS.index("shared_token"), 1, 0)).astype(np.int8)
    group[overlap == OVERLAPS.index("identical")] = -1
    difficulty: dict[str, Array] = {}
    for kind in ("copying", "translation", "false_copying"):
        raw = np.sqrt(truth.noise.concept) * rng.normal(size=c)
        raw = raw + np.sqrt(1 - truth.noise.concept) * rng.normal(size=(n, n, c))
        for which in range(-1, 3):
            members = group == which
            if kind == "false_copying" and members.any():
                # Chance correlation of the two difficulties would shift the rate of copies among the
                # untranslated.
                other = difficulty["translation"][members]
                raw[members] -= other * (raw[members] @ other) / (other @ other)
            ranks = raw[members].argsort().argsort()
            raw[members] = ndtri((ranks + 0.5) / max(ranks.size, 1))
        difficulty[kind] = raw
    return _Items(overlap=overlap, exposure=paired.astype(np.int8), group=group, difficulty=difficulty)


def _unit(truth: Truth, tokens: Array, curve: Curve, takeoff: float, metric: str) -> Array:
    gain = truth.rise / (curve.end - curve.floor)
    try:
        m = place(takeoff, float(tokens[0]), gain, curve.shape, curve.width, curve.kappa)
    except ValueError as error:
        raise UserError(f"{metric}: {error}") from None
    return unit_shape(np.log10(tokens) - m, curve.shape, curve.width, curve.kappa)


def _run(
    truth: Truth, items: _Items, tokens: Array, size: Size, mix: Mix, rng: np.random.Generator
) -> tuple[xr.Dataset, xr.Dataset, dict[str, float | None]]:
    scatter = float(np.exp(truth.law.seed_sd * rng.normal()))
    takeoff = truth.law.takeoff(size.n_params_non_embedding) * mix.factor * scatter
    leads = (1.0, truth.overlap.lead, truth.exposure.lead if truth.exposure else 1.0)

    def curves(at: Array) -> tuple[Array, Array, Array, list[Array]]:
        up = _unit(truth, at, truth.copying, takeoff / truth.copying.lag, "copying")
        units = [_unit(truth, at, truth.translation, takeoff * lead, "translation") for lead in leads]
        hump = truth.false_copying
        fall = hump.peak - (hump.peak - hump.end) * units[0]
        false = hump.floor + np.maximum(fall - hump.floor, 0.0) * up
        right = truth.copying.floor + (truth.copying.end - truth.copying.floor) * up
        return right, false, up, units

    right, false, up, units = curves(tokens)
    grown = [truth.translation.floor + (truth.translation.end - truth.translation.floor) * u for u in units]
    dense = np.geomspace(tokens[0], tokens[-1], 20_001)
    takeoffs: dict[str, float | None] = {
        "copying": takeoff / truth.copying.lag,
        "false_copying": crossing(dense, curves(dense)[1], truth.rise),
        "translation": takeoff,
    }
    shift = _level_shifts(truth, tokens.size, rng)

    def noisy(rate: Array, metric: str) -> Array:
        return expit(centre(rate, truth.noise.sd) + shift[METRICS.index(metric)])

    shape = (tokens.size, *items.overlap.shape)
    outcome = np.where(rng.random(shape) < truth.other_language, OTHER, WRONG)
    copy_rate = noisy(false, "false_copying")
    by_group = [noisy(rate, "translation") for rate in grown]
    same = items.same
    answered = _answered(truth, items, "copying", np.broadcast_to(noisy(right, "copying"), (4, tokens.size)), rng)
    outcome[answered & same] = TRANSLATED
    left = np.stack([np.minimum(copy_rate / (1 - g), 1.0) for g in (*by_group, by_group[0])])
    copied = _answered(truth, items, "false_copying", left, rng)
    outcome[copied & ~same] = COPIED
    translated = _answered(truth, items, "translation", np.stack([*by_group, by_group[0]]), rng)
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
            "translation": ("checkpoint", grown[0]),
        }
    )
    assert NOT_ASKED not in outcome
    return xr.Dataset(data), rates, takeoffs


def _level_shifts(truth: Truth, n: int, rng: np.random.Generator) -> Array:
    """Stationary AR(1) shifts on the logit scale, (metric, checkpoint), partly common to the metrics."""
    noise = truth.noise
    e = rng.normal(size=(1 + len(METRICS), n))
    e[:, 1:] *= np.sqrt(1 - noise.rho**2)
    u = lfilter([1.0], [1.0, -noise.rho], e, axis=1)
    shifts: Array = noise.sd * (np.sqrt(noise.shared) * u[:1] + np.sqrt(1 - noise.shared) * u[1:])
    return shifts


def _answered(truth: Truth, items: _Items, metric: str, rates: Array, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Which items fall below their checkpoint's quantile; ``rates`` is (group, checkpoint), group -1 last."""
    p = truth.noise.persistence
    limit = ndtri(np.clip(rates, 0.0, 1.0))
    now = rng.normal(size=(rates.shape[1], *items.overlap.shape)).astype(np.float32)
    latent = np.sqrt(p) * items.difficulty[metric] + np.sqrt(1 - p) * now
    below: NDArray[np.bool_] = latent < np.moveaxis(limit[items.group], -1, 0)
    return below


def _logprobs(
    truth: Truth,
    items: _Items,
    tokens: Array,
    up: Array,
    units: list[Array],
    false: Array,
    shift: Array,
    rng: np.random.Generator,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Log-probabilities that grow with the rates, or (``gradual``) as log(1 + tokens) from the start."""
    low, high = -12.0, -1.5
    scale = tokens[-1] / 30
    gradual = np.log1p(tokens / scale) / np.log1p(tokens[-1] / scale)
    word = units if truth.logprobs == "delayed" else [gradual] * 3
    hump = false / truth.false_copying.peak if truth.false_copying.peak > 0 else np.zeros_like(false)
    shape = (tokens.size, *items.overlap.shape)
    by_group = np.stack([*word, up])[items.group]
    target = low + (high - low) * np.moveaxis(by_group, -1, 0) + _column(shift[2]) - items.difficulty["translation"]
    target = target + 0.5 * rng.normal(size=shape)
    source = low + (high - low) * _column(hump) + _column(shift[1]) - items.difficulty["false_copying"]
    source = source + 0.5 * rng.normal(size=shape)
    target = np.minimum(target, -1e-3)
    source = np.where(items.same, target, np.minimum(source, -1e-3))
    return target.astype(np.float32), source.astype(np.float32)


def _column(values: Array) -> Array:
    return values[:, None, None, None]
