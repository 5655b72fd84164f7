"""``transformers`` without its bars, its advice and its network: what a user sees here is ours to say."""

from __future__ import annotations

import importlib
from functools import cache
from typing import Any


@cache
def transformers() -> Any:
    """Return the library, told to be quiet."""
    library: Any = importlib.import_module("transformers")
    library.logging.set_verbosity_error()
    library.logging.disable_progress_bar()
    return library
