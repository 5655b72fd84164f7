"""Groups of a cube with scores of a model's parts: heads, layers, ablations of one run."""

from __future__ import annotations

import numpy as np
import xarray as xr

N = 30
DEPTHS, STEPS = 3, ("step-1", "step-9")


def parts_of(cube: xr.Dataset) -> dict[str, xr.Dataset]:
    """Groups in which run a-s0 was probed at every other checkpoint."""
    rng, runs = np.random.default_rng(0), cube["run"].values
    heads = np.full((len(runs), N, 2, 3), np.nan)
    heads[0, ::2] = 0.05
    heads[0, 10::2, 1, 2] = 0.9
    adjusted = np.where(heads > 0.5, 0.001, 1.0)
    depth = np.full((len(runs), N, DEPTHS), np.nan)
    depth[0, ::2] = np.linspace(0, 1, len(range(0, N, 2)))[:, None] * np.arange(DEPTHS)
    of_heads, of_depth = ("run", "checkpoint", "layer", "head"), ("run", "checkpoint", "depth")
    named = {"matching": heads, "matching_low": heads - 0.02, "matching_high": heads + 0.02, "matching_deciding": heads,
             "matching_control": np.full_like(heads, 0.04), "matching_p_adjusted": adjusted}  # fmt: skip
    layers = {"lens_target": depth, "lens_target_low": depth - 0.1, "lens_target_high": depth + 0.1,
              "lens_target_control": np.zeros_like(depth), "lens_target_p_adjusted": np.ones_like(depth)}  # fmt: skip
    components = xr.Dataset(
        {**{k: (of_heads, v) for k, v in named.items()}, **{k: (of_depth, v) for k, v in layers.items()}},
        {"run": runs, "layer": [0, 1], "head": [0, 1, 2], "depth": np.arange(DEPTHS)}, {"level": 0.95},
    )  # fmt: skip
    components["lens_target"].attrs = {
        "metric_kind": "continuous",
        "long_name": "of the word",
        "control": "another word",
    }
    swaps = np.full((len(runs), N, 2, 3, 2), np.nan)
    swaps[0, [0, N - 1]] = rng.normal(size=(2, 2, 3, 2))
    change = np.full((len(runs), N, 2, 2, 2), np.nan)
    change[0, N - 1] = rng.normal(size=(2, 2, 2))
    change[0, N - 1, :, 1] = 0
    of_swaps, of_scaling = ("run", "checkpoint", "donor", "range", "measure"), ("component", "factor", "measure")
    parted, co = rng.normal(size=(len(runs), N, 2, 2, 2)), rng.normal(size=(len(runs), N, 2, 3, 2))
    co[:, :, 1, 2] = np.nan
    ends = ("", "_low", "_high", "_control", "_p_adjusted")
    ablations = xr.Dataset(
        {
            **{f"part_ablation{end}": (("run", "checkpoint", "part", "layer", "measure"), parted) for end in ends},
            **{f"co_ablation{end}": (("run", "checkpoint", "layer", "head", "measure"), co) for end in ends},
            "swaps": (of_swaps, swaps), "swaps_interaction": (of_swaps, swaps),
            **{f"scaling_change{end}": ((*of_swaps[:2], *of_scaling), change) for end in ("", "_low", "_high")},
            "allocation": (("run", "checkpoint", "component", "loss"), swaps[:, :, :, 0]),
            **{f"head_ablation{end}": (("run", "checkpoint", "repeating"), depth[..., :2]) for end in ("", "_control")},
        },
        {"run": runs, "donor": list(STEPS), "range": ["block 0", "block 1", "rest"], "part": ["mlp", "block"],
         "layer": [0, 1], "head": [0, 1, 2],
         "measure": ["translation", "copying"], "loss": ["translation", "copying"],
         "repeating": ["logprob", "probability"], "component": ["embedding", "norm"], "factor": [0.0, 1.0]},
    )  # fmt: skip
    by = ("run", "checkpoint", "component", "trained_on", "pair")
    text = np.full((len(runs), N, 2, 3, 2, 2), np.nan)
    text[0, 1:] = rng.normal(size=(N - 1, 2, 3, 2, 2))
    attribution = xr.Dataset(
        {"attribution": (by, text.mean(-1)), "attribution_by_cluster": ((*by, "cluster"), text)},
        {"run": runs, "component": ["embedding", "norm"], "trained_on": ["de", "en", "rest"],
         "pair": ["de-en", "en-de"]}, {"level": 0.9},
    )  # fmt: skip
    return {"components": components, "ablations": ablations, "attribution": attribution}
