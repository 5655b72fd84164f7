"""``sweeps init``: a study file to start from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from calque.data.command_line.options import Json
from calque.data.command_line.output import check_json, emit_json


def init_command(
    name: Annotated[str, typer.Argument(help="The study's name; its file is NAME.yaml.", show_default=False)],
    corpus: Annotated[str, typer.Option(help="world, sample, debian, text or hub.")] = "world",
    sizes: Annotated[
        str | None,
        typer.Option(help="Sizes of models with commas between, such as nano,micro.", show_default="the base's"),
    ] = None,
    mixes: Annotated[
        list[str] | None,
        typer.Option("--mix", help="Language mix, such as drop:en; repeatable.", show_default="uniform"),
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Runs of each size and mix, with seeds from 0.")] = 3,
    tokens: Annotated[
        str | None, typer.Option(help="Training tokens of a run, such as 300M.", show_default="the base's")
    ] = None,
    folder: Annotated[
        Path | None, typer.Option(help="Folder of text, for the corpus text: a folder for each language.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="File to write.", show_default="NAME.yaml")
    ] = None,
    json_file: Json = None,
) -> None:
    """Write a commented study file to start from, and the JSON Schema that editors check it with.

    For example: sweeps init pilot --corpus text --folder texts --sizes nano,micro --mix uniform --mix drop:en
    """
    from calque.sweeps.api.init import init

    check_json(json_file)
    done = init(name, corpus=corpus, sizes=sizes, mixes=mixes, seeds=seeds, tokens=tokens, folder=folder, output=output)
    if not emit_json(json_file, done.to_dict()):
        done.show()
