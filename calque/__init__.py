"""Calque: when a capability begins during pretraining, with statistics that hold up.

Functions load what they need when they are first called; ``import calque`` itself loads neither numpy nor torch. Every
function takes a cube as an ``xarray.Dataset`` or as the path of a netCDF file, and returns a result with ``summary()``,
``to_dataframe()``, ``to_xarray()``, ``to_json()`` and ``plot()``. Datasets gain the accessor ``ds.calque``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from calque.when_imported import when_imported

if TYPE_CHECKING:
    from calque.data.cube import read
    from calque.data.cube.source import concat, write
    from calque.data.errors import UserError
    from calque.phases.api.acquisition import acquisition
    from calque.phases.api.calibrate import calibrate
    from calque.phases.api.detect import detect
    from calque.phases.api.edit import edit
    from calque.phases.api.import_log import import_log
    from calque.phases.api.pool import pool
    from calque.scaling.api.forecast import forecast
    from calque.scaling.api.simulate import simulate
    from calque.sweeps.api.plan import plan
    from calque.sweeps.api.probe import probe
    from calque.sweeps.api.run import run
    from calque.sweeps.api.score import score

__all__ = [
    "acquisition", "calibrate", "concat", "detect", "edit", "forecast", "import_log", "plan", "pool", "probe", "read",
    "run", "score", "simulate", "write", "UserError",
]  # fmt: skip

_PLACES = {
    "UserError": "calque.data.errors",
    "acquisition": "calque.phases.api.acquisition",
    "calibrate": "calque.phases.api.calibrate",
    "concat": "calque.data.cube.source",
    "detect": "calque.phases.api.detect",
    "edit": "calque.phases.api.edit",
    "forecast": "calque.scaling.api.forecast",
    "import_log": "calque.phases.api.import_log",
    "plan": "calque.sweeps.api.plan",
    "pool": "calque.phases.api.pool",
    "probe": "calque.sweeps.api.probe",
    "read": "calque.data.cube",
    "run": "calque.sweeps.api.run",
    "score": "calque.sweeps.api.score",
    "simulate": "calque.scaling.api.simulate",
    "write": "calque.data.cube.source",
}

_PACKAGES = ("data", "models", "phases", "scaling", "sweeps")


def __getattr__(name: str) -> Any:
    """Load a function when it is first asked for."""
    if name == "__version__":
        from calque.data.version import code_version

        return code_version()
    if name in _PACKAGES:
        return import_module(f"calque.{name}")
    if name not in _PLACES:
        raise AttributeError(f"module 'calque' has no attribute '{name}'; it offers {', '.join(__all__)}")
    found = getattr(import_module(_PLACES[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted([*__all__, *_PACKAGES, "__doc__", "__version__"])


when_imported("xarray", lambda: import_module("calque.phases.api.accessor"))
