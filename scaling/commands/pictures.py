"""Writing a picture to a file; the pictures themselves are drawn in ``phases`` from what ``--json`` writes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from calque.data.errors import UserError
from calque.data.files import replacing
from calque.phases.report.pictures import STYLE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

KINDS = (".png", ".svg", ".pdf")


def check_picture(path: str | None) -> None:
    """Refuse a file that is no picture, before any work is done."""
    if path is not None and Path(path).suffix.lower() not in KINDS:
        raise UserError(f"--picture {path}: expected a name ending in {', '.join(KINDS)}")


def save(made: Figure | None, path: str, lacking: str) -> None:
    """Write a picture, whole or not at all; ``lacking`` says why there may be none."""
    import matplotlib as mpl

    check_picture(path)
    if made is None:
        raise UserError(f"--picture {path}: nothing to draw: {lacking}")
    with replacing(Path(path)) as partial, mpl.rc_context(STYLE):
        made.savefig(partial, format=Path(path).suffix[1:].lower(), dpi=150, facecolor="white", bbox_inches="tight")
