"""A cost estimate as tables: cost by run, FLOPs and memory by kind of run."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import zip_longest
from typing import Any

from rich.console import JustifyMethod
from rich.table import Table

from calque.data.command_line.naming import named
from calque.data.quantities import format_count, format_number, plural
from calque.sweeps.plan import attributing
from calque.sweeps.plan.scoring import SPEED
from calque.sweeps.study.differences import differences_text

LEFT = ("run", "size", "corpus", "mix", "mix; other differences", "device")
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
        (plural(total["runs"], "run"), "", "", "", "", format_count(total["tokens"]), str(total["checkpoints"]),
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


def repetition_table(estimate: dict[str, Any]) -> Table | None:
    """Return how often runs of ``estimate`` read each language, a row for each kind; None where nothing is known."""
    known = [r for r in estimate["runs"] if r["epochs"] is not None]
    if not known:
        return None
    languages = list(dict.fromkeys(code for r in known for code in r["epochs"]))
    several = len({r["corpus"] for r in known}) > 1
    columns = ("corpus",) * several + ("mix", "tokens", *languages, "text")
    table = _table("epochs of the text, by language", columns)
    rows = []
    for r in known:
        text = size(sum(r["text_bytes"].values())) if r["text_bytes"] else ""
        read = (format_number(r["epochs"][code]) if code in r["epochs"] else "" for code in languages)
        shown = text if r["text_measured"] or not text else f"~{text}"
        rows.append((*(r["corpus"],) * several, r["mix"], format_count(r["tokens"]), *read, shown))
    for row in dict.fromkeys(rows):
        table.add_row(*row)
    return table


def notes(estimate: dict[str, Any]) -> list[str]:
    """Return the lines under the tables of ``estimate``: what the numbers mean, and which runs do not fit."""
    used = {(r["device"], r["precision"], r["peak_flops"]) for r in estimate["runs"]}
    peaks = "; ".join(f"{peak / 1e12:g} TFLOP/s ({name}, {precision})" for name, precision, peak in sorted(used))
    total = estimate["total"]
    scoring, probing = (100 * total[f"{what}_flops"] / total["flops"] for what in ("scoring", "probing"))
    lines = [
        f"device time is training's, of one device at {estimate['utilisation']:.0%} of {peaks}; a run takes it and its "
        "scoring divided by its devices; start-up is not included",
        f"scoring: {time(total['scoring_hours'])} of device time in which no device trains (about "
        f"{format_number(scoring)} % of training's FLOPs, without minimal pairs, at {SPEED:g} of its speed)",
        "FLOPs per token: 6 per weight of layers and head, and attention over half the context; a look-up has none",
        "sequences: of a micro-batch; memory in brackets: with every layer's activations recomputed",
    ]
    if probing:
        lines.insert(2, f"probes: about {format_number(probing)} % of training's FLOPs, not in the times")
    if total["attribution_flops"]:
        most = max(r["attribution_bytes"] for r in estimate["runs"])
        share = format_number(100 * total["attribution_flops"] / total["flops"])
        lines.insert(
            2,
            f"attribution to the training text: {time(total['attribution_hours'])} more (about {share} % of training's "
            f"FLOPs, at {attributing.SPEED:g} of its speed), in what runs take; up to {size(most)} of memory a run",
        )
    budget = total["adaptive_checkpoints"]
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
    lines += [*_disk(estimate), *_repetition(estimate), *_search(estimate)]
    odd = [f"odd: {sentence}" for sentence in estimate["doubts"]]
    return [*lines, *_when(estimate), *_cost(estimate), *odd]


def _search(estimate: dict[str, Any]) -> list[str]:
    search = estimate.get("search")
    return [] if search is None else [search_line(search)]


def search_line(search: dict[str, Any]) -> str:
    """Return what a ``search`` of an estimate comes to, in one line."""
    rungs = ", ".join(format_count(rung) for rung in search["rungs"])
    share = 100 * search["expected_tokens"] / search["most_tokens"]
    return (
        f"a search: {search['trials']} trials are compared by {search['metric']} at {rungs} tokens, and the "
        f"worse ones stop; about {format_number(share)} % of the tokens above are expected"
    )


def _disk(estimate: dict[str, Any]) -> list[str]:
    """Return what takes disk besides the results: token shards, and copies on nodes beside an address."""
    lines, sets, total = [], estimate["data_sets"], estimate["total"]["shard_bytes"]
    known = [each for each in sets if each["shard_bytes"] is not None]
    if known:
        there = sum(each["shard_bytes"] for each in known if each["measured"])
        more = f"; {size(there)} of it is there already" if there else ""
        lines.append(
            f"token shards: {size(total)} for {plural(len(known), 'data set')} on each node, and once at "
            f"CALQUE_SHARDS{more}; the largest language of each once more while they are made"
        )
    if len(known) < len(sets):
        lines.append(f"shards of {plural(len(sets) - len(known), 'data set')} are known after sweeps prepare")
    if estimate["at_address"]:
        most = max(estimate["runs"], key=lambda r: r["local_bytes"])
        lines.append(
            f"disk is that of the address; each run that is at work also takes up to {size(most['local_bytes'])} "
            f"({most['run']}) on its node, until it is done"
        )
    return lines


def _repetition(estimate: dict[str, Any]) -> list[str]:
    """Return what the epochs are, and a warning where runs that are compared differ in them."""
    unknown = [r["run"] for r in estimate["runs"] if r["epochs"] is None]
    lines = []
    if any(r["epochs"] and not r["text_measured"] for r in estimate["runs"]):
        lines.append(
            "epochs: a run's tokens of a language by those of its text; expected (~) from text_bytes and the bytes a "
            "token of the vendored sample, counted once the shards are made"
        )
    if unknown:
        more = f" and {plural(len(unknown) - 1, 'other run')}" if len(unknown) > 1 else ""
        lines.append(f"epochs of {unknown[0]}{more} are known after sweeps prepare")
    return [*lines, *(f"warning: {said}" for said in estimate["repetition"])]


def _when(estimate: dict[str, Any]) -> list[str]:
    """Return when the study ends on the nodes that were named, which runs decide that, and what would be quicker."""
    when = estimate["timetable"]
    if when is None:
        longest = max(estimate["runs"], key=lambda r: r["wall_hours"])
        takes = f"{time(longest['wall_hours'])} on {_devices(longest['devices'])}"
        return list(named([
            f"the longest run, {longest['run']}, takes {takes}, and no cluster is quicker (`nodes` 2x8gpu64cpu gives "
            "the end on one)"
        ]))  # fmt: skip
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
        f"cost at {cost['price']:g} an hour of a device: {cost['training']:,.2f} for the device time of training, "
        f"{cost['scoring']:,.2f} for that of scoring{whole}"
    ]


def _devices(count: int) -> str:
    return plural(count, "device")


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
