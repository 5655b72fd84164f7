"""``sweeps prepare``: the data of every run."""

from __future__ import annotations

from typing import Annotated

import typer

from calque.data.command_line.options import Json
from calque.data.command_line.output import emit_json
from calque.data.result import console
from calque.sweeps.commands.common import StudyFile


def prepare_command(
    study: StudyFile,
    workers: Annotated[
        int | None, typer.Option(help="Processes that tokenise; by default one for each core.", min=1)
    ] = None,
    json_file: Json = None,
) -> None:
    """Make the data of every run: text, tokenizer, token shards. Does nothing for what is there already.

    Stopped at any moment it resumes where it was, and ends with the same bytes. Data are kept in CALQUE_HOME.

    For example: sweeps prepare sweeps/quick.yaml
    """
    from calque.data.home import home
    from calque.sweeps.prepare.display import PreparingDisplay
    from calque.sweeps.prepare.prepare import prepare_all
    from calque.sweeps.prepare.report import answer, show
    from calque.sweeps.study.study import read_study

    loaded = read_study(study)
    with PreparingDisplay() as display:
        sets = list(prepare_all(loaded.runs, workers, display.take))
    data = {"schema": 1, "study": loaded.name, "home": str(home()), "data": [answer(made) for made in sets]}
    if emit_json(json_file, data):
        return
    for made in sets:
        show(made, console())
