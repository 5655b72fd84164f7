"""A run over two devices: started by the same command, the same numbers in its cube, its own errors not tried again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from calque.data import cube
from calque.sweeps.study.study import Study, read_study
from calque.sweeps.trial.request import TrialRequest
from calque.sweeps.trial.trial import run_trial


def study(small_study: Path, training: str) -> Study:
    text = small_study.read_text()
    small_study.write_text(text.replace("warmup_tokens: 2k}", f"warmup_tokens: 2k, {training}}}"))
    return read_study(small_study)


def test_two_devices_give_the_cube_of_one(small_study: Path, tmp_path: Path) -> None:
    alone = read_study(small_study)
    run_trial(TrialRequest(config=alone.run("first-s0"), results=tmp_path / "one", study_yaml=alone.text))
    shared = study(small_study, "devices: 2, strategy: fsdp2")
    standing = run_trial(TrialRequest(config=shared.run("first-s0"), results=tmp_path / "two", study_yaml=shared.text))
    assert standing.state == "done", standing.message
    one, two = (cube.read(tmp_path / name / "runs" / "first-s0" / "run.nc") for name in ("one", "two"))
    np.testing.assert_allclose(two["loss"].values, one["loss"].values, atol=1e-3)
    np.testing.assert_array_equal(two["tokens"].values, one["tokens"].values)
    assert (two["translation_outcome"].values == one["translation_outcome"].values).mean() > 0.98
    assert all(state.is_dir() for state in (tmp_path / "two" / "runs" / "first-s0" / "states").glob("*.ckpt"))


@pytest.mark.slow
def test_an_error_of_the_run_itself_is_recorded_and_not_tried_again(small_study: Path, tmp_path: Path) -> None:
    broken = study(small_study, "devices: 2, learning_rate: 1.0e+30")
    standing = run_trial(TrialRequest(config=broken.run("first-s0"), results=tmp_path, study_yaml=broken.text))
    assert standing.state == "failed"
    assert "nan at step" in standing.message or "inf at step" in standing.message
