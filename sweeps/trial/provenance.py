"""Provenance of a run: code, packages and hardware of every process that worked on it."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from calque.data.json_files import read_json_if_there, write_json
from calque.data.version import code_version

PACKAGES = (
    "torch", "lightning", "numpy", "xarray", "netCDF4", "tokenizers", "mistral-common", "tiktoken", "safetensors",
    "datasets", "ray",
)  # fmt: skip
"""Packages on which a run's numbers, or its resumption, depend."""
FILE = "provenance.json"


def environment() -> dict[str, Any]:
    """Return code version and commit, Python, packages and hardware, as JSON-ready values."""
    import torch

    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return {
        "calque": code_version(), "commit": commit(), "python": platform.python_version(),
        "packages": {name: found for name in PACKAGES if (found := _version(name))},
        "platform": platform.platform(), "processor": _processor(), "cores": os.cpu_count(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"), "gpus": gpus,
        "cuda": torch.version.cuda,
    }  # fmt: skip


def note(folder: Path) -> str:
    """Add this process's environment to those in the run's ``folder``; return all of them, in order, as JSON.

    Successive processes with equal environments count once.
    """
    path = folder / FILE
    known = read_json_if_there(path, list[dict[str, Any]]) or []
    here = environment()
    if not known or known[-1] != here:
        known.append(here)
        write_json(path, known)
    return json.dumps(known)


def commit() -> str | None:
    """Return the commit of the code, with ``-dirty`` when files were changed; None outside a checkout."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return None
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.machine()
