"""A study's bill as tables: what each run costs, and what each kind of run needs of a device."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import zip_longest
from typing import Any

from rich.console import JustifyMethod
from rich.table import Table

from calque.data.quantities import format_count
from calque.sweeps.study.differences import told

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


def cost_table(bill: dict[str, Any]) -> Table:
    """Return what each run costs, with a total row; where runs differ in more than size and mix, in what."""
    total = bill["total"]
    mix = "mix; other differences" if any(r["differs"] for r in bill["runs"]) else "mix"
    table = _table(
        f"study '{bill['study']}'",
        ("run", "size", mix, "parameters", "non-embedding", "tokens", "checkpoints", "FLOPs", "hours", "disk"),
        (f"{total['runs']} runs", "", "", "", "", format_count(total["tokens"]), str(total["checkpoints"]),
         f"{total['flops']:.2e}", f"{total['device_hours']:.3g}", size(total["disk_bytes"])),
    )  # fmt: skip
    for r in bill["runs"]:
        table.add_row(
            r["run"], r["size"], "; ".join(part for part in (r["mix"], told(r["differs"])) if part),
            format_count(r["n_params"]), format_count(r["n_params_non_embedding"]), format_count(r["tokens"]),
            str(r["checkpoints"]), f"{r['flops']:.2e}", f"{r['hours']:.3g}", size(r["disk_bytes"]),
        )  # fmt: skip
    return table


def flops_table(bill: dict[str, Any]) -> Table:
    """Return the FLOPs of a token by part: a row for each kind of run that differs in them."""
    columns = ("size", "width", "layers", "vocabulary", "embedding", "in layers", "attention", "head", "in all")
    table = _table("training, MFLOPs a token", columns)
    rows = [
        (r["size"], str(r["width"]), str(r["layers"]), f"{r['vocab_size']:,}",
         *(f"{part / 1e6:,.4g}" for part in (*r["flops_per_token"].values(), sum(r["flops_per_token"].values()))))
        for r in bill["runs"]
    ]  # fmt: skip
    for row in dict.fromkeys(rows):
        table.add_row(*row)
    return table


def memory_table(bill: dict[str, Any]) -> Table:
    """Return the memory of one device by part: a row for each kind of run that differs in it."""
    parts = ("weights", "gradients", "optimizer", "activations", "logits")
    table = _table("memory of one device", ("size", "device", "devices", "sequences", *parts, "in all"))
    rows = []
    for r in bill["runs"]:
        held = {name: size(value) for name, value in r["memory_bytes"].items()}
        held["activations"] += f" ({held['activations_checkpointed']})"
        whole = f"{held['total']} ({held['total_checkpointed']})"
        rows.append((r["size"], r["device"], str(r["devices"]), str(r["rows"]), *(held[part] for part in parts), whole))
    for row in dict.fromkeys(rows):
        table.add_row(*row)
    return table


def notes(bill: dict[str, Any]) -> list[str]:
    """Return the lines under the tables: what the numbers mean, and which runs do not fit."""
    used = {(r["device"], r["precision"], r["peak_flops"]) for r in bill["runs"]}
    peaks = "; ".join(f"{peak / 1e12:g} TFLOP/s ({name}, {precision})" for name, precision, peak in sorted(used))
    scoring = 100 * bill["total"]["scoring_flops"] / bill["total"]["flops"]
    lines = [
        f"hours are device-hours at {bill['utilisation']:.0%} of {peaks}; scoring (about {scoring:.2g} % of training's "
        "FLOPs, minimal pairs not reckoned) and start-up come on top",
        "FLOPs a token: 6 a weight of layers and head, and attention over half the context; a look-up costs none",
        "sequences: what a device reads at once; memory in brackets: with every layer's activations done again",
    ]
    budget = bill["total"]["adaptive_checkpoints"]
    if budget:
        lines.append(
            f"checkpoints and disk hold up to {budget} adaptive ones, each scored like a planned one (docs/CLUSTER.md)"
        )
    rates = {f"{r['hidden_learning_rate']:.2g} ({r['size']})": None for r in bill["runs"]}
    lines.append(f"learning rate of the hidden matrices, carried over from the base: {', '.join(rates)}")
    large: dict[tuple[str, float], dict[str, None]] = {}
    for r in bill["runs"]:
        need, has = r["memory_bytes"]["total_checkpointed"], r["device_memory_bytes"]
        if has is not None and need > has:
            large.setdefault((r["device"], has), {})[f"{r['size']} ({size(need)})"] = None
    for (name, has), sizes in large.items():
        lines.append(
            f"too large for one {name} of {size(has)}, even so: {', '.join(sizes)}; read fewer sequences at once"
        )
    return lines


def size(n_bytes: float) -> str:
    """Return bytes with a decimal unit, such as '6.68 GB'."""
    for unit, scale in (("TB", 1e12), ("GB", 1e9)):
        if n_bytes >= scale:
            return f"{n_bytes / scale:,.3g} {unit}"
    return f"{n_bytes / 1e6:,.3g} MB"
