"""``sweeps trial``: one run in this process."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from calque.data.command_line.options import Json
from calque.data.command_line.output import emit_json
from calque.data.errors import UserError
from calque.sweeps.commands.common import Results


def trial_command(
    study: Annotated[
        Path | None, typer.Argument(help="Study file; leave it out with --from.", show_default=False)
    ] = None,
    name: Annotated[str | None, typer.Argument(metavar="RUN", help="The run's name or id.", show_default=False)] = None,
    source: Annotated[
        Path | None, typer.Option("--from", help="Repeat a run of this cube; its attributes are all that is needed.")
    ] = None,
    chosen: Annotated[str | None, typer.Option("--run", help="With --from: the run's name or id.")] = None,
    results: Results = None,
    json_file: Json = None,
) -> None:
    """Do one run in this process, without Ray; it resumes where it was. Or repeat a run of a cube.

    For example: sweeps trial sweeps/quick.yaml micro-s0
    """
    from calque.sweeps.results.standings import standing_line, standings_json
    from calque.sweeps.running import run_one
    from calque.sweeps.study.repeat import study_of_cube
    from calque.sweeps.study.study import read_study

    if source is not None:
        if study is not None or chosen is None:
            raise UserError(
                "--from CUBE takes --run NAME and no study file; expected sweeps trial --from CUBE --run NAME"
            )
        loaded, name = study_of_cube(source, chosen), chosen
    elif study is None or name is None or chosen is not None:
        raise UserError("expected sweeps trial STUDY RUN, or sweeps trial --from CUBE --run NAME")
    else:
        loaded = read_study(study)
    config = loaded.run(name)
    standing, root = run_one(loaded, config, results)
    if not emit_json(json_file, standings_json(loaded, root, [standing])):
        print(standing_line(standing, root))
    raise SystemExit(0 if standing.state == "done" else 1)
