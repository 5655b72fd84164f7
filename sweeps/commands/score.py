"""The command ``sweeps score``: existing checkpoints into a cube."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from calque.data.command_line.command import Command
from calque.data.command_line.options import Json
from calque.data.command_line.output import emit_json
from calque.data.quantities import plural
from calque.sweeps.commands.common import Anonymous, Pattern, Positions, Revisions, TokensPerStep

WHAT, PROBED, HOW = "What is asked", "What is probed", "How"
Panel = typer.Option


def score_command(
    context: typer.Context,
    model: Annotated[
        str,
        typer.Argument(
            help="A folder with a model or with one in each of its folders, a model's folder in the hub's cache, a run "
            "of Calque (results/STUDY/runs/NAME), or OWNER/NAME on the hub.",
            show_default=False,
        ),
    ],
    output: Annotated[Path, Panel("--output", "-o", help="The cube to write, or to resume.")],
    revisions: Revisions = None,
    pattern: Pattern = None,
    tokens_per_step: TokensPerStep = None,
    positions: Positions = None,
    languages: Annotated[
        str | None, Panel(help="Codes with commas between; by default all nine.", rich_help_panel=WHAT)
    ] = None,
    template: Annotated[
        str | None, Panel(help="Wording: names, brackets, sentence, codes.", rich_help_panel=WHAT)
    ] = None,
    shots: Annotated[int | None, Panel(help="Lines shown before a question (2).", rich_help_panel=WHAT)] = None,
    shot_seed: Annotated[int | None, Panel(help="Chooses the lines shown (0).", rich_help_panel=WHAT)] = None,
    concepts: Annotated[
        int | None,
        Panel(
            help="Word questions about at most so many concepts; invented words are not bounded by it.",
            rich_help_panel=WHAT,
        ),
    ] = None,
    minimal_pairs: Annotated[
        int | None, Panel(help="At most this many per language and phenomenon.", rich_help_panel=WHAT)
    ] = None,
    heldout: Annotated[
        str | None, Panel(help="Text for the loss: sample, none, or a folder of text (sample).", rich_help_panel=WHAT)
    ] = None,
    heldout_tokens: Annotated[str | None, Panel(help="Tokens of it a language (4096).", rich_help_panel=WHAT)] = None,
    tasks: Annotated[
        str | None,
        Panel(
            help="Some of words,nonce,minimal_pairs,loss, with commas between; by default all.", rich_help_panel=WHAT
        ),
    ] = None,
    limit: Annotated[
        int | None,
        Panel(
            help="At most so many items of each task but the loss, the same at every checkpoint.", rich_help_panel=WHAT
        ),
    ] = None,
    sample_seed: Annotated[
        int, Panel(help="Chooses the items of --limit and --log-answers.", rich_help_panel=WHAT)
    ] = 0,
    log_answers: Annotated[
        str | None,
        Panel(
            help="Keep what the model says to so many items of each task, or all, in OUTPUT.answers.parquet.",
            rich_help_panel=WHAT,
        ),
    ] = None,
    tokenizer: Annotated[
        Path | None,
        Panel(help="Folder with a tokenizer.json for all revisions; by default their own.", rich_help_panel=WHAT),
    ] = None,
    probes: Annotated[
        str | None,
        Panel(
            help="Probe each checkpoint while it is loaded: heads, word_heads, layers, ablations, or names of some, "
            "as for sweeps probe and with its defaults.",
            rich_help_panel=PROBED,
        ),
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
    anonymous: Anonymous = False,
    dry_run: Annotated[
        bool,
        Panel(
            "--dry-run",
            help="Score nothing; print the plan: checkpoints, questions, tokens, FLOPs, time.",
            rich_help_panel=HOW,
        ),
    ] = False,
    flops_per_second: Annotated[
        float | None,
        Panel(
            help="Rate of the device, for the time of the plan where no checkpoint has been scored.",
            rich_help_panel=HOW,
        ),
    ] = None,
    json_file: Json = None,
) -> None:
    """Score existing checkpoints into a cube that phases detect reads. Exit 1 if any could not be scored.

    Run it again after any interruption: what is scored is not scored again. Duplicate weights and outliers are flagged.

    For example: sweeps score checkpoints --pattern 'checkpoint-{step}' --tokens-per-step 2M --probes heads -o mine.nc
    """  # fmt: skip
    from calque.sweeps.api.score import score
    from calque.sweeps.score.plan import ScoringPlan

    assert isinstance(context.command, Command)
    found = score(
        model, output=output, revisions=revisions, pattern=pattern, tokens_per_step=tokens_per_step,
        positions=positions, languages=languages, template=template, shots=shots, shot_seed=shot_seed,
        concepts=concepts, minimal_pairs=minimal_pairs, heldout=heldout, heldout_tokens=heldout_tokens, tasks=tasks,
        limit=limit, sample_seed=sample_seed, log_answers=log_answers, tokenizer=tokenizer, name=name, device=device,
        dtype=dtype, anonymous=anonymous, dry_run=dry_run, flops_per_second=flops_per_second,
        probes=probes,
    )  # fmt: skip
    if isinstance(found, ScoringPlan):
        if not emit_json(json_file, found.to_dict()):
            print(context.command.with_flags(str(found)))
        return
    for line in found.doubts():
        print(f"sweeps: {context.command.with_flags(line)}", file=sys.stderr)
    count, probed = len(found.scored.file.rows), found.probed
    if emit_json(json_file, found.to_dict()):
        for line in () if probed is None else probed.doubts():
            print(f"sweeps: {context.command.with_flags(line)}", file=sys.stderr)
    elif count:
        if probed is not None:
            probed.show()
        print(f"{output}: {plural(count, 'checkpoint')}; next: phases detect {output}")
    raise SystemExit(1 if found.failed else 0)
