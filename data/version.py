"""The installed version of Calque."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version


def code_version() -> str:
    """Return the installed version of Calque, or ``"unknown"`` when it runs uninstalled."""
    try:
        return version("calque")
    except PackageNotFoundError:
        return "unknown"
