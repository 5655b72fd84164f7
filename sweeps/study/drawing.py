"""The runs of a search: drawn from one, with a checkpoint at every rung."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from calque.data.errors import UserError
from calque.sweeps.study.reader import StudyReader, merge
from calque.sweeps.study.run_config import RunConfig
from calque.sweeps.study.search import Search, nested


def draw_runs(
    reader: StudyReader, search: Search, runs: dict[str, Any], content: dict[str, Any]
) -> list[tuple[RunConfig, dict[str, Any]]]:
    """Return the runs of a search, and what was drawn for each.

    Parameters
    ----------
    reader : StudyReader
    search : Search
    runs : dict
        What the file has under ``runs``: one run.
    content : dict
        The file's content.

    Raises
    ------
    UserError
        One line for what was drawn and is no run, and for runs that a search cannot compare.
    """
    error = reader.document.error
    if len(runs) != 1:
        raise error(("runs",), f"a search draws from one run, and there are {len(runs)}; expected one under 'runs'")
    ((name, own),) = runs.items()
    found = []
    try:
        draws = search.draws()
    except UserError as mistake:
        raise error(("search", *mistake.place), str(mistake)) from None
    for number, values in enumerate(draws):
        try:
            configs = reader.runs(name, merge({} if own is None else own, nested(values)), content)
        except UserError as mistake:
            said = str(mistake).removeprefix(f"{reader.document.path}:").partition(": ")[2]
            raise error(("search", "over"), f"drawn for a trial: {said}") from None
        run = configs[0]
        if len(configs) > 1 or run.training.devices > 1:
            what = "one seed" if len(configs) > 1 else "devices: 1"
            raise error(("runs", name), f"trials of a search are single processes; expected {what}, or no search")
        if search.first >= run.training.tokens:
            raise error(
                ("search", "first"),
                f"first is {search.first}, and a trial trains on {run.training.tokens} tokens; expected fewer",
            )
        named = f"{name}-t{number:0{len(str(search.trials - 1))}}"
        grain = run.training.tokens_per_step
        compared = (math.ceil(rung / grain) * grain for rung in search.rungs(run.training.tokens)[:-1])
        explicit = tuple(sorted({*run.checkpoints.explicit, *compared}))
        found.append((replace(run, name=named, checkpoints=replace(run.checkpoints, explicit=explicit)), values))
    return found
