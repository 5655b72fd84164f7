"""A small cube with all that the pages know of: sizes, mixes, losses, FLOPs, log-probabilities, frequencies."""

import numpy as np
import xarray as xr

from calque.data.cube import validate
from tests.phases_cube import study

SIZES = {"nano": 1e6, "micro": 4e6, "tiny": 1.6e7}


def explored(seed=1, languages=3, concepts=12, n=30):
    cube, _ = study(seed=seed, runs=4, languages=languages, concepts=concepts, n=n)
    rng = np.random.default_rng(seed)
    sizes = ["nano", "nano", "micro", "tiny"]
    params = np.array([SIZES[size] for size in sizes])
    tokens = np.asarray(cube["tokens"], float)
    cube = cube.assign_coords(
        run=["a-s0", "a-s1", "b", "c"], size=("run", sizes), n_params_non_embedding=("run", params),
        mix=("run", ["uniform"] * 3 + ["skewed"]), language=cube["source"].values,
    )  # fmt: skip
    loss = 2 + 300 / params[:, None] ** 0.35 + 900 / tokens.clip(1) ** 0.35
    by_language = loss[..., None] * (1 + 0.1 * np.arange(languages))
    logprob = rng.normal(-5, 1, cube["translation_outcome"].shape)
    return validate(
        cube.assign(
            loss=(("run", "checkpoint", "language"), by_language, {"metric_kind": "continuous"}),
            flops=(("run", "checkpoint"), 6 * params[:, None] * tokens),
            translation_logprob=(cube["translation_outcome"].dims, logprob),
            zipf_frequency=(("language", "concept"), rng.uniform(1, 7, (languages, concepts))),
        )
    )


def timing(cube):
    seconds = np.full(cube["tokens"].shape, 2.0)
    return xr.Dataset({"training_seconds": (("run", "checkpoint"), seconds)}, coords={"run": cube["run"].values})
