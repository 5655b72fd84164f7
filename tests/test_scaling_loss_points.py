"""Points read from a cube: the last loss of every run and language, tokens split by share."""

import numpy as np
import pytest
import xarray as xr

from calque.data.errors import UserError
from calque.scaling.loss.points import cube_points


@pytest.fixture
def cube() -> xr.Dataset:
    loss = np.array([[[5.0, 6.0], [3.0, 4.0], [np.nan, np.nan]], [[5.0, 6.0], [4.0, np.nan], [2.0, np.nan]]])
    return xr.Dataset(
        {
            "tokens": (("run", "checkpoint"), [[1e9, 2e9, np.nan], [1e9, 2e9, 4e9]]),
            "loss": (("run", "checkpoint", "language"), loss),
            "share": (("run", "language"), [[0.75, 0.25], [0.5, np.nan]]),
        },
        coords={"run": ["a", "b"], "language": ["en", "de"], "n_params_non_embedding": ("run", [1e7, 3e7])},
    )


def test_the_last_loss_of_every_run_and_language(cube: xr.Dataset) -> None:
    points = cube_points(cube)
    assert points.language is not None and points.share is not None and points.other is not None
    assert points.run.tolist() == ["a", "a", "b"] and points.language.tolist() == ["en", "de", "en"]
    np.testing.assert_allclose(points.loss, [3.0, 4.0, 2.0])
    np.testing.assert_allclose(points.n, [1e7, 1e7, 3e7])
    np.testing.assert_allclose(points.d, [1.5e9, 0.5e9, 2e9])  # the language's own tokens
    np.testing.assert_allclose(points.d + points.other, [2e9, 2e9, 4e9])
    np.testing.assert_allclose(points.share, [0.75, 0.25, 0.5])


def test_without_shares_all_tokens_count(cube: xr.Dataset) -> None:
    points = cube_points(cube.drop_vars("share"))
    assert points.share is None and points.other is None
    np.testing.assert_allclose(points.d, [2e9, 2e9, 4e9, 1e9])
    whole = cube_points(cube.drop_vars("share").isel(language=0, drop=True))
    assert len(whole) == 2 and set(whole.language.tolist()) == {"all"}  # type: ignore[union-attr]


def test_what_a_cube_lacks_is_said(cube: xr.Dataset) -> None:
    for name in ("loss", "n_params_non_embedding"):
        with pytest.raises(UserError, match="the cube has no 'loss' with 'n_params_non_embedding'"):
            cube_points(cube.drop_vars(name))
    with pytest.raises(UserError, match="no finite loss"):
        cube_points(cube.assign(loss=cube["loss"] * np.nan))
