"""``phases import``: anyone's log to a cube."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from calque.data.command_line.options import OUTPUT_CUBE, Json
from calque.data.command_line.output import check_json, check_output, emit_json
from calque.data.errors import UserError

if TYPE_CHECKING:
    from calque.phases.formats.importing import Imported

SHOWN_NOTES = 10
UNITS = {"": 1, "k": 10**3, "m": 10**6, "b": 10**9, "t": 10**12}


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
        typer.Option("--from", help="csv, parquet, tensorboard, wandb or lm-eval. Default: guessed from the path.",
                     metavar="FORMAT"),
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
    json_file: Json = None,
) -> None:  # fmt: skip
    """Turn a log of metrics over training into a cube that 'phases detect' reads.

    CSV and Parquet tables, TensorBoard folders, Weights & Biases exports, lm-evaluation-harness results.
    """
    pattern = _pattern(checkpoint)
    per_step = _amount(tokens_per_step)
    check_output(out)
    check_json(json_file)
    from calque.data import cube as cubes
    from calque.phases.formats.base import Request
    from calque.phases.formats.importing import import_log

    request = Request(
        path=path, metrics=tuple(dict.fromkeys(metric)), tokens=tokens, tokens_per_step=per_step, trials=trials,
        run=run, checkpoint=pattern,
    )  # fmt: skip
    made = import_log(request, format, tuple(continuous or ()), every, tuple(percent or ()))
    cubes.write(made.cube, out)
    file = sys.stderr if json_file == "-" else sys.stdout
    how = "guessed; --from says otherwise" if made.guessed else "as told"
    print(f"{path}: read as {made.format} ({how})", file=file)
    for note in made.notes[:SHOWN_NOTES]:
        print(f"  note: {note}", file=file)
    if len(made.notes) > SHOWN_NOTES:
        print(f"  and {len(made.notes) - SHOWN_NOTES} more notes, in the cube's attribute import_notes", file=file)
    names = [str(n) for n, v in made.cube.data_vars.items() if "metric_kind" in v.attrs]
    runs, points = made.cube.sizes["run"], made.cube.sizes["checkpoint"]
    print(f"{out}: {runs} run{'s' * (runs != 1)}, up to {points} checkpoints, {', '.join(names)}", file=file)
    emit_json(json_file, _answer(made, str(out)))


def _pattern(text: str | None) -> re.Pattern[str] | None:
    if text is None:
        return None
    try:
        pattern = re.compile(text)
    except re.error as error:
        raise UserError(f"--checkpoint {text}: {error}; expected a regular expression") from error
    if not {"step", "tokens"} & set(pattern.groupindex):
        raise UserError(f"--checkpoint {text}: expected a group named step or tokens, such as 'step(?P<step>[0-9]+)'")
    return pattern


def _amount(text: str | None) -> float | None:
    if text is None:
        return None
    match = re.fullmatch(r"(\d[\d_]*(?:\.\d+)?(?:e\d+)?)([kmbt]?)", text.strip(), re.IGNORECASE)
    value = float(match.group(1).replace("_", "")) * UNITS[match.group(2).lower()] if match else 0.0
    if not 0 < value < float("inf"):
        raise UserError(f"--tokens-per-step {text}: expected a positive number such as 2097152 or 2M")
    return value


def _answer(made: Imported, out: str) -> dict[str, Any]:
    cube = made.cube
    return {
        "schema": 1, "cube": out, "format": made.format, "guessed": made.guessed,
        "runs": [
            {"run": str(r), "checkpoints": int(cube["tokens"].sel(run=r).notnull().sum())} for r in cube["run"].values
        ],
        "metrics": [
            {"metric": str(n), "metric_kind": v.attrs["metric_kind"], "trials": v.attrs.get("trials")}
            for n, v in cube.data_vars.items() if "metric_kind" in v.attrs
        ],
        "notes": list(made.notes),
    }  # fmt: skip
