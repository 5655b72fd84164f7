"""Where prepared data is kept."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs


def home() -> Path:
    """Return the folder for prepared data: ``CALQUE_HOME``, by default the platform's user cache."""
    return Path(os.environ.get("CALQUE_HOME") or platformdirs.user_cache_dir("calque")).expanduser().absolute()
