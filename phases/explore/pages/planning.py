"""Planning: the power of a study, and ladders under a budget."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd
from bokeh.models.widgets.tables import ScientificFormatter

from calque.data.quantities import format_count
from calque.phases.explore.elements import absent, drawing, note, table
from calque.phases.explore.page import Page
from calque.phases.report.power_pictures import power_svgs


class PlanningPage(Page):
    """Results of ``scaling power`` and ``scaling plan``."""

    key = "planning"
    title = "Planning"
    about = "What the next study can detect, before it is paid for."

    def show(self) -> list[Any]:
        """Return the power curves with their designs, then the ladders under a budget."""
        return [*self._power(), *self._plan()]

    def _power(self) -> list[Any]:
        power = self.study.files.get("power")
        if power is None:
            return [absent("Curves of power", "a power analysis", "scaling power")]
        rows = pd.DataFrame(power.get("rows") or [])
        out = [note(sentence) for sentence in power.get("sentences") or []]
        out += [drawing(made, "what the study can detect") for made in power_svgs(power)]
        if len(rows):
            shown = rows.rename(
                columns={"factor": "smallest ratio detected", "se": "SE of ln T", "randomisation": "randomisation test"}
            ).drop(columns=["shift"], errors="ignore")
            out.append(table(shown.round(4), height=420, formatters={"flops": ScientificFormatter(precision=2)}))
        return out

    def _plan(self) -> list[Any]:
        plan = self.study.files.get("plan")
        if plan is None:
            return [absent("Ladders under a budget", "a plan", "scaling plan")]
        unit = str(plan.get("unit") or "cost")
        rows = [
            {
                "sizes": ", ".join(format_count(n) for n in row["sizes"]),
                "tokens": ", ".join(format_count(d) for d in row["tokens"]),
                "seeds": row["seeds"],
                "mixes": row["mixes"],
                unit: round(row["cost"], 1),
                "90 % interval": f"/ x {math.exp(1.645 * row['sd']):.2f}",
                "detects between mixes": "–" if row.get("shift") is None else f"x{math.exp(row['shift']):.2f}",
            }  # fmt: skip
            for row in plan["plans"]
        ]
        heading = note(
            f"Ladders under {plan.get('budget')} {unit}, the sharpest forecast first; sizes are non-embedding."
        )
        return [heading, table(pd.DataFrame(rows), height=420)]
