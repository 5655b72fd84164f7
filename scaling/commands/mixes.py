"""``scaling mixes``: what the language mix does to the transition."""

from __future__ import annotations

from typing import Annotated

import typer

from calque.data.command_line.options import CUBE, Boot, Json, Level, Metric, Seed
from calque.data.command_line.output import emit_json
from calque.scaling.commands.common import check_level, transitions


def mixes_command(
    cube: Annotated[str, CUBE],
    metric: Metric = "translation",
    by_language: Annotated[
        bool, typer.Option("--by-language/--whole", help="Also by language translated into, with shares and overlap.")
    ] = False,
    level: Level = 0.95,
    boot: Boot = 199,
    seed: Seed = 0,
    json: Json = None,
) -> None:
    """Contrast the takeoffs of mixes, seeds as replicates: randomisation test, interval, p-values adjusted for many.

    --by-language adds contrasts of every language, a mixed model over them (languages within runs), and the law
    T = (T0 + c N^-gamma) p^-eta exp(-kappa overlap) in the languages' shares p.
    """
    from calque.data import cube as cubes
    from calque.scaling.laws.share import fit_shares
    from calque.scaling.mixes.by_language import observe_languages
    from calque.scaling.mixes.contrast import contrasts
    from calque.scaling.mixes.mixed_model import mixed_contrasts
    from calque.scaling.mixes.tables import print_contrasts, print_mixed, print_shares
    from calque.scaling.observations import observe

    check_level(level)
    read = cubes.read(cube)
    observations = observe(read, transitions(read, metric, boot, seed), metric)
    found = contrasts(observations, level=level, seed=seed)
    report = {"schema": 1, "cube": cube, "metric": metric, "level": level, "contrasts": [c.to_dict() for c in found]}
    report["transitions"] = [o.to_dict() for o in observations]
    if by_language:
        split = observe_languages(read, transitions(read, metric, boot, seed, by=("target",)), metric)
        each = contrasts(split, level=level, seed=seed)
        mixed, shares = mixed_contrasts(split, level=level), fit_shares(split, level=level)
        report["languages"] = [c.to_dict() for c in each]
        report["mixed_model"] = [c.to_dict() for c in mixed]
        report["shares"] = shares.to_dict()
    if not emit_json(json, report):
        print_contrasts(found)
        if by_language:
            print_contrasts(each)
            print_mixed(mixed)
            print_shares(shares)
