"""Power of a study and ladders under a budget: ``scaling power`` and ``scaling plan``, for Python."""

from __future__ import annotations

import os

import xarray as xr

from calque.data import cube as cubes
from calque.data.errors import UserError
from calque.scaling.named_sizes import parse_amount, parse_size
from calque.scaling.power.design import of_cube, read_design
from calque.scaling.power.detectable import Cost, Detectable, cheapest, designs
from calque.scaling.power.ladder_plan import Expected, plan_ladder
from calque.scaling.power.precision import LogisticRise, Sampling
from calque.scaling.power.result import LadderPlans, PowerAnalysis


def power(
    study: xr.Dataset | str | os.PathLike[str],
    *,
    target: float = 1.25,
    power: float = 0.8,
    level: float = 0.95,
    seed_sd: float = 0.06,
    width: float = 0.25,
    floor: float = 0.01,
    end: float = 0.5,
    midpoint: float = 0.3,
    level_sd: float = 0.0,
    rho: float = 0.0,
    checkpoints: int | None = None,
    concepts: int | None = None,
    params: str | None = None,
    tokens: str | None = None,
) -> PowerAnalysis:
    """Return how small a shift in takeoff a study detects, by seeds, checkpoints and concepts.

    Two mixes, seeds as replicates, a two-sided t test. Cost: 6 N D FLOPs for each run, and 2 N for each token asked.
    The precision of a run's takeoff is that of maximum likelihood on simulated runs; ``phases``, which assumes no
    family, needs more.

    Parameters
    ----------
    study : xarray.Dataset or path
        A cube, a study's YAML, the JSON of ``sweeps plan STUDY --json`` or a truth YAML.
    target : float
        Ratio of takeoffs between two mixes to be detected by the cheapest design, above 1.
    power : float
        Probability of detecting it, 0.5 to 1.
    level : float
        1 minus the test's level, 0.5 to 1.
    seed_sd : float
        SD of ln T between seeds.
    width : float
        Of the logistic rise, in ln tokens.
    floor, end : float
        Scores before and after.
    midpoint : float
        Tokens of the rise's middle over the run's.
    level_sd, rho : float
        SD of a checkpoint's level shift on the logit scale, and its correlation between neighbouring checkpoints.
    checkpoints, concepts : int, optional
        Of a run, where the study does not say; concepts count as independent items.
    params, tokens : str, optional
        Parameters and tokens of a run such as 1.7b and 37b, for the cost, where the study does not say.

    Raises
    ------
    UserError
        When the study cannot be read, does not say how a run is measured, or a setting is out of range.
    """
    if not target > 1 or not 0.5 <= power < 1 or not 0.5 <= level < 1 or not seed_sd > 0:
        raise UserError(
            f"`target` is {target:g}, `power` {power:g}, `level` {level:g} and `seed_sd` {seed_sd:g}; expected a ratio "
            "above 1, two probabilities from 0.5 to 1 and an SD above 0"
        )
    if not 0 <= rho <= 0.99:
        raise UserError(f"`rho` is {rho:g}; expected a correlation from 0 to 0.99")
    memory = isinstance(study, xr.Dataset)
    given = of_cube(cubes.validate(study.copy())) if isinstance(study, xr.Dataset) else read_design(os.fspath(study))
    k, c = given.checkpoints or checkpoints, given.concepts or concepts
    if k is None or c is None:
        lacking = " and ".join(f"`{name}`" for name, v in (("checkpoints", k), ("concepts", c)) if v is None)
        raise UserError(f"{'the cube' if memory else study} does not say how a run is measured; state {lacking}")
    n = given.n or (parse_size(params, "params") if params else None)
    d = given.d or (parse_amount(tokens, "tokens") if tokens else None)
    found = designs(
        LogisticRise(width=width, floor=floor, end=end, midpoint=midpoint), Sampling(level_sd=level_sd, rho=rho),
        Cost(n=n or 0.0, d=d or 0.0, pairs=given.pairs or 1), seeds=sorted({2, 3, 4, 5, 6, 8, 10, max(given.seeds, 2)}),
        checkpoints=sorted({50, 100, 200, k}), concepts=sorted({50, 100, 200, c}), seed_sd=seed_sd, asked=power,
        level=level,
    )  # fmt: skip
    best = cheapest(found, target)
    own = next(f for f in found if (f.seeds, f.checkpoints, f.concepts) == (max(given.seeds, 2), k, c))
    sentences = []
    if given.seeds < 2:
        sentences.append("The study has one seed a mix: seeds are the replicates, and one detects no shift at all.")
    sentences.append(
        f"With {own.seeds} seeds, {k} checkpoints and {c} concepts it detects takeoffs {own.factor:.2f} times apart "
        f"with probability {power:g}."
    )
    sentences += _cheapest_in_words(best, target, found[-1].seeds, costed=bool(n and d))
    return PowerAnalysis(
        study=None if memory else os.fspath(study), power=power, level=level, seed_sd=seed_sd, target=target,
        rows=found, cheapest=best, sentences=tuple(sentences), costed=bool(n and d),
    )  # fmt: skip


def _cheapest_in_words(best: Detectable | None, target: float, most_seeds: int, *, costed: bool) -> list[str]:
    if best is None:
        return [f"No design of the table detects a ratio of {target:g}; more than {most_seeds} seeds are needed."]
    flops = f" ({best.flops:.2g} FLOPs)" if costed else ""
    sentences = [
        f"Cheapest for a ratio of {target:g}: {best.seeds} seeds a mix, {best.checkpoints} checkpoints, "
        f"{best.concepts} concepts{flops}."
    ]
    if not best.randomisation:
        sentences.append("So few seeds rely on the t test: a randomisation test cannot reach the level.")
    return sentences


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
