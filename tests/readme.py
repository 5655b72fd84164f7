"""What the README promises in code blocks: commands of the shell and snippets of Python."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def commands() -> list[str]:
    """Return the lines of all ``sh`` blocks, in order, without comments."""
    lines = [line for block in _blocks("sh") for line in block.splitlines()]
    return [line.partition("#")[0].strip() for line in lines if line.strip()]


def analysis_commands() -> list[str]:
    """Return the commands of the analysis half, which needs no training package."""
    return [line for line in commands() if line.startswith(("phases ", "scaling "))]


def snippets() -> list[str]:
    """Return the ``python`` blocks, in order."""
    return _blocks("python")


def _blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
