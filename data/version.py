"""The installed version of Calque, and of what its numbers depend on."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version


def code_version() -> str:
    """Return the installed version of Calque, or ``"unknown"`` when it runs uninstalled."""
    try:
        return version("calque")
    except PackageNotFoundError:
        return "unknown"


def analysis_versions() -> dict[str, str]:
    """Return the versions of Calque, Python, NumPy and SciPy, which an analysis was made with."""
    others = {name: version(name) for name in ("numpy", "scipy")}
    return {"calque": code_version(), "python": platform.python_version(), **others}
