"""What a pilot says of the metrics, as a table and sentences."""

from __future__ import annotations

from typing import Any

from rich.table import Table

from calque.data.quantities import format_count, format_number, plural


def metrics_table(pilot: dict[str, Any]) -> Table:
    """Return signal and noise of each metric of a pilot, a row each.

    Parameters
    ----------
    pilot : dict
        As :func:`calque.sweeps.plan.pilot.of_pilot` makes it.
    """
    table = Table(title=f"signal to noise of the metrics in {pilot['file']}", title_justify="left")
    for name in ("metric", "scored with"):
        table.add_column(name, overflow="fold")
    for name in ("runs", "between runs", "within", "ratio", "tells runs apart"):
        table.add_column(name, justify="right")
    for row in pilot["metrics"]:
        table.add_row(
            row["metric"], row["part"], str(row["runs"]), f"{row['signal']:.3g}", f"{row['noise']:.3g}", _ratio(row),
            "yes" if row["tells_apart"] else "not shown",
        )  # fmt: skip
    return table


def _ratio(row: dict[str, Any]) -> str:
    ratio, low, high = ("open" if row[name] is None else format_number(row[name]) for name in ("ratio", "low", "high"))
    return f"{ratio} ({low} to {high})"


def sentences(pilot: dict[str, Any]) -> list[str]:
    """Return what the table means, and which parts of scoring are enough.

    Parameters
    ----------
    pilot : dict
        As :func:`calque.sweeps.plan.pilot.of_pilot` makes it.
    """
    lines = [
        "between runs: standard deviation of the runs' last fifths; within: of the checkpoints there about a line; "
        "ratio with its 95 % interval, for runs that are a sample of those to come"
    ]
    parts, told = pilot["parts"], [row for row in pilot["metrics"] if row["tells_apart"]]
    if not told:
        return [*lines, "no metric is shown to tell the pilot's runs apart: more runs, or runs that differ more"]
    needed = [p for p in parts if p["needed"]]
    most = sum(p["tokens"] for p in parts)
    share = sum(p["tokens"] for p in needed) / most
    listed = ", ".join(_part(p) for p in needed)
    lines.append(
        f"cheapest parts of scoring that tell these runs apart: {listed}; about {share:.0%} of what all "
        f"{plural(len(parts), 'part')} read at a checkpoint ({format_count(most)} tokens)"
    )
    if len(needed) < len(parts):
        lines.append(
            "a metric whose takeoff is asked for is needed, whatever this says; logprobs_every, minimal_pairs_every, "
            "concepts and heldout_tokens make a part cheaper"
        )
    return lines


def _part(part: dict[str, Any]) -> str:
    also = f"; {' and '.join(part['stands_for'])} would put the runs in the same order" if part["stands_for"] else ""
    return f"{part['part']} ({format_count(part['tokens'])} tokens{also})"
