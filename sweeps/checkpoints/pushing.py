"""An exported checkpoint sent to the Hugging Face hub, or a summary of what would be sent."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from calque.data.corpora.hub.network import with_retries
from calque.data.errors import UserError, shown

REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
CONFIG, WEIGHTS = "config.json", "*.safetensors"
ATTEMPTS = 4


def push_export(
    folder: str | os.PathLike[str], repository: str, *, upload: bool = False, public: bool = False,
    revision: str = "main", attempts: int = ATTEMPTS,
) -> dict[str, Any]:  # fmt: skip
    """Send an exported checkpoint to the hub and return a summary; by default say what would be sent, and send nothing.

    Parameters
    ----------
    folder : path
        As ``sweeps export`` wrote it.
    repository : str
        ``OWNER/NAME``; made where it is missing.
    upload : bool
        Whether to send; otherwise the hub is not contacted.
    public : bool
        Whether a repository that is made now can be read by everybody; one that is there stays as it is.
    revision : str
        The branch; made where it is missing.
    attempts : int
        Most requests in a row that the network may fail; files that have arrived are not sent again.

    Returns
    -------
    dict
        JSON-ready: ``repository``, ``revision``, ``files`` with their ``bytes``, ``uploaded``, and the address of the
        ``commit`` (None without one).

    Raises
    ------
    UserError
        When the folder is no exported checkpoint, the repository's name cannot be one, or the hub refuses or cannot be
        reached.
    """
    folder = Path(folder)
    if not REPOSITORY.fullmatch(repository):
        raise UserError(f"`repository` is {shown(repository)}; expected OWNER/NAME such as lab/calque-152m")
    if not (folder / CONFIG).is_file() or not any(folder.glob(WEIGHTS)):
        missing = "a file of weights" if (folder / CONFIG).is_file() else CONFIG
        raise UserError(f"{folder} is no exported checkpoint ({missing} is missing); make one with sweeps export")
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    summary: dict[str, Any] = {
        "schema": 1, "folder": str(folder), "repository": repository, "revision": revision, "public": public,
        "files": [{"name": p.relative_to(folder).as_posix(), "bytes": p.stat().st_size} for p in files],
        "uploaded": False, "commit": None,
    }  # fmt: skip
    if not upload:
        return summary
    commit = with_retries(
        f"{repository} on the hub", attempts, lambda: _send(folder, repository, public, revision, summary["files"])
    )
    return summary | {"uploaded": True, "commit": commit}


def _send(folder: Path, repository: str, public: bool, revision: str, files: list[dict[str, Any]]) -> str:
    """Make the repository and the branch where they are missing, send the files, and return the commit's address."""
    from huggingface_hub import HfApi

    hub = HfApi()
    hub.create_repo(repository, private=not public, exist_ok=True)
    if revision != "main":
        hub.create_branch(repository, branch=revision, exist_ok=True)
    made = hub.upload_folder(
        repo_id=repository, folder_path=folder, revision=revision, commit_message="Add a checkpoint of Calque",
        allow_patterns=[file["name"] for file in files],
    )  # fmt: skip
    return str(made.commit_url)
