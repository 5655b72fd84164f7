"""The cube: every checkpoint's metrics of every run, in one netCDF-4 file (schema 1). Layout: docs/CUBE.md."""

from calque.data.cube.checks import validate
from calque.data.cube.file import (
    describe,
    has_group,
    is_whole,
    read,
    read_columns,
    read_groups,
    read_with,
    read_with_groups,
    write,
)
from calque.data.cube.joining import concat
from calque.data.cube.netcdf import IN_FILE
from calque.data.cube.variables import (
    ATTRIBUTES,
    CHECKPOINT_FLAGS,
    CHECKPOINT_KINDS,
    EXPOSURES,
    METRIC_KINDS,
    NOT_ASKED,
    OUTCOMES,
    OVERLAPS,
    SCHEMA,
)

__all__ = [
    "ATTRIBUTES", "CHECKPOINT_FLAGS", "CHECKPOINT_KINDS", "EXPOSURES", "IN_FILE", "METRIC_KINDS", "NOT_ASKED",
    "OUTCOMES", "OVERLAPS", "SCHEMA", "concat", "describe", "has_group", "is_whole", "read", "read_columns",
    "read_groups", "read_with", "read_with_groups", "validate", "write",
]  # fmt: skip
