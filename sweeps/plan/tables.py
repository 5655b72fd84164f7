"""A cost estimate as tables: cost by run, FLOPs and memory by kind of run."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import zip_longest
from typing import Any

from rich.console import JustifyMethod
from rich.table import Table

from calque.data.quantities import format_count
from calque.sweeps.study.differences import differences_text

LEFT = ("run", "size", "mix", "mix; other differences", "device")
LEAST_WRAPPED = 22


def _table(title: str, columns: Iterable[str], footers: Iterable[str] = ()) -> Table:
    footers = list(footers)
    table = Table(title=title, title_justify="left", show_footer=bool(footers))
    for name, footer in zip_longest(columns, footers, fillvalue=""):
        justify: JustifyMethod = "left" if name in LEFT else "right"
        if name.startswith("mix"):
            table.add_column(name, footer, justify=justify, min_width=LEAST_WRAPPED, overflow="fold")
        else:
            table.add_column(name, footer, justify=justify, no_wrap=True)
    return table


def cost_table(estimate: dict[str, Any]) -> Table:
    """Return the cost of each run of ``estimate`` and the total; other settings in which runs differ are named."""
    total = estimate["total"]
    mix = "mix; other differences" if any(r["differs"] for r in estimate["runs"]) else "mix"
    table = _table(
        f"study '{estimate['study']}'",
        ("run", "size", mix, "parameters", "non-embedding", "tokens", "checkpoints", "FLOPs", "hours", "disk"),
        (f"{total['runs']} runs", "", "", "", "", format_count(total["tokens"]), str(total["checkpoints"]),
         f"{total['flops']:.2e}", f"{total['device_hours']:.3g}", size(total["disk_bytes"])),
    )  # fmt: skip
    for r in estimate["runs"]:
        table.add_row(
            r["run"], r["size"], "; ".join(part for part in (r["mix"], differences_text(r["differs"])) if part),
            format_count(r["n_params"]), format_count(r["n_params_non_embedding"]), format_count(r["tokens"]),
            str(r["checkpoints"]), f"{r['flops']:.2e}", f"{r['hours']:.3g}", size(r["disk_bytes"]),
        )  # fmt: skip
    return table


def flops_table(estimate: dict[str, Any]) -> Table:
    """Return the FLOPs per token by part, one row for each kind of run of ``estimate`` that differs in them."""
    columns = ("size", "width", "layers", "vocabulary", "embedding", "in layers", "attention", "head", "total")
    table = _table("training, MFLOPs per token", columns)
    rows = [
        (r["size"], str(r["width"]), str(r["layers"]), f"{r['vocab_size']:,}",
         *(f"{part / 1e6:,.4g}" for part in (*r["flops_per_token"].values(), sum(r["flops_per_token"].values()))))
        for r in estimate["runs"]
    ]  # fmt: skip
    for row in dict.fromkeys(rows):
        table.add_row(*row)
    return table


def memory_table(estimate: dict[str, Any]) -> Table:
    """Return the memory of one device by part, one row for each kind of run of ``estimate`` that differs in it."""
    parts = ("weights", "gradients", "optimizer", "activations", "logits")
    table = _table("memory of one device", ("size", "device", "devices", "sequences", *parts, "total"))
    rows = []
    for r in estimate["runs"]:
        held = {name: size(value) for name, value in r["memory_bytes"].items()}
        held["activations"] += f" ({held['activations_checkpointed']})"
        whole = f"{held['total']} ({held['total_checkpointed']})"
        rows.append((r["size"], r["device"], str(r["devices"]), str(r["rows"]), *(held[part] for part in parts), whole))
    for row in dict.fromkeys(rows):
        table.add_row(*row)
    return table


def notes(estimate: dict[str, Any]) -> list[str]:
    """Return the lines under the tables of ``estimate``: what the numbers mean, and which runs do not fit."""
    used = {(r["device"], r["precision"], r["peak_flops"]) for r in estimate["runs"]}
    peaks = "; ".join(f"{peak / 1e12:g} TFLOP/s ({name}, {precision})" for name, precision, peak in sorted(used))
    scoring = 100 * estimate["total"]["scoring_flops"] / estimate["total"]["flops"]
    lines = [
        f"hours are device-hours at {estimate['utilisation']:.0%} of {peaks}; scoring (about {scoring:.2g} % of "
        "training's FLOPs, without minimal pairs) and start-up are not included",
        "FLOPs per token: 6 per weight of layers and head, and attention over half the context; a look-up has none",
        "sequences: of a micro-batch; memory in brackets: with every layer's activations recomputed",
    ]
    budget = estimate["total"]["adaptive_checkpoints"]
    if budget:
        lines.append(
            f"checkpoints and disk include up to {budget} adaptive ones, scored like planned ones (docs/CLUSTER.md)"
        )
    rates = {f"{r['hidden_learning_rate']:.2g} ({r['size']})": None for r in estimate["runs"]}
    lines.append(f"learning rate of the hidden matrices, transferred from the base: {', '.join(rates)}")
    large: dict[tuple[str, float], dict[str, None]] = {}
    for r in estimate["runs"]:
        need, has = r["memory_bytes"]["total_checkpointed"], r["device_memory_bytes"]
        if has is not None and need > has:
            large.setdefault((r["device"], has), {})[f"{r['size']} ({size(need)})"] = None
    for (name, has), sizes in large.items():
        lines.append(
            f"too large for one {name} of {size(has)}, even so: {', '.join(sizes)}; give a device fewer sequences"
        )
    return lines


def size(n_bytes: float) -> str:
    """Return ``n_bytes`` with a decimal unit, such as '6.68 GB'."""
    for unit, scale in (("TB", 1e12), ("GB", 1e9)):
        if n_bytes >= scale:
            return f"{n_bytes / scale:,.3g} {unit}"
    return f"{n_bytes / 1e6:,.3g} MB"
