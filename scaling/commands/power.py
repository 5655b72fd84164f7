"""``scaling power``: what a study can detect before it is paid for."""

from __future__ import annotations

from typing import Annotated

import typer

from calque.data.command_line.options import Json, Level
from calque.data.command_line.output import emit_json
from calque.data.errors import UserError
from calque.scaling.commands.common import Picture


def power_command(
    study: Annotated[
        str,
        typer.Argument(
            metavar="STUDY", help="A study's YAML, the JSON of 'sweeps plan STUDY --json', a truth YAML or a cube."
        ),
    ],
    target: Annotated[
        float, typer.Option(help="Ratio of takeoffs between two mixes to be detected, for the cheapest design.")
    ] = 1.25,
    power: Annotated[float, typer.Option(help="Probability of detecting it.")] = 0.8,
    level: Level = 0.95,
    seed_sd: Annotated[float, typer.Option(help="SD of ln T between seeds.")] = 0.06,
    width: Annotated[float, typer.Option(help="Width of the logistic rise, in ln tokens.")] = 0.25,
    floor: Annotated[float, typer.Option(help="Score before.")] = 0.01,
    end: Annotated[float, typer.Option(help="Score after.")] = 0.5,
    midpoint: Annotated[float, typer.Option(help="Tokens of the rise's middle over the run's.")] = 0.3,
    level_sd: Annotated[float, typer.Option(min=0, help="SD of a checkpoint's level shift, logit scale.")] = 0.0,
    rho: Annotated[
        float, typer.Option(min=0, max=0.99, help="Its correlation between neighbouring checkpoints.")
    ] = 0.0,
    checkpoints: Annotated[int | None, typer.Option(min=6, help="Where the study does not say.")] = None,
    concepts: Annotated[
        int | None, typer.Option(min=2, help="Independent items a checkpoint; where it does not say.")
    ] = None,
    params: Annotated[
        str | None, typer.Option(help="Parameters of a run, for the cost; where it does not say.")
    ] = None,
    tokens: Annotated[str | None, typer.Option(help="Tokens of a run, for the cost; where it does not say.")] = None,
    picture: Picture = None,
    json: Json = None,
) -> None:
    """Show how small a shift in takeoff the study detects, by seeds x checkpoints x concepts, and the cheapest design.

    Two mixes, seeds as replicates, a two-sided t test. Cost: 6 N D FLOPs a run, and 2 N a token asked. What a run's
    takeoff is known to is what maximum likelihood attains on simulated runs; ``phases``, which assumes no family, needs
    more.
    """
    from calque.phases.report.power_pictures import power_figure
    from calque.scaling.commands.pictures import check_picture, save
    from calque.scaling.named_sizes import parse_amount, parse_size
    from calque.scaling.power.design import read_design
    from calque.scaling.power.detectable import Cost, cheapest, designs
    from calque.scaling.power.precision import Curve, Sampling
    from calque.scaling.power.tables import print_power

    if not target > 1 or not 0.5 <= power < 1 or not 0.5 <= level < 1 or not seed_sd > 0:
        raise UserError(
            f"--target {target:g} --power {power:g} --level {level:g} --seed-sd {seed_sd:g}: expected a ratio above 1, "
            "two probabilities from 0.5 to 1 and an SD above 0"
        )
    check_picture(picture)
    given = read_design(study)
    k, c = given.checkpoints or checkpoints, given.concepts or concepts
    if k is None or c is None:
        lacking = " and ".join(o for o, v in (("--checkpoints", k), ("--concepts", c)) if v is None)
        raise UserError(f"{study} does not say how a run is measured; state {lacking}")
    n = given.n or (parse_size(params, "--params") if params else None)
    d = given.d or (parse_amount(tokens, "--tokens") if tokens else None)
    cost = Cost(n=n or 0.0, d=d or 0.0, pairs=given.pairs or 1)
    curve = Curve(width=width, floor=floor, end=end, at=midpoint)
    sampling = Sampling(level_sd=level_sd, rho=rho)
    found = designs(
        curve, sampling, cost, seeds=sorted({2, 3, 4, 5, 6, 8, 10, max(given.seeds, 2)}),
        checkpoints=sorted({50, 100, 200, k}), concepts=sorted({50, 100, 200, c}), seed_sd=seed_sd, asked=power,
        level=level,
    )  # fmt: skip
    best = cheapest(found, target)
    own = next(f for f in found if (f.seeds, f.checkpoints, f.concepts) == (max(given.seeds, 2), k, c))
    said = []
    if given.seeds < 2:
        said.append("The study has one seed a mix: seeds are the replicates, and one detects no shift at all.")
    said.append(
        f"With {own.seeds} seeds, {k} checkpoints and {c} concepts it detects takeoffs {own.factor:.2f} times apart "
        f"with probability {power:g}."
    )
    if best is None:
        said.append(
            f"No design of the table detects a ratio of {target:g}; more than {found[-1].seeds} seeds are needed."
        )
    else:
        flops = f" ({best.flops:.2g} FLOPs)" if n and d else ""
        said.append(
            f"Cheapest for a ratio of {target:g}: {best.seeds} seeds a mix, {best.checkpoints} checkpoints, "
            f"{best.concepts} concepts{flops}."
        )
        if not best.randomisation:
            said.append("So few seeds rely on the t test: a randomisation test cannot reach the level.")
    report = {
        "schema": 1, "study": study, "power": power, "level": level, "seed_sd": seed_sd, "target": target,
        "rows": [f.to_dict() for f in found],
        "cheapest": None if best is None else best.to_dict(), "sentences": said,
    }  # fmt: skip
    if picture is not None:
        save(power_figure(report), picture, "no design")
    if not emit_json(json, report):
        print_power(found, said, costed=bool(n and d))
