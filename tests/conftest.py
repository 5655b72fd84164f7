"""What several test files share: a small study that trains in seconds."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

SMALL_STUDY = """\
study: small
about: a world of three languages for tests
base: world-cpu
defaults:
  size: tiny
  world: {languages: 3, nouns: 4, verbs: 2, adjectives: 2, names: 12, nonce: 6, syllables: 12,
          train_tokens: 60k, heldout_tokens: 2000}
  training: {tokens: 40k, context: 32, batch_size: 4, warmup_tokens: 2k}
  checkpoints: {every: 8k, log_spaced: 3, first: 1k}
  evaluation: {heldout_tokens: 512, minimal_pairs: 5}
runs:
  first: {seeds: [0]}
  first-s1: {init_seed: 1, data_seed: 1, checkpoints: {every: 10k}}
"""


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Prepared data goes to a folder of the test run."""
    folder = tmp_path_factory.getbasetemp() / "home"
    monkeypatch.setenv("CALQUE_HOME", str(folder))
    return folder


@pytest.fixture(autouse=True)
def no_open_figures() -> Iterator[None]:
    """Pictures of a test are closed after it."""
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


@pytest.fixture
def small_study(tmp_path: Path) -> Path:
    """A study file of two runs, a few seconds each."""
    path = tmp_path / "small.yaml"
    path.write_text(SMALL_STUDY)
    return path
