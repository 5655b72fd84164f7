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
        ("run", "size", mix, "parameters", "non-embedding", "tokens", "checkpoints", "FLOPs", "device time", "takes",
         "disk"),
        (f"{total['runs']} runs", "", "", "", "", format_count(total["tokens"]), str(total["checkpoints"]),
         f"{total['flops']:.2e}", time(total["device_hours"]), "", size(total["disk_bytes"])),
    )  # fmt: skip
    for r in estimate["runs"]:
        table.add_row(
            r["run"], r["size"], "; ".join(part for part in (r["mix"], differences_text(r["differs"])) if part),
            format_count(r["n_params"]), format_count(r["n_params_non_embedding"]), format_count(r["tokens"]),
            str(r["checkpoints"]), f"{r['flops']:.2e}", time(r["hours"]), time(r["wall_hours"]), size(r["disk_bytes"]),
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
        f"device time is that of one device at {estimate['utilisation']:.0%} of {peaks}; a run takes it divided by its "
        f"devices; scoring (about {scoring:.2g} % of training's FLOPs, without minimal pairs) and start-up are not "
        "included",
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
    return [*lines, *_when(estimate), *_cost(estimate)]


def _when(estimate: dict[str, Any]) -> list[str]:
    """Return when the study ends on the nodes that were named, which runs decide that, and what would be quicker."""
    when = estimate["timetable"]
    if when is None:
        longest = max(estimate["runs"], key=lambda r: r["wall_hours"])
        takes = f"{time(longest['wall_hours'])} on {_devices(longest['devices'])}"
        return [
            f"the longest run, {longest['run']}, takes {takes}, and no cluster is quicker (--nodes 2x8gpu64cpu gives "
            "the end on one)"
        ]
    path = [f"{slot['run']} ({time(slot['end'] - slot['start'])})" for slot in when["critical_path"]]
    shown = [*path[:2], "...", *path[-2:]] if len(path) > 5 else path
    lines = [
        f"on {when['nodes']}: {time(when['hours'])} from the launch to the end, the devices busy {when['busy']:.0%} of "
        f"it; what decides it: {', then '.join(shown)}"
    ]
    if when["hint"]:
        names = when["hint"]["runs"]
        lines.append(
            f"quicker: training.devices: {when['hint']['devices']} for {names[0]}"
            f"{f' and {len(names) - 1} like it' if len(names) > 1 else ''} ends the study after "
            f"{time(when['hint']['hours'])}"
        )
    return lines


def _cost(estimate: dict[str, Any]) -> list[str]:
    cost = estimate["cost"]
    if cost is None:
        return []
    whole = "" if cost["cluster"] is None else f"; {cost['cluster']:,.2f} for all devices of the cluster until the end"
    return [
        f"cost at {cost['price']:g} an hour of a device: {cost['training']:,.2f} for the device time of training{whole}"
    ]


def _devices(count: int) -> str:
    return f"{count} device{'s' if count != 1 else ''}"


def time(hours: float) -> str:
    """Return a time as people write it, such as '45 min', '1 h 20 min', '31 h' or '5.1 days'.

    Parameters
    ----------
    hours : float
        0 or more.
    """
    minutes = hours * 60
    if minutes < 0.995:
        return f"{minutes * 60:.0f} s" if minutes * 60 >= 1 else "less than 1 s" if hours else "0 s"
    if minutes < 59.5:
        return f"{minutes:.0f} min"
    if hours < 9.995:
        whole, rest = divmod(round(minutes), 60)
        return f"{whole} h {rest} min" if rest else f"{whole} h"
    if hours < 47.5:
        return f"{hours:.0f} h"
    days = hours / 24
    return f"{days:.1f} days" if days < 99.95 else f"{days:,.0f} days"


def size(n_bytes: float) -> str:
    """Return ``n_bytes`` with a decimal unit, such as '6.68 GB'."""
    for unit, scale in (("TB", 1e12), ("GB", 1e9)):
        if n_bytes >= scale:
            return f"{n_bytes / scale:,.3g} {unit}"
    return f"{n_bytes / 1e6:,.3g} MB"
