"""What smaller runs forecast: their takeoffs in size; files of no use are left out, and none fails a run."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from calque.data import cube
from calque.models.config.adaptive import Adaptive
from calque.models.config.schedule import CheckpointSchedule
from calque.models.config.training import TrainingConfig
from calque.scaling.observations import Observation
from calque.sweeps.study.run_config import RunConfig
from calque.sweeps.trial import siblings as adaptive_siblings
from calque.sweeps.trial.siblings import LEAST_SD, ONE_SIZE_SD, SEEDS_SD, Siblings, forecast
from tests.phases_cube import study


def config(name: str, **changes: object) -> RunConfig:
    values = {
        "training": TrainingConfig(tokens=5_000_000, context=64, batch_size=8),
        "checkpoints": CheckpointSchedule(every=500_000, adaptive=Adaptive(budget=5)),
        **changes,
    }
    return RunConfig(name=name, **values)  # type: ignore[arg-type]


def write(results: Path, name: str, n: float = 1e5, until: int | None = None, **changes: object) -> Path:
    """Write a sibling's cube: the simulated study's first run, up to a checkpoint."""
    one = study(0, runs=1)[0].isel(checkpoint=slice(until)).assign_coords(
        run=[name], size=("run", ["nano"]), n_params_non_embedding=("run", [n]),
        config_json=("run", [json.dumps(config(name, **changes).to_dict())]),
    )  # fmt: skip
    path = results / "runs" / name / "run.nc"
    cube.write(one, path)
    return path


def located(run: str, n: float, tokens: float) -> Observation:
    return Observation(run=run, size="s", n=n, kind="located", tokens=tokens, low=0.9 * tokens, high=1.1 * tokens)


def test_a_smaller_run_says_when_with_a_wide_spread(tmp_path: Path) -> None:
    write(tmp_path, "small", 1e5)
    said = Siblings(config("mine"), 1_000_000, tmp_path)()
    assert said is not None
    assert said.log10_tokens == pytest.approx(math.log10(study(0, runs=1)[1]["translation"]), abs=0.1)
    assert said.sd == ONE_SIZE_SD and said.runs == ("small",)
    same_size = Siblings(config("mine"), 100_000, tmp_path)()
    assert same_size is not None and same_size.sd == SEEDS_SD


def test_runs_of_another_kind_and_larger_ones_say_nothing(tmp_path: Path) -> None:
    write(tmp_path, "larger", 1e7)
    write(tmp_path, "mix", mix="drop:w1")
    write(tmp_path, "batch", training=TrainingConfig(tokens=5_000_000, context=64, batch_size=16))
    write(tmp_path, "mine", 1e5)
    assert Siblings(config("mine"), 1_000_000, tmp_path)() is None
    write(tmp_path, "seed", 1e5, init_seed=7, data_seed=7)
    found = Siblings(config("mine"), 1_000_000, tmp_path)()
    assert found is not None and found.runs == ("seed",)


def test_a_file_that_cannot_be_read_is_left_out_and_named_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = write(tmp_path, "small")
    for name, content in (("cut", path.read_bytes()[:3000]), ("other", b"no cube")):
        (tmp_path / "runs" / name).mkdir()
        (tmp_path / "runs" / name / "run.nc").write_bytes(content)
    odd = write(tmp_path, "odd")
    cube.write(cube.read(odd).assign_coords(config_json=("run", ["{}"])), odd)
    siblings = Siblings(config("mine"), 1_000_000, tmp_path)
    found = siblings()
    assert found is not None and found.runs == ("small",)
    assert siblings() == found
    messages = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(messages) == 3
    for name in ("cut", "odd", "other"):
        told = [message for message in messages if str(tmp_path / "runs" / name / "run.nc") in message]
        assert len(told) == 1 and "cannot help to forecast the takeoff of run 'mine': " in told[0], messages
    assert any("name is missing" in message for message in messages), "a key that the configuration lacks"

    def broken(*args: object, **kwargs: object) -> None:
        raise FloatingPointError

    monkeypatch.setattr(adaptive_siblings, "analyse", broken)
    assert siblings() == found, "what is settled is not looked at again"
    assert Siblings(config("mine"), 1_000_000, tmp_path)() is None


def test_a_fault_of_the_program_is_not_taken_for_a_broken_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "small")
    monkeypatch.setattr(adaptive_siblings, "analyse", lambda *args, **more: None.no_such_thing)  # type: ignore[attr-defined]
    with pytest.raises(AttributeError):
        Siblings(config("mine"), 1_000_000, tmp_path)()


def test_one_that_has_not_taken_off_is_looked_at_again_when_it_stands_further(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = []
    analyse = adaptive_siblings.analyse
    monkeypatch.setattr(adaptive_siblings, "analyse", lambda t, **more: looked.append(t.n) or analyse(t, **more))
    siblings = Siblings(config("mine"), 1_000_000, tmp_path)
    write(tmp_path, "small", until=15)
    assert siblings() is None and siblings() is None
    write(tmp_path, "small")
    assert siblings() is not None and siblings() is not None
    assert looked == [15, 45]


def test_with_several_sizes_the_law_of_scaling_is_followed() -> None:
    sizes = {1e5: 3.2e6, 4e5: 2.26e6, 1.6e6: 1.6e6}  # a quarter power
    found = [located(f"{n:g}-{i}", n, t * f) for n, t in sizes.items() for i, f in enumerate((0.97, 1.0, 1.03))]
    said = forecast(found, 6.4e6)
    assert said is not None
    assert said.log10_tokens == pytest.approx(math.log10(1.13e6), abs=0.04)
    assert LEAST_SD <= said.sd < 0.15
    assert len(said.runs) == 9
    assert forecast(found, 6.4e6) == said, "the same runs say the same"
    assert forecast([], 1e6) is None


def test_where_the_law_says_less_than_the_largest_size_that_is_followed() -> None:
    found = [located("a", 1.00e6, 1e6), located("b", 1.05e6, 2e6)]
    said = forecast(found, 1e9)
    assert said is not None
    assert (said.log10_tokens, said.sd) == (pytest.approx(math.log10(2e6), abs=1e-5), ONE_SIZE_SD)
    assert np.isfinite(said.log10_tokens)
