"""What the report shows of the parts of a model: heads, layers and ablations of the runs that were probed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import xarray as xr

from calque.phases.report.inside.ablation_pictures import allocation_maps, scaling_curves, swap_maps
from calque.phases.report.inside.head_pictures import head_maps, type_curves
from calque.phases.report.inside.layer_pictures import depth_maps
from calque.phases.results import DetectionReport, Transition
from calque.phases.series.axis import Array
from calque.phases.series.components import scores_of_depth, scores_of_heads
from calque.phases.series.head_types import GROUP, described
from calque.phases.series.probed import chosen, labels, probed, tokens_of
from calque.phases.wording import location

ABLATIONS = "ablations"
MOST_RUNS = 4
"""Runs that are drawn."""
MEASURES = ("translation", "copying")
"""Measures of swaps and scalings that are drawn."""


@dataclass(frozen=True)
class PartPicture:
    """A picture and what it shows.

    Attributes
    ----------
    picture : str
        An SVG element.
    about : str
        What it shows.
    sentences : tuple of str
        What it says.
    """

    picture: str
    about: str
    sentences: tuple[str, ...] = ()


@dataclass(frozen=True)
class RunParts:
    """The pictures of one run.

    Attributes
    ----------
    run : str
    pictures : tuple of PartPicture
    """

    run: str
    pictures: tuple[PartPicture, ...]


def run_parts(report: DetectionReport, cube: xr.Dataset, groups: Mapping[str, xr.Dataset]) -> list[RunParts]:
    """Return the pictures of every run whose parts were probed; none where the cube has no such groups.

    Parameters
    ----------
    report : DetectionReport
        Its takeoffs of head types are drawn, and its axis of tokens is taken.
    cube : xarray.Dataset
        That was analysed.
    groups : mapping of str to xarray.Dataset
        Groups of its file; those of other runs or checkpoints than the cube's are left out.
    """
    runs = [str(run) for run in cube["run"].values]
    found = []
    for run, name in enumerate(runs):
        tokens, pictures = tokens_of(cube, run), list[PartPicture]()
        for kind, draw in ((GROUP, _components), (ABLATIONS, _ablations)):
            group = groups.get(kind)
            if group is not None and _same(group, runs, len(tokens)):
                pictures += draw(report, group, run, tokens)
        if pictures:
            found.append(RunParts(name, tuple(pictures)))
    return found


def _same(group: xr.Dataset, runs: list[str], checkpoints: int) -> bool:
    known = [str(run) for run in group["run"].values] if "run" in group.variables else []
    return known == runs and group.sizes.get("checkpoint") == checkpoints


def _components(report: DetectionReport, group: xr.Dataset, run: int, tokens: Array) -> list[PartPicture]:
    of_run, name = group.isel(run=run), str(group["run"].values[run])
    heads = [score for score in scores_of_heads(group) if probed(of_run, score, tokens)]
    depths = [score for score in scores_of_depth(group) if probed(of_run, score, tokens)]
    found = []
    if heads:
        types = [described(group, score, run) for score in heads]
        said = "Score of every head at the last checkpoint that was probed; in rings those of the type."
        found.append(PartPicture(head_maps(group, heads, run), said, tuple(f"{one.sentence()}." for one in types)))
        grown = [one.probe for one in types if one.heads]
        if grown:
            rows = [row for row in report.transitions if row.run == name]
            picture = type_curves(group, grown, run, tokens, rows, report.settings["scale"])
            said = (
                "Mean over the heads of a type, chosen at the last checkpoint on other prompts, and over all others. A "
                f"line and its band: takeoff, where the metric {GROUP}/{grown[0]}_heads is asked for."
            )
            found.append(PartPicture(picture, said, tuple(_takeoffs(rows, grown))))
    if depths:
        said = (
            "What each score has above its control, by depth in training: 0 is the embedding, d what d blocks have "
            "made of it. That a word can be read at a depth does not show that the model uses it there."
        )
        found.append(PartPicture(depth_maps(group, depths, run, tokens), said))
    return found


def _takeoffs(rows: Sequence[Transition], scores: Sequence[str]) -> list[str]:
    """Return the takeoffs of head types that were asked for."""
    asked = {f"{GROUP}/{score}_heads" for score in scores}
    found = [row for row in rows if row.metric in asked and row.estimand == "takeoff" and not row.group]
    return [f"Takeoff of {row.metric}: {location(row)}." for row in found]


def _ablations(report: DetectionReport, group: xr.Dataset, run: int, tokens: Array) -> list[PartPicture]:
    of_run = group.isel(run=run)
    there = [name for name in ("swaps", "scaling_change", "allocation") if name in group]
    there = [name for name in there if probed(of_run, name, tokens)]
    measures = chosen(MEASURES, labels(group, "measure")) if "measure" in group.coords else []
    found = []
    if "swaps" in there:
        said = "Score of a host with a donor's blocks; where both are the same checkpoint, its own score."
        found.append(PartPicture(swap_maps(group, measures, run, tokens), said))
    if "scaling_change" in there:
        said = (
            "Change of the score where a component has a factor of its update since the first checkpoint that was "
            "compared: 0 rewinds it. Coloured, with interval: those that change most; grey: the others."
        )
        found.append(PartPicture(scaling_curves(group, measures, run, tokens), said))
    if "allocation" in there:
        said = (
            "Part of each layer in the change of the loss since the compared checkpoint before: below 0 its update "
            "lowered the loss."
        )
        found.append(PartPicture(allocation_maps(group, run, tokens), said))
    return found
