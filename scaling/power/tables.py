"""Tables of ``scaling power`` and ``scaling plan``."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.table import Table

from calque.data.command_line.command import console
from calque.data.quantities import format_count
from calque.scaling.power.detectable import Detectable
from calque.scaling.power.ladder_plan import LadderPlan

SHOWN = 8


def print_power(found: Sequence[Detectable], sentences: Sequence[str], *, costed: bool) -> None:
    """Print detectable ratios, seeds across and checkpoints x concepts down."""
    seeds = sorted({f.seeds for f in found})
    table = Table("checkpoints", "concepts", "SE of ln T", *(f"{s} seeds" for s in seeds))
    rows: dict[tuple[int, int], dict[int, Detectable]] = {}
    for f in found:
        rows.setdefault((f.checkpoints, f.concepts), {})[f.seeds] = f
    for (k, c), row in sorted(rows.items()):
        se = next(iter(row.values())).se
        table.add_row(str(k), str(c), f"{se:.4f}", *(f"x{row[s].factor:.2f}" for s in seeds))
    out = console()
    out.print(table)
    out.print("Smallest detectable ratio of takeoffs between two mixes, by seeds a mix.")
    if costed:
        costs = {f.seeds: f.flops for f in found}
        out.print("FLOPs at most: " + ", ".join(f"{s} seeds {costs[s]:.2g}" for s in seeds) + ".", soft_wrap=True)
    for sentence in sentences:
        out.print(sentence, soft_wrap=True)


def print_plans(found: Sequence[LadderPlan], size: str, unit: str) -> None:
    """Print the ladders, the sharpest first."""
    table = Table("sizes", "tokens", "seeds", "mixes", unit, f"90% interval at {size}", "detects between mixes")
    for plan in found[:SHOWN]:
        half = math.exp(1.645 * plan.sd)
        table.add_row(
            ", ".join(format_count(n) for n in plan.sizes), ", ".join(format_count(d) for d in plan.tokens),
            str(plan.seeds), str(plan.mixes), f"{plan.cost:.4g}", f"/ x {half:.2f}",
            "-" if plan.shift is None else f"x{math.exp(plan.shift):.2f}",
        )  # fmt: skip
    out = console()
    out.print(table)
    best = found[0]
    cells = f"{len(best.sizes)} sizes x {best.seeds} seeds x {best.mixes} mix{'es' * (best.mixes > 1)}"
    out.print(
        f"Sharpest: {cells}, {best.cost:.4g} {unit}; sizes count non-embedding parameters, {best.flops:.2g} FLOPs of "
        "6 N D in all. Evaluation is not counted.",
        soft_wrap=True,
    )
