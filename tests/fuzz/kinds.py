"""The kinds of input by name. A kind is added as a module with a function ``make(rng) -> Attempt``, and here."""

from __future__ import annotations

from collections.abc import Mapping

from tests.fuzz import cubes, imports, models, studies
from tests.fuzz.frame import Kind

KINDS: Mapping[str, Kind] = {
    "imports": imports.make,
    "cubes": cubes.make,
    "models": models.make,
    "studies": studies.make,
}
