"""The command ``sweeps score``: existing checkpoints into a cube."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from calque.data.command_line.command import Command
from calque.data.errors import UserError

if TYPE_CHECKING:
    from calque.sweeps.score.scored_model import ScoredModel
    from calque.sweeps.score.scoring import ScoreResult
    from calque.sweeps.score.sources import RevisionSource

WHERE, WHAT, HOW = "Which checkpoints, and where in training they stand", "What is asked", "How"
DTYPES = ("auto", "float32", "bfloat16", "float16")
Panel = typer.Option


def score_command(
    context: typer.Context,
    model: Annotated[
        str,
        typer.Argument(
            help="A folder with a model or with one in each of its folders, a model's folder in the hub's cache, a "
            "trained run (results/STUDY/runs/NAME), or OWNER/NAME on the hub.",
            show_default=False,
        ),
    ],
    output: Annotated[Path, Panel("--output", "-o", help="The cube to write; one that exists is continued.")],
    revisions: Annotated[
        str | None,
        Panel(help="Names or patterns such as 'step*', with commas between, or all.", rich_help_panel=WHERE),
    ] = None,
    pattern: Annotated[
        str | None,
        Panel(
            help="How a name tells its position: {step} or {tokens} where it stands, * for anything.",
            rich_help_panel=WHERE,
        ),
    ] = None,
    tokens_per_step: Annotated[
        str | None, Panel(help="Tokens of an optimizer step, such as 2M or 2097152.", rich_help_panel=WHERE)
    ] = None,
    positions: Annotated[
        Path | None,
        Panel(help="CSV file with columns revision,tokens and, where it is known, step.", rich_help_panel=WHERE),
    ] = None,
    languages: Annotated[
        str | None, Panel(help="Codes with commas between; by default all nine.", rich_help_panel=WHAT)
    ] = None,
    template: Annotated[str | None, Panel(help="Wording: names, brackets or sentence.", rich_help_panel=WHAT)] = None,
    shots: Annotated[int | None, Panel(help="Lines shown before a question (2).", rich_help_panel=WHAT)] = None,
    shot_seed: Annotated[int | None, Panel(help="Chooses the lines shown (0).", rich_help_panel=WHAT)] = None,
    concepts: Annotated[
        int | None, Panel(help="Number of concepts that are asked, the first ones.", rich_help_panel=WHAT)
    ] = None,
    minimal_pairs: Annotated[
        int | None, Panel(help="Most pairs of a language and phenomenon.", rich_help_panel=WHAT)
    ] = None,
    heldout: Annotated[
        str | None, Panel(help="Text for the loss: sample, none, or a folder of text (sample).", rich_help_panel=WHAT)
    ] = None,
    heldout_tokens: Annotated[str | None, Panel(help="Tokens of it a language (4096).", rich_help_panel=WHAT)] = None,
    tokenizer: Annotated[
        Path | None,
        Panel(help="Folder with a tokenizer.json for all revisions; by default their own.", rich_help_panel=WHAT),
    ] = None,
    name: Annotated[
        str | None, Panel(help="Name of the run in the cube; by default the model's.", rich_help_panel=HOW)
    ] = None,
    device: Annotated[str, Panel(help="auto, cpu, cuda, cuda:1, ...", rich_help_panel=HOW)] = "auto",
    dtype: Annotated[
        str,
        Panel(
            help="In which the model computes: float32, bfloat16, float16; auto is float32 on a CPU, else bfloat16.",
            rich_help_panel=HOW,
        ),
    ] = "auto",
    json_file: Annotated[
        str | None, Panel("--json", help="Write the answer as JSON to this file; '-' is stdout.")
    ] = None,
) -> None:
    """Score existing checkpoints into a cube that phases detect reads. Exit 1 if any could not be scored.

    Run it again after any interruption: what is scored is not scored again. Duplicate weights and outliers are flagged.
    """  # fmt: skip
    from calque.data.command_line.output import emit_json
    from calque.sweeps.score.display import ScoreDisplay
    from calque.sweeps.score.positions import place_revisions
    from calque.sweeps.score.scoring import score as score_all
    from calque.sweeps.score.sources import choose_revisions, open_source
    from calque.sweeps.score.trained_run import TrainedRunSource

    given = {
        "template": template, "shots": shots, "shot_seed": shot_seed, "concepts": concepts,
        "minimal_pairs": minimal_pairs, "heldout_tokens": _count(heldout_tokens, "--heldout-tokens"),
    }  # fmt: skip
    changes = {key: value for key, value in given.items() if value is not None}
    known = _positions(pattern, _count(tokens_per_step, "--tokens-per-step"), positions)
    source = open_source(model)
    names, named = choose_revisions(source, revisions)
    if isinstance(source, TrainedRunSource):
        for option, value in (("--pattern", pattern), ("--positions", positions), ("--languages", languages),
                              ("--heldout", heldout), ("--tokenizer", tokenizer)):  # fmt: skip
            if value is not None:
                raise UserError(f"{model} is a run of Calque, which has its own; leave out {option}")
        known = source
    order, left_out = place_revisions(names, known, named)
    if left_out:
        shown = ", ".join(left_out[:4]) + (", ..." if len(left_out) > 4 else "")
        print(f"sweeps: left out, since their names tell no position: {shown}", file=sys.stderr)
    subject = _subject(source, model, changes, languages, heldout, tokenizer, output, device, dtype)
    with ScoreDisplay(len(order)) as display:
        scored = score_all(source, subject, order, output, name or source.name, display)
    assert isinstance(context.command, Command)
    raise SystemExit(_report(scored, emit_json(json_file, scored.to_dict()), context.command))


def _positions(pattern: str | None, tokens_per_step: int | None, table: Path | None) -> Any:
    from calque.sweeps.score.positions import PatternPositions, TablePositions

    if table is not None:
        if pattern is not None or tokens_per_step is not None:
            raise UserError("--positions says where revisions stand; leave out --pattern and --tokens-per-step")
        return TablePositions(table)
    if pattern is None and tokens_per_step is not None:
        raise UserError("--tokens-per-step needs --pattern, such as --pattern 'step{step}'")
    return None if pattern is None else PatternPositions(pattern, tokens_per_step)


def _count(text: str | None, option: str) -> int | None:
    from calque.data.quantities import parse_count

    try:
        return None if text is None else int(parse_count(text))
    except ValueError as error:
        raise UserError(f"{option}: {error}") from None


def _subject(
    source: RevisionSource, model: str, changes: dict[str, Any], languages: str | None, heldout: str | None,
    tokenizer: Path | None, output: Path, device: str, dtype: str,
) -> ScoredModel:  # fmt: skip
    import torch

    from calque.sweeps.score.questions import Questions
    from calque.sweeps.score.scored_model import HuggingFaceModel
    from calque.sweeps.score.trained_run import TrainedRunModel, TrainedRunSource

    place = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
    try:
        torch.empty(1, device=place)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(
            f"--device is '{device}', which is not at hand ({reason}); expected auto, cpu or cuda"
        ) from None
    if dtype not in DTYPES:
        raise UserError(f"--dtype is '{dtype}'; expected one of {', '.join(DTYPES)}")
    if isinstance(source, TrainedRunSource):
        if dtype not in ("auto", "float32"):
            raise UserError(f"{model} is a run of Calque, scored in float32; leave out --dtype")
        return TrainedRunModel(source, changes, place)
    if languages is not None:
        changes |= {"languages": tuple(code.strip() for code in languages.split(","))}
    if heldout is not None:
        changes |= {"heldout": heldout}
    chosen = ("float32" if place == "cpu" else "bfloat16") if dtype == "auto" else dtype
    if tokenizer is not None and tokenizer.name == "tokenizer.json":
        tokenizer = tokenizer.parent
    return HuggingFaceModel(
        source.name, Questions(**changes), device=place, dtype=getattr(torch, chosen), tokenizer=tokenizer,
        tokenizer_sha256=_earlier_tokenizer(output),
    )  # fmt: skip


def _earlier_tokenizer(output: Path) -> str | None:
    from calque.data import cube

    if not output.exists():
        return None
    old = cube.read(output)
    return str(old["tokenizer_sha256"].values[0]) if "tokenizer_sha256" in old.coords else None


def _report(scored: ScoreResult, silent: bool, command: Command) -> int:
    for line in scored.lines():
        print(f"sweeps: {command.with_flags(line)}", file=sys.stderr)
    count = len(scored.file.rows)
    if not silent and count:
        print(f"{scored.file.path}: {count} checkpoints; next: phases detect {scored.file.path}")
    return 1 if scored.failed else 0
