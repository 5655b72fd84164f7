"""Arguments of the public functions: a wrong type is named at the boundary, a NumPy number is a number."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pytest
import xarray as xr

import calque
from calque.data.arguments import checked, pairs
from calque.data.errors import UserError
from tests.phases_cube import study

if TYPE_CHECKING:
    from nowhere import Unknown


@checked
def function(
    name: str = "", count: int = 1, share: float = 0.5, on: bool = False, path: str | Path | None = None,
    kind: Literal["a", "b"] = "a", several: str | Sequence[str] | None = None, by: Mapping[str, float] | None = None,
    call: Callable[[int], None] | None = None, data: xr.Dataset | None = None, other: Unknown = None, *, key: int = 0,
) -> str:  # fmt: skip
    """Return what came."""
    return f"{name}{count}{share}{on}{path}{kind}{several}{by}{call}{data}{other}{key}"


@pytest.mark.parametrize(
    "given",
    [
        {"count": np.int64(3)}, {"share": 1}, {"share": np.float32(0.5)}, {"on": np.bool_(True)}, {"path": Path("x")},
        {"path": None}, {"kind": "b"}, {"several": ("a", "b")}, {"several": np.array(["a"])}, {"by": {"a": 1.0}},
        {"call": print}, {"data": xr.Dataset()}, {"other": object()},
    ],
)  # fmt: skip
def test_what_fits_is_passed_on(given: dict[str, Any]) -> None:
    assert function(**given)


@pytest.mark.parametrize(
    ("given", "means"),
    [
        ({"name": 3}, "`name` is 3; expected text"),
        ({"count": "x"}, "`count` is 'x'; expected a whole number"),
        ({"count": 2.0}, "`count` is 2.0; expected a whole number"),
        ({"count": True}, "`count` is True; expected a whole number"),
        ({"share": "0.5"}, "`share` is '0.5'; expected a number"),
        ({"on": 1}, "`on` is 1; expected True or False"),
        ({"path": 3}, "`path` is 3; expected text or Path"),
        ({"kind": "c"}, "`kind` is 'c'; expected a or b"),
        ({"several": 3}, "`several` is 3; expected text or a list of text"),
        ({"several": [3]}, r"`several` is \[3\]; expected"),
        ({"several": b"x"}, "`several` is b'x'; expected"),
        ({"by": ["a"]}, r"`by` is \['a'\]; expected a mapping"),
        ({"call": "print"}, "`call` is 'print'; expected a function"),
        ({"data": np.zeros(1000)}, "`data` is of type ndarray; expected Dataset"),
        ({"name": "x" * 9, "key": None}, "`key` is None; expected a whole number"),
    ],
)
def test_what_does_not_fit_is_named(given: dict[str, Any], means: str) -> None:
    with pytest.raises(UserError, match=means) as error:
        function(**given)
    assert len(str(error.value)) <= 300


def test_an_unknown_parameter_is_an_error_of_python_with_the_nearest_name() -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'shar'; did you mean 'share'"):
        function(shar=0.5)  # type: ignore[call-arg]


def test_pairs_come_as_text_list_or_mapping() -> None:
    assert pairs("mix=a", "where") == ("mix=a",) == pairs({"mix": "a"}, "where") == pairs(["mix=a"], "where")
    assert pairs((), "where") == () == pairs({}, "where")
    with pytest.raises(UserError, match=r"`where` is \[3\]; expected NAME=VALUE"):
        pairs([3], "where")  # type: ignore[list-item]


ROOT = Path(__file__).parent.parent
NEEDED: dict[str, dict[str, Any]] = {
    "acquisition": {"cube": "{cube}"}, "calibrate": {"cube": "{cube}"}, "edit": {"cubes": "{cube}"},
    "forecast": {"cube": "{cube}", "size": "1.7b"}, "detect": {"cube": "{cube}"}, "pool": {"cube": "{cube}"},
    "import_log": {"path": str(ROOT / "docs/examples/log.csv"), "metric": "accuracy", "tokens": "tokens"},
    "plan": {"study": str(ROOT / "sweeps/quick.yaml")}, "run": {"study": "no.yaml"},
    "score": {"model": "no", "output": "no.nc"},
    "simulate": {"truth": str(ROOT / "docs/examples/truth.yaml")},
}  # fmt: skip


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("arguments") / "cube.nc"
    calque.write(study(runs=1, n=12, languages=2, concepts=4)[0], path)
    return str(path)


@pytest.mark.parametrize("name", NEEDED)
@pytest.mark.parametrize("value", [object(), b"x", 1j])
def test_no_public_function_takes_an_odd_value(name: str, value: object, small: str) -> None:
    """Every parameter of every function is given a value of no use; each time it is refused by name."""
    function = getattr(calque, name)
    needed = {key: word.format(cube=small) for key, word in NEEDED[name].items()}
    for parameter in inspect.signature(function).parameters:
        try:
            function(**{**needed, parameter: value})
        except UserError as error:
            assert f"`{parameter}`" in str(error), (parameter, error)
        else:
            raise AssertionError(f"{name} takes {value!r} as {parameter}")
