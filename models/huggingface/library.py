"""``transformers`` without progress bars and warnings."""

from __future__ import annotations

import importlib
from functools import cache
from typing import Any


@cache
def transformers() -> Any:
    """Return the module ``transformers``, with its output switched off."""
    library: Any = importlib.import_module("transformers")
    library.logging.set_verbosity_error()
    library.logging.disable_progress_bar()
    return library
