"""Whether the compiled statistics are there already: the first command on a machine compiles them."""

from __future__ import annotations

import sys
from pathlib import Path

from calque.data.command_line.quiet import is_quiet
from calque.phases.noise import kalman


def announce_compiling() -> None:
    """Tell on standard error that the statistics are compiled now, where they were not before."""
    kernel = kalman.products
    cached = Path(kernel.stats.cache_path or "").glob(f"kalman.{kernel.py_func.__name__}-*.nbi")
    if not is_quiet() and not any(cached):
        print("compiling the statistics, once on this machine: some ten seconds", file=sys.stderr)
