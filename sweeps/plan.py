"""What a study will cost, before anything starts: runs, parameters, tokens, FLOPs, device-hours, disk."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from rich.table import Table

from data.quantities import format_count
from sweeps.config import RunConfig
from sweeps.study import Study

STATE_BYTES_PER_PARAMETER = 12
WEIGHT_BYTES_PER_PARAMETER = 4


@dataclass(frozen=True, kw_only=True)
class RunPlan:
    """The bill of one run.

    Attributes
    ----------
    run, run_id, size, mix : str
    n_params, n_params_non_embedding, tokens, steps, checkpoints : int
    flops : float
        Training only: 6 a weight and token, attention counted, look-ups not.
    hours : float
        Device-hours of training at the given rate.
    disk_bytes : int
        Weights of every checkpoint and two full states.
    """

    run: str
    run_id: str
    size: str
    mix: str
    n_params: int
    n_params_non_embedding: int
    tokens: int
    steps: int
    checkpoints: int
    flops: float
    hours: float
    disk_bytes: int


def plan_run(run: RunConfig, flops_per_second: float) -> RunPlan:
    """Return the bill of a run on a device that sustains ``flops_per_second``."""
    decoder = run.decoder(run.vocab_size())
    training, checkpoints = run.training, len(run.checkpoint_steps())
    tokens = training.steps * training.tokens_per_step
    flops = float(tokens) * decoder.flops_per_token(training.context)
    disk = decoder.n_params * (WEIGHT_BYTES_PER_PARAMETER * checkpoints + 2 * STATE_BYTES_PER_PARAMETER)
    return RunPlan(
        run=run.name, run_id=run.run_id, size=run.size, mix=run.parsed_mix().name, n_params=decoder.n_params,
        n_params_non_embedding=decoder.n_params_non_embedding, tokens=tokens, steps=training.steps,
        checkpoints=checkpoints, flops=flops, hours=flops / flops_per_second / 3600, disk_bytes=disk,
    )  # fmt: skip


def plan(study: Study, flops_per_second: float) -> dict[str, Any]:
    """Return the study's bill as JSON-ready values: ``runs`` and ``total``."""
    plans = [plan_run(run, flops_per_second) for run in study.runs]
    total = {
        "runs": len(plans), "tokens": sum(p.tokens for p in plans), "checkpoints": sum(p.checkpoints for p in plans),
        "flops": sum(p.flops for p in plans), "device_hours": sum(p.hours for p in plans),
        "disk_bytes": sum(p.disk_bytes for p in plans),
    }  # fmt: skip
    return {
        "schema": 1, "study": study.name, "flops_per_second": flops_per_second,
        "runs": [asdict(p) for p in plans], "total": total,
    }  # fmt: skip


def plan_table(bill: dict[str, Any]) -> Table:
    """Return the bill as a table with a total row."""
    table = Table(title=f"study '{bill['study']}'", title_justify="left", show_footer=True)
    total = bill["total"]
    columns = [
        ("run", f"{total['runs']} runs"), ("size", ""), ("mix", ""), ("parameters", ""), ("non-embedding", ""),
        ("tokens", format_count(total["tokens"])), ("checkpoints", str(total["checkpoints"])),
        ("FLOPs", f"{total['flops']:.2e}"), ("hours", f"{total['device_hours']:.3g}"),
        ("disk", f"{total['disk_bytes'] / 1e6:,.0f} MB"),
    ]  # fmt: skip
    for name, footer in columns:
        table.add_column(name, footer, justify="left" if name in ("run", "size", "mix") else "right", no_wrap=True)
    for r in bill["runs"]:
        table.add_row(
            r["run"], r["size"], r["mix"], format_count(r["n_params"]), format_count(r["n_params_non_embedding"]),
            format_count(r["tokens"]), str(r["checkpoints"]), f"{r['flops']:.2e}", f"{r['hours']:.3g}",
            f"{r['disk_bytes'] / 1e6:,.0f} MB",
        )  # fmt: skip
    return table
