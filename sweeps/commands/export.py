"""``sweeps export``: a checkpoint for ``transformers``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from calque.data.command_line.options import Json
from calque.data.command_line.output import emit_json
from calque.sweeps.commands.common import Results, StudyFile


def export_command(
    study: StudyFile,
    name: Annotated[str, typer.Argument(metavar="RUN", help="The run's name or id.", show_default=False)],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to make; it must not exist yet.")],
    step: Annotated[int | None, typer.Option(help="Step of the checkpoint; by default the last.")] = None,
    dtype: Annotated[str, typer.Option(help="Of the weights written: float32, bfloat16 or float16.")] = "float32",
    tokenizer: Annotated[bool, typer.Option(help="Whether to write the tokenizer, too.")] = True,
    results: Results = None,
    json_file: Json = None,
) -> None:
    """Write a checkpoint of a run as a folder that transformers loads (AutoModelForCausalLM, AutoTokenizer).

    Models of the ladder become LlamaForCausalLM; the small ones for CPUs have norms on queries and keys, which that
    architecture lacks, and become Qwen3ForCausalLM. The checkpoint's SHA-256 is checked first.

    For example: sweeps export sweeps/quick.yaml micro-s0 -o exported
    """
    from calque.sweeps.checkpoints.exporting import export_checkpoint
    from calque.sweeps.checkpoints.trained_run import TrainedRun
    from calque.sweeps.results.progress import run_folder
    from calque.sweeps.study.study import read_study

    loaded = read_study(study)
    run = TrainedRun.open(run_folder(loaded.results_folder(results), loaded.run(name)))
    made = export_checkpoint(run, output, step, dtype, tokenizer)
    if not emit_json(json_file, made):
        print(f"{output}: {made['architecture']}, run '{made['run']}' at step {made['step']}, {made['dtype']}")
