"""A label that stands twice along a dimension is refused: labels tell which items are of one language."""

from __future__ import annotations

from pathlib import Path

import pytest

from calque.data.cube import read, validate, write
from calque.data.errors import UserError
from tests.phases_cube import study


@pytest.mark.parametrize("dim", ["source", "target", "concept"])
def test_a_label_that_stands_twice_is_refused(tmp_path: Path, dim: str) -> None:
    cube = study(runs=1)[0]
    write(cube, tmp_path / "x.nc")
    assert read(tmp_path / "x.nc").sizes[dim] == cube.sizes[dim]
    labels = cube[dim].values.astype(object)
    labels[1] = labels[0]
    with pytest.raises(UserError, match=f"{dim} '{labels[0]}' occurs twice; expected each once: rename or drop one"):
        validate(cube.assign_coords({dim: labels}))
