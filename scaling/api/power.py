"""What a study can detect before it is paid for: the function behind ``scaling power``."""

from __future__ import annotations

import os

from calque.data.arguments import checked
from calque.data.cube.source import CubeLike, as_cube
from calque.data.errors import UserError
from calque.data.quantities import plural
from calque.scaling.named_sizes import parse_amount, parse_size
from calque.scaling.power.design import of_cube, read_design
from calque.scaling.power.detectable import Cost, Detectable, cheapest, designs
from calque.scaling.power.precision import LogisticRise, Sampling
from calque.scaling.power.result import PowerAnalysis


@checked
def power(
    study: CubeLike,
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
    study : xarray.Dataset, path, or result with a cube
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
    if isinstance(study, str | os.PathLike):
        given, name = read_design(os.fspath(study)), os.fspath(study)
    else:
        cube, name = as_cube(study)
        given = of_cube(cube)
    k, c = given.checkpoints or checkpoints, given.concepts or concepts
    if k is None or c is None:
        lacking = " and ".join(f"`{option}`" for option, v in (("checkpoints", k), ("concepts", c)) if v is None)
        raise UserError(f"{name} does not say how a run is measured; state {lacking}")
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
        f"With {plural(own.seeds, 'seed')}, {plural(k, 'checkpoint')} and {plural(c, 'concept')} it detects takeoffs "
        f"{own.factor:.2f} times apart with probability {power:g}."
    )
    sentences += _cheapest_in_words(best, target, found[-1].seeds, costed=bool(n and d))
    return PowerAnalysis(
        study=name, power=power, level=level, seed_sd=seed_sd, target=target,
        rows=found, cheapest=best, sentences=tuple(sentences), costed=bool(n and d),
    )  # fmt: skip


def _cheapest_in_words(best: Detectable | None, target: float, most_seeds: int, *, costed: bool) -> list[str]:
    if best is None:
        return [
            f"No design of the table detects a ratio of {target:g}; more than "
            f"{plural(most_seeds, 'seed is', 'seeds are')} needed."
        ]
    flops = f" ({best.flops:.2g} FLOPs)" if costed else ""
    sentences = [
        f"Cheapest for a ratio of {target:g}: {plural(best.seeds, 'seed')} a mix, "
        f"{plural(best.checkpoints, 'checkpoint')}, {plural(best.concepts, 'concept')}{flops}."
    ]
    if not best.randomisation:
        sentences.append("So few seeds rely on the t test: a randomisation test cannot reach the level.")
    return sentences
