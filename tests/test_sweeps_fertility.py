"""How a tokenizer cuts each language is part of a run's cube."""

import math
from pathlib import Path

import numpy as np
import pytest

from calque.data import cube as cubes
from calque.sweeps.prepare.prepare import make_shards
from calque.sweeps.study.run_config import RunConfig
from calque.sweeps.trial.request import TrialRequest
from calque.sweeps.trial.trial import run_trial

SMALL = {"tokens": 512, "context": 16, "batch_size": 4, "warmup_tokens": 64}


def test_fertility_of_the_shards_is_in_the_cube(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALQUE_HOME", str(tmp_path / "home"))
    config = RunConfig.from_dict(
        {
            "name": "a", "size": "tiny", "corpus": "sample", "training": SMALL, "checkpoints": {"every": 512},
            "sample": {"languages": ["en", "zh"], "tokenizer": "bpe:300"},
            "evaluation": {"concepts": 2, "minimal_pairs": 1, "heldout_tokens": 64},
        }
    )  # fmt: skip
    run_trial(TrialRequest(config=config, results=tmp_path / "results", study_yaml=""))
    made = cubes.read(tmp_path / "results" / "runs" / "a" / "run.nc")
    measured = make_shards(config).fertility
    for name in ("tokens_per_word", "bytes_per_token"):
        assert made[name].dims == ("run", "language") and made[name].attrs["long_name"]
        np.testing.assert_allclose(made[name].values[0], [measured[code][name] for code in made["language"].values])
    assert not math.isclose(*made["tokens_per_word"].values[0])
