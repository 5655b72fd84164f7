"""``phases edit``: cubes joined, runs renamed, coordinates added, flagged checkpoints left out."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from calque.data.command_line.options import OUTPUT_CUBE, Json, Runs
from calque.data.command_line.output import check_json, check_output, emit_json


def edit(
    cubes: Annotated[list[Path], typer.Argument(metavar="CUBE", help="One cube, or several to join.")],
    output: Annotated[Path, OUTPUT_CUBE],
    run: Runs = None,
    names_from_files: Annotated[
        bool, typer.Option("--names-from-files", help="Name every run after its file or folder: a/results.nc gives a.")
    ] = False,
    rename: Annotated[
        list[str] | None, typer.Option("--rename", metavar="OLD=NEW", help="A run's new name; repeatable.")
    ] = None,
    coord: Annotated[
        list[str] | None,
        typer.Option("--coord", metavar="NAME=VALUE", help="Coordinate of all runs, such as mix=uniform; repeatable."),
    ] = None,
    coords: Annotated[
        Path | None,
        typer.Option("--coords", metavar="FILE", help="CSV with a column run and one for every coordinate."),
    ] = None,
    run_pattern: Annotated[
        str | None,
        typer.Option("--run-pattern", metavar="PATTERN", help="Coordinates from runs' names: {size}-{mix}-s{seed}."),
    ] = None,
    drop: Annotated[
        list[str] | None,
        typer.Option(
            "--drop",
            metavar="FLAG",
            help="Leave out checkpoints with this flag: "
            "duplicate_weights, outlier, not_finite, shared_file; repeatable.",
        ),
    ] = None,
    json_file: Json = None,
) -> None:
    """Join cubes, rename runs, add coordinates, leave out flagged checkpoints.

    Nothing else changes: groups such as timing are kept, and what the joined cubes do not share is named.

    For example: phases edit results.nc -o edited.nc --coord mix=uniform
    """
    from calque.data.cube.source import write
    from calque.phases.api.edit import edit as run_edit

    check_json(json_file)
    check_output(output)
    done = run_edit(
        cubes,
        run=run,
        names_from_files=names_from_files,
        rename=rename,
        coord=coord,
        coords=coords,
        run_pattern=run_pattern,
        drop=drop,
    )
    write(done, output)
    emit_json(json_file, {**done.to_dict(), "cube": str(output)})
    done.show(stderr=json_file == "-")
    print(f"wrote {output}", file=sys.stderr if json_file == "-" else sys.stdout)
