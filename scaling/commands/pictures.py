"""Writing a picture to a file; the pictures themselves are drawn in ``phases`` from what ``--json`` writes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from calque.data.errors import UserError
from calque.data.files import replacing
from calque.phases.report.figures import STYLE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

KINDS = (".png", ".svg", ".pdf")


def check_picture(path: str | None) -> None:
    """Refuse a file that is no picture, before any work is done.

    Parameters
    ----------
    path : str or None
        The file to write; None where no picture is wanted.

    Raises
    ------
    UserError
        When its name ends in none of :data:`KINDS`.
    """
    if path is not None and Path(path).suffix.lower() not in KINDS:
        raise UserError(f"--picture {path}: expected a name ending in {', '.join(KINDS)}")


def save(drawn: Figure | None, path: str, lacking: str) -> None:
    """Write a picture, whole or not at all; ``lacking`` says why there may be none.

    Parameters
    ----------
    drawn : matplotlib.figure.Figure or None
        The picture; None where there is none.
    path : str
        The file.
    lacking : str
        Why there may be no picture, for the error.

    Raises
    ------
    UserError
        When there is no picture, or the file is none.
    """
    import matplotlib as mpl

    check_picture(path)
    if drawn is None:
        raise UserError(f"--picture {path}: nothing to draw: {lacking}")
    with replacing(Path(path)) as partial, mpl.rc_context(STYLE):
        drawn.savefig(partial, format=Path(path).suffix[1:].lower(), dpi=150, facecolor="white", bbox_inches="tight")
