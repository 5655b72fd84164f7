"""A cube whose items are acquired at known times."""

from __future__ import annotations

import numpy as np
import xarray as xr

from tests.benchmarks.pooling_coverage import generator

LANGUAGES = ("en", "de", "ru", "zh", "ja")
GRID = np.concatenate([[0.0], np.geomspace(2e5, 2e7, 29)])


def simulated(seed=0, runs=1, concepts=24, error="lognormal", unit=1.0):
    """A cube whose items are acquired at known times: share and frequency speed them up, overlap most."""
    rng = generator("cube", seed)
    n = len(LANGUAGES)
    share = np.array([0.5, 0.25, 0.12, 0.08, 0.05])
    frequency = np.exp(rng.standard_normal(concepts) * 1.5)
    overlap = (rng.random((n, n, concepts)) < 0.3).astype(np.int8)
    s, t, c = np.meshgrid(*(range(k) for k in (n, n, concepts)), indexing="ij")
    y = np.log(2e6) - 0.3 * np.log(share[t] / share.mean()) - 0.3 * np.log(frequency)[c] - 0.8 * overlap
    y = y + 0.3 * rng.standard_normal(concepts)[c]
    y = y + 0.4 * rng.standard_normal((runs, *y.shape))
    tokens = GRID * unit
    with np.errstate(divide="ignore"):
        hit = np.log(GRID)[None, :, None, None, None] >= y[:, None]
    outcome = hit.astype(np.int8)
    outcome[:, :, np.arange(n), np.arange(n)] = -1
    return xr.Dataset(
        {
            "tokens": (("run", "checkpoint"), np.tile(tokens, (runs, 1))),
            "translation_outcome": (("run", "checkpoint", "source", "target", "concept"), outcome),
            "overlap": (("source", "target", "concept"), overlap),
            "share": (("run", "language"), np.tile(share, (runs, 1))),
            "frequency": (("concept",), frequency),
            "script": (("language",), np.array(["latin", "latin", "cyrillic", "han", "kana"])),
            "part_of_speech": (("concept",), np.where(np.arange(concepts) % 2, "noun", "verb")),
            "gloss": (("concept",), np.array([f"g{i}" for i in range(concepts)])),
        },
        coords={
            "run": [f"s{i}" for i in range(runs)], "source": list(LANGUAGES), "target": list(LANGUAGES),
            "language": list(LANGUAGES), "concept": [f"c{i}" for i in range(concepts)],
        },
    )  # fmt: skip
