"""``phases explore``: a cube in the browser."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from calque.data.command_line.options import CUBE, Json, json_input
from calque.data.command_line.output import check_json, check_output, emit_json
from calque.data.errors import UserError

NEEDS = ("panel", "hvplot", "holoviews", "bokeh")


def explore(
    cube: Annotated[Path, CUBE],
    detect: Annotated[Path | None, json_input("phases detect CUBE")] = None,
    forecast: Annotated[Path | None, json_input("scaling forecast CUBE")] = None,
    power: Annotated[Path | None, json_input("scaling power STUDY")] = None,
    loss: Annotated[Path | None, json_input("scaling loss CUBE")] = None,
    mixes: Annotated[Path | None, json_input("scaling mixes CUBE")] = None,
    plan: Annotated[Path | None, json_input("scaling plan")] = None,
    beside: Annotated[
        list[Path] | None,
        typer.Option("--beside", metavar="CUBE", help="Another cube, its runs beside the first's; repeatable."),
    ] = None,
    port: Annotated[
        int, typer.Option("--port", help="Port on 127.0.0.1; 0 takes any free one.", min=0, max=65535, metavar="N")
    ] = 0,
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Open the pages in a browser, where there is one.")
    ] = True,
    save: Annotated[
        Path | None,
        typer.Option(
            "--save", help="Serve nothing: write the pages as they first stand to one HTML file.", metavar="FILE"
        ),
    ] = None,
    json_file: Json = None,
) -> None:
    """Explore a cube in the browser: curves, pairs, words, sizes, loss and compute, planning, runs.

    The pages are served to this machine alone (127.0.0.1), need no network, and end with Ctrl-C. From another machine,
    forward the port under its own number: ssh -L 5006:127.0.0.1:5006 HOST, and --port 5006 there. Transitions come
    from --detect, or are located on demand by a button. Laws, power, contrasts of mixes and ladders come from
    --forecast, --loss, --power, --mixes and --plan.

    For example: phases explore results.nc --detect detect.json --save pages.html
    """
    lacking = [name for name in NEEDS if find_spec(name) is None]
    if lacking:
        raise UserError(f"phases explore needs the package '{lacking[0]}'; install it: pip install 'calque[explore]'")
    from calque.phases.explore.study import read_study
    from calque.phases.json_files import read_json

    paths = {"detect": detect, "forecast": forecast, "power": power, "loss": loss, "mixes": mixes, "plan": plan}
    check_json(json_file)
    if save is not None:
        check_output(save)
    files = {kind: read_json(kind, path) for kind, path in paths.items() if path is not None}
    study = read_study(cube, files, beside or ())
    if save is not None:
        from calque.phases.explore.serving.snapshot import save as write

        write(study, save)
        if not emit_json(json_file, {"schema": 1, "cube": str(cube), "pages": str(save)}):
            print(f"pages: {save}")
        return
    from calque.phases.explore.serving.server import serve

    def started(address: str) -> None:
        if not emit_json(json_file, {"schema": 1, "cube": str(cube), "address": address}):
            print(f"{study.name} at {address} (this machine alone; Ctrl-C ends it)", flush=True)

    serve(study, port, browser=browser, started=started)
