"""What several test files share: a small study that trains in seconds."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from tests.object_store import ObjectStore

# test processes run beside each other: with a thread a core for each, they wait for one another most of the time
os.environ.setdefault("OMP_NUM_THREADS", "1")
# an example is as slow as the machine is busy: no test hangs on that
settings.register_profile("calque", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("calque")

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


@pytest.fixture(scope="session")
def _store() -> Iterator[ObjectStore]:
    from tests.object_store import ObjectStore

    with ObjectStore().open() as store:
        yield store


@pytest.fixture
def store(_store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> Iterator[ObjectStore]:
    """An S3 store on this machine, with an empty bucket ``bucket``; the environment leads to it."""
    import fsspec

    for name, value in _store.environment.items():
        monkeypatch.setenv(name, value)
    _store.door = lambda method, path: None
    files = fsspec.filesystem("s3", skip_instance_cache=True)
    if files.exists("bucket"):
        files.rm("bucket", recursive=True)
    files.mkdir("bucket")
    yield _store
    _store.door = lambda method, path: None


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """A browser; with :data:`tests.browser.NEEDS_BROWSER`."""
    from tests.browser import BROWSER

    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"] if os.getuid() == 0 else [])
        yield browser
        browser.close()


@pytest.fixture
def small_study(tmp_path: Path) -> Path:
    """A study file of two runs, a few seconds each."""
    path = tmp_path / "small.yaml"
    path.write_text(SMALL_STUDY)
    return path
