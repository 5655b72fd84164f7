"""``sweeps status``: where each run stands."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated

import typer

from data.command_line import console, emit_json
from sweeps.commands.common import Json, Results, StudyFile, standings_json


def status_command(
    study: StudyFile,
    results: Results = None,
    serve: Annotated[bool, typer.Option("--serve", help="Serve the live page on this machine until Ctrl-C.")] = False,
    port: Annotated[int, typer.Option(help="With --serve: the port; 0 takes a free one.", min=0, max=65535)] = 0,
    json_file: Json = None,
) -> None:
    """Show where each run stands; works while the study runs, on any machine that sees the results.

    The live page (loss, copying, translation, throughput, time left) is also the file live.html in the results.
    """
    from sweeps.progress import progress_table, read_progress
    from sweeps.root import ResultsRoot
    from sweeps.study import read_study

    loaded = read_study(study)
    root = ResultsRoot(loaded.results_place(results))
    root.refresh(loaded.runs)
    if serve:
        from sweeps.live import LivePage
        from sweeps.live_server import LiveServer

        with LiveServer(LivePage(loaded, root), port) as server:
            print(f"{server.address} until Ctrl-C", flush=True)
            with suppress(KeyboardInterrupt):
                server.serve_forever()
        return
    standings = [read_progress(root.folder, run) for run in loaded.runs]
    if not emit_json(json_file, standings_json(loaded, root, standings)):
        console().print(progress_table(standings, f"study '{loaded.name}' in {root}"))
