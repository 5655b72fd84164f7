"""What a netCDF file may hold to be a cube, read from its header before any value is loaded."""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING

from calque.data.errors import UserError
from calque.data.quantities import format_bytes

if TYPE_CHECKING:
    import netCDF4

TEXT_BYTES = 64
"""Of a text value in memory."""
LARGE = 1 << 30
"""Bytes above which the size of the file must explain the size of its variables."""
COMPRESSION = 1100
"""No chunk of values is compressed further by deflate."""


def check_header(file: netCDF4.Dataset, origin: str, whole: bool = True) -> None:
    """Refuse a file whose variables are of types that no cube has, or larger than memory or than the file explains.

    Parameters
    ----------
    file : netCDF4.Dataset
        An open file.
    origin : str
        What errors call it, such as its path.
    whole : bool
        Whether all of it is to be in memory.

    Raises
    ------
    UserError
        Naming the variable, what came, and what was expected.
    """
    total = 0
    for name, variable in file.variables.items():
        if not (variable.dtype is str or getattr(variable.dtype, "kind", "V") in "iufSU"):
            raise UserError(f"{origin}: {name} has a type of its own; expected numbers or text")
        size = TEXT_BYTES if variable.dtype is str else variable.dtype.itemsize
        needed = math.prod(variable.shape) * size
        stored = os.path.getsize(file.filepath())
        if needed > LARGE and needed > COMPRESSION * stored:
            raise UserError(
                f"{origin}: {name} would take {format_bytes(needed)}, in a file of {format_bytes(stored)}: most of it "
                "was never written; expected the sizes of what was measured"
            )
        total += needed
    if whole and total > (there := _memory()):
        raise UserError(
            f"{origin} would take {format_bytes(total)} of memory; this machine has {format_bytes(there)}: "
            "write a cube of fewer runs, or use a larger machine"
        )


def _memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
