"""Revisions of a model on the Hugging Face hub, fetched one at a time."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

from huggingface_hub import HfApi
from huggingface_hub.errors import LocalEntryNotFoundError
from huggingface_hub.utils.tqdm import disable_progress_bars

from calque.data.corpora.hub.network import with_retries
from calque.data.errors import UserError
from calque.data.home import home
from calque.models.huggingface.weights import weight_files

T = TypeVar("T")
ATTEMPTS = 5
SMALL = ("config.json", "tokenizer.json", "tokenizer_config.json")
SAFE = ("model*.safetensors", "model.safetensors.index.json")
PICKLED = ("pytorch_model*.bin", "pytorch_model.bin.index.json")


class HubSource:
    """All branches and tags of ``OWNER/NAME``.

    A revision in the hub's cache on this machine is read there. Any other is downloaded to a folder of its own
    in CALQUE_HOME and removed once it is scored: a suite of 150 revisions does not fit on most disks.

    Parameters
    ----------
    model : str
        ``OWNER/NAME``.

    Raises
    ------
    UserError
        When the hub cannot be reached, or has no such model for this user.
    """

    every = False
    opening = "fetching"

    def __init__(self, model: str) -> None:
        self.name = model
        disable_progress_bars()
        self.api = HfApi()
        refs = self._ask(lambda: self.api.list_repo_refs(model))
        found = {ref.name: ref.target_commit for ref in [*refs.branches, *refs.tags]}
        self.revisions = dict(sorted(found.items()))

    def _ask(self, ask: Callable[[], T]) -> T:
        return with_retries(f"{self.name} on the hub", ATTEMPTS, ask)

    @contextmanager
    def fetched(self, revision: str) -> Iterator[Path]:
        """Yield the snapshot of ``revision``: in the cache, or downloaded and removed afterwards."""
        commit = self.revisions[revision]
        kept = self._cached(commit)
        if kept is not None:
            yield kept
            return
        folder = home() / "scored" / self.name.replace("/", "--")
        shutil.rmtree(folder, ignore_errors=True)
        try:
            yield self._ask(lambda: self._download(commit, folder))
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    @contextmanager
    def described(self, revision: str) -> Iterator[Path]:
        """Yield configuration and tokenizer of ``revision``: from the cache, or fetched without the weights."""
        commit = self.revisions[revision]
        kept = self._cached(commit)
        if kept is not None:
            yield kept
            return
        with TemporaryDirectory() as folder:
            yield Path(self._ask(lambda: self.api.snapshot_download(
                self.name, revision=commit, cache_dir=folder, allow_patterns=list(SMALL)
            )))  # fmt: skip

    def _cached(self, commit: str) -> Path | None:
        try:
            folder = Path(self.api.snapshot_download(self.name, revision=commit, local_files_only=True))
            weight_files(folder)
        except (LocalEntryNotFoundError, UserError):
            return None
        return folder if (folder / "config.json").exists() else None

    def _download(self, commit: str, folder: Path) -> Path:
        names = [file.rfilename for file in self.api.model_info(self.name, revision=commit).siblings or ()]
        safe = any(name.startswith("model") and name.endswith(".safetensors") for name in names)
        wanted = [*SMALL, *(SAFE if safe else PICKLED)]
        return Path(self.api.snapshot_download(self.name, revision=commit, cache_dir=folder, allow_patterns=wanted))
