"""Ladders of sizes and seeds under a budget: the function behind ``scaling plan``."""

from __future__ import annotations

from calque.data.arguments import checked
from calque.scaling.named_sizes import parse_size
from calque.scaling.power.ladder_plan import Expected, plan_ladder
from calque.scaling.power.result import LadderPlans


@checked
def plan(
    budget: float,
    *,
    unit: str = "h200-hours",
    size: str | float = "1.7b",
    mixes: int = 1,
    attained: float | None = None,
    margin: float = 2.0,
    t0: float = 4e9,
    c: float = 5.8e14,
    gamma: float = 0.6,
    seed_sd: float = 0.06,
    se: float = 0.03,
) -> LadderPlans:
    """Return ladders of sizes and seeds under a budget, the sharpest forecast first.

    A run of N parameters costs 6 N D FLOPs with D = margin x its expected takeoff; an hour buys peak x attained x 3600.

    Parameters
    ----------
    budget : float
        How much may be spent, in ``unit``.
    unit : str
        ``h200-hours``, ``h100-hours``, ``a100-hours`` or ``flops``.
    size : str or float
        Size to be forecast, in non-embedding parameters.
    mixes : int
        Mixes, all run at every size.
    attained : float, optional
        Share of the device's peak that training attains; 0.4 when not given.
    margin : float
        Tokens of a run over its expected takeoff, above 1.
    t0, c, gamma : float
        The expected law, T = t0 + c N^-gamma tokens.
    seed_sd : float
        Expected SD of ln T between seeds.
    se : float
        Expected standard error of a located ln T.

    Raises
    ------
    UserError
        When a setting is out of range or no ladder of four sizes fits the budget.
    """
    law = Expected(t0=t0, c=c, gamma=gamma, seed_sd=seed_sd, se=se)
    name = size if isinstance(size, str) else f"{size:.10g}"
    n = parse_size(name)
    plans = plan_ladder(budget, unit, n, mixes=mixes, margin=margin, expected=law, attained=attained)
    return LadderPlans(budget=budget, unit=unit, size=name, n=n, plans=plans)
