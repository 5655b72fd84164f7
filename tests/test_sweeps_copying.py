"""Runs that train on fewer tokens or begin with other text: what their cubes say."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from calque.data import cube
from calque.data.errors import UserError
from calque.models.decoder.targets import repeated_bigrams
from calque.sweeps.prepare.prepare import prepare, prepare_all, sampler_of
from calque.sweeps.prepare.report import epochs
from calque.sweeps.study.run_config import RunConfig
from calque.sweeps.study.study import read_study
from calque.sweeps.trial.request import TrialRequest
from calque.sweeps.trial.trial import run_trial
from tests.conftest import SMALL_STUDY

ARMS = """\
  hapax: {training: {loss: hapax}, world: {copying_first: 8k}}
  without: {world: {no_copying_first: 8k, recurring_names: false}}
  too-long: {world: {copying_first: 40k}}
"""


@pytest.fixture(scope="module")
def arms(tmp_path_factory: pytest.TempPathFactory) -> dict[str, RunConfig]:
    path = tmp_path_factory.mktemp("arms") / "arms.yaml"
    path.write_text(SMALL_STUDY + ARMS)
    return {run.name: run for run in read_study(path).runs}


def test_a_run_without_the_options_is_the_run_it_was(arms: dict[str, RunConfig]) -> None:
    """Its dictionary names none of them, so that its identity stays."""
    usual = arms["first-s0"].to_dict()
    assert "loss" not in usual["training"]
    assert not {"recurring_names", "copying_first", "no_copying_first"} & set(usual["world"])
    for run in arms.values():
        assert RunConfig.from_dict(run.to_dict()) == run
    assert arms["hapax"].to_dict()["training"]["loss"] == "hapax"
    assert arms["without"].to_dict()["world"]["recurring_names"] is False
    assert len({run.run_id for run in arms.values()}) == len(arms)


def test_a_cube_counts_the_tokens_with_loss_and_tells_both_losses(arms: dict[str, RunConfig], tmp_path: Path) -> None:
    config = arms["hapax"]
    standing = run_trial(TrialRequest(config=config, results=tmp_path))
    assert standing.state == "done", standing.message
    found, data = cube.read(tmp_path / "runs" / "hapax" / "run.nc"), prepare(config)
    sampler = sampler_of(config, data)
    counts = np.cumsum(
        [0] + [int((~repeated_bigrams(torch.from_numpy(sampler.batch(i)))).sum()) for i in range(config.training.steps)]
    )
    steps = found["step"].values[0].astype(int)
    np.testing.assert_array_equal(found["loss_tokens"].values[0], counts[steps])
    assert 0.3 < counts[-1] / found["tokens"].values[0, -1] < 0.95
    share = found["repeated_bigram_share"].values[0]
    parts = found["loss_new_bigram"].values * (1 - share) + found["loss_repeated_bigram"].values * share
    np.testing.assert_allclose(parts, found["loss"].values, rtol=1e-9)
    assert json.loads(str(found["rows_json"].values[0]))["opening"] == 8_000 // 32


def test_an_opening_is_read_once_and_the_rest_less_often(arms: dict[str, RunConfig]) -> None:
    run = arms["without"]
    data = prepare(run)
    read, drawn = epochs(run, data.shards), sampler_of(run, data).drawn(run.training.steps)
    assert set(read) == {"w1", "w2", "w3", "glossary", "opening"} == set(drawn)
    assert sum(drawn.values()) == run.training.steps * 4
    for stream, rows in drawn.items():
        assert read[stream] == pytest.approx(rows * 32 / data.shards.train[stream].tokens, rel=0.02)
    assert 0.95 < read["opening"] <= 1


def test_an_opening_that_leaves_nothing_else_is_refused(arms: dict[str, RunConfig]) -> None:
    with pytest.raises(UserError, match="begins with 40000 tokens of other text, and trains on 40000; expected fewer"):
        list(prepare_all((arms["too-long"],)))
