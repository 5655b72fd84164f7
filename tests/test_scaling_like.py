"""Noise taken from a cube: what was simulated with some noise is found to have it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from calque.data.errors import UserError
from calque.scaling.cli import app
from calque.scaling.simulate.like import noise_like, tetrachoric
from calque.scaling.simulate.result import truth_of
from calque.scaling.simulate.simulate import simulate
from calque.scaling.simulate.truth import Truth


def cube_with(noise: dict[str, float], seed: int = 0, **changes: Any) -> Any:
    base: dict[str, Any] = {
        "sizes": [{"name": "s", "n_params_non_embedding": 6e7}],
        "seeds": 3,
        "checkpoints": {"count": 80, "first": 1e9, "last": 2e11},
        "languages": ["en", "de", "ru", "tr"],
        "concepts": 50,
        "law": {"t0": 4e9, "c": 5.8e14, "gamma": 0.6},
        "overlap": {"identical": 0.05, "shared_token": 0.1},
        "logprobs": "none",
        "noise": noise,
    }
    return simulate(Truth.model_validate(base | changes), seed=seed).cube


def test_tetrachoric_is_the_latent_correlation() -> None:
    rng = np.random.default_rng(0)
    a = rng.normal(size=400_000)
    b = 0.6 * a + 0.8 * rng.normal(size=a.size)
    right, other = a < -0.5, b < 0.2
    got = tetrachoric(float((right & other).mean()), float(right.mean()), float(other.mean()))
    assert got == pytest.approx(0.6, abs=0.01)


@pytest.mark.simulation
@pytest.mark.parametrize(
    "noise",
    [
        {"rho": 0.8, "sd": 0.4, "shared": 0.8, "persistence": 0.8, "concept": 0.6},
        {"rho": 0.3, "sd": 0.6, "shared": 0.0, "persistence": 0.4, "concept": 0.1},
    ],
)
def test_noise_is_recovered(noise: dict[str, float]) -> None:
    found = noise_like(cube_with(noise))
    # medians of posteriors that are wide: too large by .06 to .2 on four cubes of the first kind (docs/LOG.md)
    assert noise["sd"] - 0.12 < found.sd < noise["sd"] + 0.2
    assert found.rho == pytest.approx(noise["rho"], abs=0.3)
    assert found.shared == pytest.approx(noise["shared"], abs=0.25)
    assert found.persistence == pytest.approx(noise["persistence"], abs=0.12)
    assert found.concept == pytest.approx(noise["concept"], abs=0.2)


def test_simulating_like_a_cube(tmp_path: Path) -> None:
    from calque.data import cube as cubes

    real = tmp_path / "real.nc"
    cubes.write(cube_with({"rho": 0.5, "sd": 0.5, "persistence": 0.5}, seeds=1), real)
    truth = Path(__file__).parent.parent / "docs/examples/truth.yaml"
    out = tmp_path / "out.nc"
    done = CliRunner().invoke(app, ["simulate", str(truth), "-o", str(out), "--like", str(real)])
    assert done.exit_code == 0, done.output
    noise = truth_of(cubes.read(out))["truth"]["noise"]
    assert noise == noise_like(cubes.read(real)).model_dump()
    assert noise["sd"] > 0.3  # the example's own is 0.2


def test_a_cube_without_outcomes_is_refused() -> None:
    cube = cube_with({}, seeds=1)
    with pytest.raises(UserError, match="no item outcomes"):
        noise_like(cube.drop_vars("translation_outcome"))
    with pytest.raises(UserError, match="has 8 checkpoints and moves"):
        noise_like(cube.isel(checkpoint=slice(0, 4)))
