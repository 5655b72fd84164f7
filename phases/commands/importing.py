"""``phases import``: anyone's log to a cube."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from calque.data.command_line.options import OUTPUT_CUBE, Json
from calque.data.command_line.output import check_json, check_output, emit_json


def import_(
    path: Annotated[Path, typer.Argument(help="The log: a file, or the folder its tool wrote.", metavar="PATH")],
    metric: Annotated[
        list[str],
        typer.Option("--metric", help="Column, tag or task/metric, as the tool calls it; repeatable.", metavar="COL"),
    ],
    out: Annotated[Path, OUTPUT_CUBE],
    tokens: Annotated[
        str | None,
        typer.Option("--tokens", help="Column or tag of training tokens. Default: the tool's own step.", metavar="COL"),
    ] = None,
    tokens_per_step: Annotated[
        str | None,
        typer.Option("--tokens-per-step", help="Turns steps into tokens (2097152, 2M); 1 keeps steps.", metavar="N"),
    ] = None,
    trials: Annotated[
        str | None,
        typer.Option("--trials", help="Column or number of trials behind each value: counts, or proportions of them.",
                     metavar="COL|N"),
    ] = None,
    run: Annotated[str | None, typer.Option("--run", help="Column that names the run.", metavar="COL")] = None,
    format: Annotated[
        str | None,
        typer.Option("--from", help="csv, parquet, tensorboard, wandb, lm-eval or trainer. Default: guessed from the "
                     "path.", metavar="FORMAT"),
    ] = None,
    checkpoint: Annotated[
        str | None,
        typer.Option("--checkpoint", help="lm-eval: regular expression with group step or tokens (and run) that finds "
                     "the position in a revision or path.", metavar="PATTERN"),
    ] = None,
    continuous: Annotated[
        list[str] | None,
        typer.Option("--continuous", help="This metric is no proportion, even within 0 and 1; repeatable.",
                     metavar="COL"),
    ] = None,
    percent: Annotated[
        list[str] | None,
        typer.Option("--percent", help="This metric is in percent: divide it by 100; repeatable.", metavar="COL"),
    ] = None,
    every: Annotated[
        int, typer.Option("--every", min=1, help="Keep every N-th checkpoint of each run.", metavar="N")
    ] = 1,
    shots: Annotated[
        int | None,
        typer.Option("--shots", min=0, help="lm-eval: only results with this number of shots. Default: a run for each.",
                     metavar="N"),
    ] = None,
    join: Annotated[
        bool,
        typer.Option("--join", help="Runs whose names differ in a number at the end (version_0, version_1) are one "
                     "training, resumed: where positions fall, what follows replaces all from there on."),
    ] = False,
    unsorted: Annotated[
        bool, typer.Option("--unsorted", help="The order of rows means nothing: sort them by position.")
    ] = False,
    coord: Annotated[
        list[str] | None,
        typer.Option("--coord", help="Coordinate of runs from a column with one value a run, such as size=model_size; "
                     "repeatable.", metavar="NAME=COL"),
    ] = None,
    run_pattern: Annotated[
        str | None,
        typer.Option("--run-pattern", help="Coordinates from the runs' names, such as '{size}-{mix}-s{seed}'; {} "
                     "stands for anything.", metavar="PATTERN"),
    ] = None,
    json_file: Json = None,
) -> None:  # fmt: skip
    """Turn a log of metrics over training into a cube that 'phases detect' reads.

    CSV and Parquet tables, TensorBoard folders, Weights & Biases exports, lm-evaluation-harness results, the
    trainer_state.json of transformers.

    For example: phases import log.csv --tokens tokens --metric accuracy --trials 125 -o log.nc
    """
    check_output(out)
    check_json(json_file)
    from calque.data import cube as cubes
    from calque.phases.api.import_log import import_log

    found = import_log(
        path, metric=metric, tokens=tokens, tokens_per_step=tokens_per_step, trials=trials, run=run, format=format,
        checkpoint=checkpoint, continuous=continuous, percent=percent, every=every, shots=shots, join=join,
        unsorted=unsorted, coord=coord, run_pattern=run_pattern,
    )  # fmt: skip
    cubes.write(found.cube, out)
    found.show(stderr=json_file == "-")
    print(f"wrote {out}", file=sys.stderr if json_file == "-" else sys.stdout)
    emit_json(json_file, {**found.to_dict(), "cube": str(out)})
