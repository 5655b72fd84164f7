"""Whether the runs of a comparison repeat their text unequally, as their cube tells."""

from __future__ import annotations

import numpy as np
import xarray as xr

from calque.data.mixes.repetition import repetition, unequal
from calque.scaling.run_values import run_labels


def repetition_notes(cube: xr.Dataset) -> tuple[str, ...]:
    """Return a sentence for each way in which runs of one size and several mixes repeat their text unequally.

    Parameters
    ----------
    cube : xarray.Dataset
        With ``epochs`` (run, language), as ``sweeps`` writes it; without it nothing is said.
    """
    mixes = run_labels(cube, "mix")
    if "epochs" not in cube.variables or mixes is None:
        return ()
    sizes = run_labels(cube, "size") or [""] * len(mixes)
    by_size: dict[str, dict[str, float]] = {}
    for mix, size, values in zip(mixes, sizes, cube["epochs"].transpose("run", "language").values, strict=True):
        known = np.asarray(values, float)
        known = known[np.isfinite(known)]
        if known.size:
            of_mix = by_size.setdefault(size, {})
            of_mix[mix] = max(repetition(known), of_mix.get(mix, 0.0))
    said = (unequal(of_mix) for of_mix in by_size.values())
    return tuple(dict.fromkeys(f"{each}; a difference between them may be one of repetition" for each in said if each))
