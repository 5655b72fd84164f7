"""``sweeps push``: an exported checkpoint to the hub."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from calque.data.command_line.options import Json
from calque.data.command_line.output import emit_json


def push_command(
    folder: Annotated[Path, typer.Argument(help="Folder that sweeps export wrote.", show_default=False)],
    repository: Annotated[
        str, typer.Argument(metavar="OWNER/NAME", help="On the hub; made where it is missing.", show_default=False)
    ],
    upload: Annotated[bool, typer.Option("--upload", help="Send it; without, say what would be sent.")] = False,
    public: Annotated[
        bool, typer.Option("--public", help="Whether everybody can read a repository that is made now.")
    ] = False,
    revision: Annotated[str, typer.Option(help="Branch; made where it is missing.")] = "main",
    json_file: Json = None,
) -> None:
    """Send an exported checkpoint to the Hugging Face hub. Without --upload nothing is sent, and the hub is not asked.

    The token is that of HF_TOKEN, or of `hf auth login`. After a failure of the network run the same again.

    For example: sweeps push exported me/calque-micro
    """
    from calque.data.quantities import plural
    from calque.sweeps.checkpoints.pushing import push_export

    made = push_export(folder, repository, upload=upload, public=public, revision=revision)
    if emit_json(json_file, made):
        return
    whole = sum(file["bytes"] for file in made["files"])
    for file in made["files"]:
        print(f"{file['name']}: {file['bytes']:,} bytes")
    what = f"{plural(len(made['files']), 'file')}, {whole:,} bytes"
    if upload:
        print(f"{what} sent to {repository}, {revision}: {made['commit']}")
    else:
        kind = "public" if public else "private"
        print(f"{what} for {repository}, {revision} ({kind} if it is made now); nothing was sent: add --upload")
