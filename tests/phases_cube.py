"""A small simulated study: copying early, false copying with a peak, translation late; cube and truth together."""

from __future__ import annotations

import numpy as np
import xarray as xr
from scipy.special import expit, logit

from tests.phases_simulation import Array, ar1, centring, crossing, hump, logistic, schedule

LANGUAGES = ("en", "de", "ru", "zh", "ja", "ko", "tr", "fi", "id")
CURVES = {
    "copying": logistic(3e5, 0.06, top=0.85),
    "false_copying": hump(7e5, 2e6, 0.5, 0.15),
    "translation": logistic(2e6, 0.06, top=0.48, floor=0.02),
}


def study(
    seed: int = 0, runs: int = 3, concepts: int = 12, languages: int = 4, n: int = 45, sd: float = 0.25,
    persistence: float = 0.8, exposure: bool = True,
) -> tuple[xr.Dataset, dict[str, float]]:  # fmt: skip
    """Return a cube of item outcomes and the true takeoffs of its three metrics.

    Items keep a lasting difficulty (share ``persistence`` of the latent variance), concepts share theirs, and all
    metrics of a checkpoint share part of an AR(1) shift.
    """
    tokens = schedule("mixed", n)
    names = LANGUAGES[:languages]
    rng = np.random.default_rng(seed)
    shape = (languages, languages, concepts)
    overlap = np.zeros(shape, np.int8)
    overlap[..., : concepts // 4] = 2
    overlap[..., concepts // 4 : concepts // 3] = 1
    diagonal = np.arange(languages)
    overlap[diagonal, diagonal] = 2
    outcome = np.zeros((runs, n, *shape), np.int8)
    same = overlap == 2
    for r in range(runs):
        shared = ar1(rng, n, 0.6, 1.0)
        rate = {}
        for name, curve in CURVES.items():
            mu = np.clip(curve(tokens), 0.004, 0.996)
            shift = sd * (np.sqrt(0.4) * shared + np.sqrt(0.6) * ar1(rng, n, 0.6, 1.0))
            rate[name] = expit(logit(mu) + shift + centring(mu, sd))
        latent = _latent(rng, shape, n, persistence)
        for i in range(n):
            u = latent[i]
            translated = np.where(same, u < rate["copying"][i], u < rate["translation"][i])
            copied = ~same & (u > 1 - rate["false_copying"][i]) & ~translated
            outcome[r, i] = np.where(translated, 1, np.where(copied, 2, 0))
    dims = ("run", "checkpoint", "source", "target", "concept")
    cube = xr.Dataset(
        {
            "tokens": (("run", "checkpoint"), np.tile(tokens, (runs, 1))),
            "translation_outcome": (dims, outcome),
            "overlap": (dims[2:], overlap),
        },
        coords={
            "run": [f"seed{r}" for r in range(runs)], "source": list(names), "target": list(names),
            "concept": [f"c{i}" for i in range(concepts)], "size": ("run", ["nano"] * runs),
        },
    )  # fmt: skip
    if exposure:
        paired = (rng.random(shape) < 0.3).astype(np.int8)
        cube["exposure"] = (dims[2:], paired)
    score = np.zeros((runs, n, *shape), np.float32)
    lift = CURVES["translation"](tokens)
    score += (-7 + 6 * lift)[None, :, None, None, None] + rng.normal(0, 0.4, (runs, n, 1, 1, 1))
    score += rng.normal(0, 1, (1, 1, *shape))
    cube["translation_logprob"] = (dims, score.astype(np.float32))
    cube.attrs["calque_schema"] = 1
    return cube, {name: crossing(curve, tokens) for name, curve in CURVES.items()}


def _latent(rng: np.random.Generator, shape: tuple[int, ...], n: int, persistence: float) -> Array:
    """Uniform item scores (n, *shape): lasting item and concept parts, and a new part each checkpoint."""
    from scipy.special import ndtr

    lasting = np.sqrt(0.5) * rng.standard_normal(shape) + np.sqrt(0.5) * rng.standard_normal(shape[-1])
    new = np.sqrt(0.5) * rng.standard_normal((n, *shape)) + np.sqrt(0.5) * rng.standard_normal((n, 1, 1, shape[-1]))
    return np.asarray(ndtr(np.sqrt(persistence) * lasting + np.sqrt(1 - persistence) * new))
