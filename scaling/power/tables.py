"""Tables of ``scaling power`` and ``scaling plan``."""

from __future__ import annotations

import math

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from calque.data.quantities import format_count, plural
from calque.scaling.power.detectable import Detectable
from calque.scaling.power.result import NINETY, SHOWN, LadderPlans, PowerAnalysis


def power_parts(analysis: PowerAnalysis) -> list[RenderableType]:
    """Return detectable ratios, a column for each number of seeds and a row for each checkpoints x concepts.

    Parameters
    ----------
    analysis : PowerAnalysis
        What is shown.
    """
    found = analysis.rows
    seeds = sorted({f.seeds for f in found})
    table = Table("checkpoints", "concepts", "SE of ln T", *(plural(s, "seed") for s in seeds))
    rows: dict[tuple[int, int], dict[int, Detectable]] = {}
    for f in found:
        rows.setdefault((f.checkpoints, f.concepts), {})[f.seeds] = f
    for (k, c), row in sorted(rows.items()):
        se = next(iter(row.values())).se
        table.add_row(str(k), str(c), f"{se:.4f}", *(f"x{row[s].factor:.2f}" for s in seeds))
    lines = ["Smallest detectable ratio of takeoffs between two mixes, by seeds a mix."]
    if analysis.costed:
        costs = {f.seeds: f.flops for f in found}
        lines.append("FLOPs at most: " + ", ".join(f"{plural(s, 'seed')} {costs[s]:.2g}" for s in seeds) + ".")
    return [table, *map(Text, [*lines, *analysis.sentences])]


def plan_parts(result: LadderPlans) -> list[RenderableType]:
    """Return the ladders, the sharpest forecast first.

    Parameters
    ----------
    result : LadderPlans
        What is shown.
    """
    unit = result.unit
    table = Table("sizes", "tokens", "seeds", "mixes", unit, f"90% interval at {result.size}", "detects between mixes")
    for plan in result.plans[:SHOWN]:
        half = math.exp(NINETY * plan.sd)
        table.add_row(
            ", ".join(map(format_count, plan.sizes)), ", ".join(map(format_count, plan.tokens)),
            str(plan.seeds), str(plan.mixes), f"{plan.cost:.4g}", f"/ x {half:.2f}",
            "-" if plan.shift is None else f"x{math.exp(plan.shift):.2f}",
        )  # fmt: skip
    best = result.plans[0]
    cells = f"{plural(len(best.sizes), 'size')} x {plural(best.seeds, 'seed')} x {plural(best.mixes, 'mix', 'mixes')}"
    told = (
        f"Sharpest: {cells}, {best.cost:.4g} {unit}; sizes count non-embedding parameters, {best.flops:.2g} FLOPs of "
        "6 N D in all. Evaluation is not counted."
    )
    return [table, Text(told)]
