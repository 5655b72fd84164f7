"""The command ``sweeps probe``: what the parts of existing checkpoints do, into a cube's groups."""

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

WHAT, ABLATED, CHANGED, HOW = "What is probed", "Ablation", "Swaps and scaling", "How"
Panel = typer.Option


def probe_command(
    context: typer.Context,
    model: Annotated[
        str,
        typer.Argument(
            help="A run of Calque (results/STUDY/runs/NAME), a folder with a model or with one in each of its folders, "
            "a model's folder in the hub's cache, or OWNER/NAME on the hub.",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path, Panel("--output", "-o", help="The cube to write or to resume; one of sweeps score keeps all else.")
    ],
    probes: Annotated[
        str,
        Panel(
            help="heads (previous_token,prefix_matching,ov_copying), word_heads (source_attention,token_copying,"
            "concept_copying,function_vector), layers (lens,alignment,linear,patching), ablations (head_ablation,"
            "part_ablation,co_ablation,swaps,scaling,allocation), or some of these, with commas between.",
            rich_help_panel=WHAT,
        ),
    ] = "heads",
    revisions: Revisions = None,
    pattern: Pattern = None,
    tokens_per_step: TokensPerStep = None,
    positions: Positions = None,
    languages: Annotated[
        str | None,
        Panel(
            help="Languages whose words give the tokens of prompts, with commas between; by default all nine.",
            rich_help_panel=WHAT,
        ),
    ] = None,
    tokenizer: Annotated[
        Path | None,
        Panel(help="Folder with a tokenizer.json for all revisions; by default their own.", rich_help_panel=WHAT),
    ] = None,
    prompts: Annotated[
        int,
        Panel(
            help="Prompts of random tokens said twice; half decides what a head is, half measures it.",
            rich_help_panel=WHAT,
        ),
    ] = 32,
    length: Annotated[
        int | None,
        Panel(
            help="Tokens that are said twice in a prompt (24). Prompts of function_vector have twice as many and one "
            "at most; without --length they may be longer, as two lines need, up to what the model takes.",
            rich_help_panel=WHAT,
        ),
    ] = None,
    draws: Annotated[
        int, Panel(help="Random heads for each head, and permutations of concepts.", rich_help_panel=WHAT)
    ] = 199,
    concepts: Annotated[
        int,
        Panel(help="Concepts whose words are asked, in all pairs of languages.", rich_help_panel=WHAT),
    ] = 24,
    checkpoints: Annotated[
        int,
        Panel(
            help="Checkpoints that are swapped with one another, evenly spaced; components are scaled at the last.",
            rich_help_panel=CHANGED,
        ),
    ] = 4,
    ranges: Annotated[
        str,
        Panel(
            help="Blocks that are swapped together, such as 0-3,4-7; a number is so many ranges of equal size.",
            rich_help_panel=CHANGED,
        ),
    ] = "4",
    factors: Annotated[
        str,
        Panel(
            help="Of a component's update since the first checkpoint, with commas between; 0 rewinds it.",
            rich_help_panel=CHANGED,
        ),
    ] = "0,0.5,1.5",
    instead: Annotated[
        str,
        Panel(
            help="What heads and parts give that are taken away: resample (that of another prompt), mean (of others), "
            "zero (which later parts have never seen).",
            rich_help_panel=ABLATED,
        ),
    ] = "resample",
    head_type: Annotated[
        str,
        Panel(
            help="Co-ablation: the score whose highest heads are taken away first, such as concept_copying.",
            rich_help_panel=ABLATED,
        ),
    ] = "prefix_matching",
    level: Annotated[
        float, Panel(help="Confidence level of intervals; tests are at 1 - level.", rich_help_panel=WHAT)
    ] = 0.95,
    seed: Annotated[int, Panel(help="Chooses prompts, random heads and tokens.", rich_help_panel=WHAT)] = 0,
    name: Annotated[
        str | None, Panel(help="Name of the run in a new cube; by default the model's.", rich_help_panel=HOW)
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
    json_file: Json = None,
) -> None:
    """Score what parts of checkpoints do, and what breaks without them, into a cube. Exit 1 if any could not be probed.

    Run it again after any interruption: what is probed is not probed again. A run of ours has to keep its weights.

    For example: sweeps probe results/quick/runs/micro-s0 --probes heads -o heads.nc
    """
    from calque.sweeps.api.probe import probe
    from calque.sweeps.api.probed import ProbedCheckpoints

    assert isinstance(context.command, Command)
    found = probe(
        model, output=output, probes=probes, revisions=revisions, pattern=pattern, tokens_per_step=tokens_per_step,
        positions=positions, languages=languages, tokenizer=tokenizer, prompts=prompts, length=length, draws=draws,
        concepts=concepts, checkpoints=checkpoints, ranges=ranges, factors=factors, instead=instead,
        head_type=head_type, level=level, seed=seed, name=name,
        device=device, dtype=dtype, anonymous=anonymous,
    )  # fmt: skip
    assert isinstance(found, ProbedCheckpoints), "a path is no model in memory"
    if emit_json(json_file, found.to_dict()):
        for line in found.doubts():
            print(f"sweeps: {context.command.with_flags(line)}", file=sys.stderr)
    else:
        found.show()
        count = plural(len(found.having()), "checkpoint")
        next_step = f"; next: phases detect {output} --metric components/{found.heads[0]}_heads" if found.heads else ""
        print(f"{output}: {count}{next_step}")
    raise SystemExit(1 if found.failed else 0)
