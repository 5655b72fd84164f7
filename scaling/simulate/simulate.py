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

import numpy as np
import pandas as pd
import xarray as xr

from calque.scaling.simulate.items import draw_items
from calque.scaling.simulate.result import Simulation
from calque.scaling.simulate.run import simulate_run
from calque.scaling.simulate.truth import Truth


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
    items = draw_items(truth, np.random.default_rng(item_seed))
    own = truth.law.language_sd * np.random.default_rng(item_seed.spawn(1)[0]).normal(size=len(truth.languages))
    tokens = truth.checkpoints.tokens()
    cubes, rows, rates, by_language = [], [], [], []
    for i, ((size, mix, s), run_seed) in enumerate(zip(designs, run_seeds, strict=True)):
        name = f"{size.name}-{mix.name}-s{s}" if len(truth.mixes) > 1 else f"{size.name}-s{s}"
        if progress is not None:
            progress(i, len(designs), name)
        found = simulate_run(truth, items, tokens, size, mix, own, np.random.default_rng(run_seed))
        cubes.append(found.cube.expand_dims(run=[name]))
        rates.append(found.rates.expand_dims(run=[name]))
        shares = truth.shares(mix).tolist()
        for code, share, at in zip(truth.languages, shares, found.languages.tolist(), strict=True):
            by_language.append({"run": name, "language": code, "share": share, "tokens": at})
        for metric, at in found.takeoffs.items():
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
        language=languages,
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
    cube["share"] = (("run", "language"), [truth.shares(mix) for _, mix, _ in designs])
    cube["overlap"] = (("source", "target", "concept"), items.overlap)
    if truth.exposure is not None:
        cube["exposure"] = (("source", "target", "concept"), items.exposure)
    table = pd.DataFrame(rows)
    record = {
        "schema": 1,
        "seed": seed,
        "truth": truth.model_dump(mode="json"),
        "takeoffs": rows,
        "languages": by_language,
    }
    cube.attrs["truth_json"] = json.dumps(record, allow_nan=False)
    cube.attrs["title"] = f"simulated study '{truth.name}'"
    return Simulation(cube=cube, takeoffs=table, rates=xr.concat(rates, "run"))
