"""Export of one checkpoint of a run as a folder that ``transformers`` loads."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from calque.data.errors import UserError
from calque.data.quantities import format_count
from calque.data.shards.shards import Shards
from calque.models.huggingface.export import export
from calque.sweeps.checkpoints.trained_run import TrainedRun
from calque.sweeps.prepare.prepare import shards_folder


def export_checkpoint(
    run: TrainedRun,
    output: str | os.PathLike[str],
    step: int | None = None,
    dtype: str = "float32",
    tokenizer: bool = True,
) -> dict[str, Any]:
    """Export a checkpoint and return a summary of it, as JSON-ready values.

    Parameters
    ----------
    run : TrainedRun
    output : path
        Folder to create.
    step : int, optional
        By default the last.
    dtype : str
        Of the written weights.
    tokenizer : bool
        Whether to export the tokenizer too.

    Raises
    ------
    UserError
        When the weights are missing, damaged or not the run's; when the tokenizer is missing, or cannot be exported
        because each language has tokens of its own.
    """
    output = Path(output)
    step = max(run.tokens) if step is None else step
    decoder = run.load(step)
    found = None
    if tokenizer:
        if run.config.parsed_mix().disjoint:
            raise UserError(
                f"run '{run.config.name}' has tokens of its own for each language (mix '{run.config.mix}'), which a "
                "tokenizer file cannot express; export the model alone: `tokenizer=False`"
            )
        folder = shards_folder(run.config)
        if not folder.exists():
            raise UserError(
                f"the tokenizer of run '{run.config.name}' is not at hand (it is with the run's data, in {folder}); "
                "make them with 'sweeps prepare', or export the model alone: `tokenizer=False`"
            )
        found = Shards.open(folder, tokenizer_sha256=run.tokenizer_sha256).tokenizer
    origin = {
        "run": run.config.name, "run_id": run.config.run_id, "size": run.config.size, "mix": run.config.mix,
        "corpus": run.config.corpus, "step": step, "training tokens": format_count(run.tokens[step]),
        "SHA-256 of the checkpoint": run.sha256[step],
    }  # fmt: skip
    architecture = export(
        decoder, output, context=run.config.training.context, tokenizer=found, origin=origin, dtype=dtype
    )
    return {
        "schema": 1, "run": run.config.name, "step": step, "tokens": run.tokens[step], "sha256": run.sha256[step],
        "architecture": architecture, "dtype": dtype, "tokenizer": tokenizer, "folder": str(output),
    }  # fmt: skip
