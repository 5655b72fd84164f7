"""Scores of heads in the group ``components`` of a cube, where a metric is named that is one of them."""

from __future__ import annotations

from dataclasses import replace

import xarray as xr

from calque.data.cube.source import CubeLike, as_cube, groups_of
from calque.phases.results import DetectionReport
from calque.phases.series.components import names_components, notes_of, with_components
from calque.phases.series.head_types import HeadType
from calque.phases.settings import Settings


def opened(cube: CubeLike, settings: Settings) -> tuple[xr.Dataset, str, tuple[HeadType, ...]]:
    """Return a validated cube, its name, and types of heads; it has scores of heads as metrics where one is named.

    Parameters
    ----------
    cube : xarray.Dataset, path, or result with a cube
    settings : Settings

    Raises
    ------
    UserError
        When it is no cube, or a score of heads is named and it has none.
    """
    data, name = as_cube(cube)
    lags = [name for pair in settings.lags or () for name in pair]
    names = [*(settings.metrics or ()), *lags, settings.primary or ""]
    if not names_components(names):
        return data, name, ()
    data, types = with_components(data, groups_of(cube), names)
    return data, name, types


def with_notes(report: DetectionReport, types: tuple[HeadType, ...]) -> DetectionReport:
    """Return the report with a note on each type of heads that it analyses.

    Parameters
    ----------
    report : DetectionReport
    types : tuple of HeadType
    """
    notes = notes_of(types, {row.metric for row in report.transitions})
    return replace(report, notes=(*report.notes, *notes))
