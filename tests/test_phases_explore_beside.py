"""Cubes beside each other: their runs under distinct names, each with the cube that it is of."""

from __future__ import annotations

from pathlib import Path

import pytest

from calque.data import cube as cubes
from calque.data.errors import UserError
from calque.phases.explore.app import App, prepare
from calque.phases.explore.study import read_study
from tests.explore_cube import explored, timing
from tests.explore_parts import N, parts_of

pytestmark = pytest.mark.filterwarnings("ignore:The inplace keyword in DataFrame.reset_index:DeprecationWarning")


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two cubes whose runs share their names; the first has groups."""
    folder = tmp_path_factory.mktemp("two")
    cube = explored(n=N)
    cubes.write(cube, folder / "mine.nc", groups={"timing": timing(cube), **parts_of(cube)})
    cubes.write(explored(seed=2, n=N), folder / "theirs.nc")
    return folder / "mine.nc", folder / "theirs.nc"


def test_runs_of_two_cubes_stand_beside_each_other(two: tuple[Path, Path]) -> None:
    mine, theirs = two
    prepare()
    study = read_study(mine, {}, [theirs])
    runs = ["a-s0", "a-s1", "b", "c"]
    assert study.runs["run"].tolist() == [*runs, *(f"theirs/{run}" for run in runs)]
    assert study.runs["cube"].tolist() == ["mine"] * 4 + ["theirs"] * 4 and study.name == "mine and theirs"
    [line] = study.lines("theirs/b", "translation", "whole")
    [alone] = read_study(theirs, {}).lines("b", "translation", "whole")
    assert line.value.tolist() == alone.value.tolist() and line.tokens.tolist() == alone.tokens.tolist()
    assert set(study.parts) == {"components", "ablations", "attribution"} and study.timing is not None
    app = App(study)
    app.restore("?page=curves&beside=cube&cube=theirs")
    assert app.selection.runs == [f"theirs/{run}" for run in runs] and not app.lost.objects


def test_one_cube_beside_itself_is_refused(two: tuple[Path, Path]) -> None:
    with pytest.raises(UserError, match="is given twice"):
        read_study(two[0], {}, [two[0]])
