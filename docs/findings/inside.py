"""What parts of the models carry copying and translation: tables and a picture of a probed cube.

``python docs/findings/inside.py docs/findings/inside.nc docs/images/inside.png`` prints, as Markdown, what is left of
copying and of translation when a component is put back to its initial weights, and when a block of the last checkpoint
is that of an earlier one; means over runs with t intervals. Names of runs may follow, for those alone. The picture has
heads over training: a line a run.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from scipy import stats

from calque.data.cube import read, read_groups
from calque.data.metrics import METRICS
from calque.data.quantities import format_count

LEFT = ("copying_probability", "translation_probability")
HEADS = ("ov_copying", "source_attention", "token_copying", "concept_copying", "prefix_matching", "function_vector")


def interval(values: np.ndarray) -> str:
    """Return the mean of runs with its 95 % t interval."""
    half = stats.sem(values) * stats.t.ppf(0.975, len(values) - 1)
    return f"{values.mean():.2f} ({values.mean() - half:.2f} to {values.mean() + half:.2f})"


def lasts(group: xr.Dataset, name: str) -> xr.Dataset:
    """Return of each run the last checkpoint that has the variable."""
    known = np.isfinite(group[name]).any([d for d in group[name].dims if d not in ("run", "checkpoint")])
    last = known.sizes["checkpoint"] - 1 - known.values[:, ::-1].argmax(1)
    return group.isel(checkpoint=xr.DataArray(last, dims="run"))


def left(hybrid: xr.DataArray, whole: xr.DataArray) -> str:
    """Return the cells of what is left of copying and of translation, and of their difference."""
    copying, translation = ((hybrid.sel(measure=m) / whole.sel(measure=m)).values for m in LEFT)
    return " | ".join(interval(of) for of in (copying, translation, copying - translation))


def rewinding(group: xr.Dataset) -> Iterator[str]:
    """Yield the rows of what is left of each probability without what a component learned."""
    score = lasts(group, "scaling")["scaling"]
    yield "| put back to its initial weights | copying left | translation left | copying less translation |"
    yield "|---|---|---|---|"
    for component in score["component"].values:
        at = score.sel(component=component)
        yield f"| {component} | {left(at.sel(factor=0.0), at.sel(factor=1.0))} |"


def swaps(group: xr.Dataset) -> Iterator[str]:
    """Yield the rows of what is left of each probability of the last checkpoint with an earlier one's block."""
    score = lasts(group, "swaps")["swaps"]
    score = score.dropna("donor", how="all")  # a joined cube has the donors of all its runs
    donors = sorted(score["donor"].values, key=lambda name: int(str(name).rpartition("-")[2]))
    yield "| block | of | copying left | translation left | copying less translation |"
    yield "|---|---|---|---|---|"
    for part in score["range"].values:
        at = score.sel(range=part)
        for donor in donors[1:-1]:
            yield f"| {part} | {donor} | {left(at.sel(donor=donor), at.sel(donor=donors[-1]))} |"


def draw(cube: xr.Dataset, heads: xr.Dataset, picture: str) -> None:
    """Draw the head of each score that is highest where it is decided, over training, and where scores reach .1."""
    figure, panels = plt.subplots(2, 3, figsize=(9.6, 5.2), sharex=True, layout="constrained")
    for metric in ("copying", "translation"):
        rate, hue = cube.calque.rates(metric)["rate"].values, METRICS[metric].colour
        first = [float(tokens[score >= 0.1][0]) for tokens, score in zip(cube["tokens"].values, rate, strict=True)]
        for panel in panels.flat:
            panel.axvspan(min(first), max(first), color=hue, alpha=0.25, lw=0, label=f"{metric} reaches .1")
    for panel, name in zip(panels.flat, HEADS, strict=True):
        deciding = lasts(heads, name)[f"{name}_deciding"].stack(at=("layer", "head")).values
        scores, tokens = heads[name].stack(at=("layer", "head")).values, cube["tokens"].values
        for run, best in enumerate(np.nanargmax(deciding, axis=1)):
            known = np.isfinite(scores[run, :, best]) & (tokens[run] > 0)
            panel.plot(tokens[run, known], scores[run, known, best], color="#1d2430", lw=0.8, alpha=0.7)
        units = heads[name].attrs.get("units", "1")
        panel.set(title=name.replace("_", " "), xscale="log", ylabel="" if units == "1" else units)
        panel.spines[["top", "right"]].set_visible(False)
        panel.xaxis.set_major_formatter(lambda value, _: format_count(value))
    panels[0, 0].legend(fontsize=7, frameon=False)
    for panel in panels[-1]:
        panel.set_xlabel("training tokens")
    figure.savefig(picture, dpi=130)


def main(path: str, picture: str, *runs: str) -> None:
    """Print the tables and draw the picture, of these runs or of all."""
    cube, groups = read(Path(path)), read_groups(Path(path))
    wanted = np.flatnonzero(np.isin(cube["run"].values.astype(str), runs or cube["run"].values.astype(str)))
    cube, heads, taken = (of.isel(run=wanted) for of in (cube, groups["components"], groups["ablations"]))
    print("\n".join([*rewinding(taken), "", *swaps(taken)]))
    draw(cube, heads, picture)


if __name__ == "__main__":
    main(*sys.argv[1:])
