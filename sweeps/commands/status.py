"""``sweeps status``: where each run stands."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import Annotated

import typer

from calque.data.command_line.options import Json
from calque.data.command_line.output import emit_json
from calque.data.errors import UserError
from calque.data.result import console
from calque.sweeps.commands.common import Results, StudyFile


def status_command(
    study: StudyFile,
    results: Results = None,
    serve: Annotated[bool, typer.Option("--serve", help="Serve the live page on this machine until Ctrl-C.")] = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="Read all weights and compare their SHA-256; exit 1 if any is damaged.")
    ] = False,
    port: Annotated[int, typer.Option(help="With --serve: the port; 0 takes a free one.", min=0, max=65535)] = 0,
    json_file: Json = None,
) -> None:
    """Show where each run stands; works while the study runs, on any machine that sees the results.

    A run is stopped when it was at work and no process holds it any more. Exit 1 if files of a run are damaged.

    --verify finds weights that are damaged, were swapped or are missing; it reads all of them, which takes its time.
    The live page (loss, copying, translation, throughput, time left) is also the file live.html in the results.

    For example: sweeps status sweeps/quick.yaml
    """
    from calque.data.quantities import format_bytes, plural
    from calque.sweeps.results.claim import check_owner
    from calque.sweeps.results.damage import damaged
    from calque.sweeps.results.progress import progress_table, read_progress
    from calque.sweeps.results.root import ResultsRoot
    from calque.sweeps.results.rungs import scores, trials_table
    from calque.sweeps.results.standings import standings_json
    from calque.sweeps.study.study import read_study

    loaded = read_study(study)
    root = ResultsRoot(loaded.results_place(results))
    root.refresh(loaded.runs)
    if not check_owner(root.folder, loaded) and not (root.folder / "runs").exists():
        nothing = f"there are no results of study '{loaded.name}' in {root}"
        if results is not None:
            raise UserError(f"{nothing}; expected those of sweeps run {study} in --results")
        print(f"sweeps: {nothing} yet; start it with: sweeps run {study}", file=sys.stderr)
    if serve:
        from calque.sweeps.watch.live import LivePage
        from calque.sweeps.watch.live_server import LiveServer

        with LiveServer(LivePage(loaded, root), port) as server:
            print(f"{server.address} until Ctrl-C", flush=True)
            with suppress(KeyboardInterrupt):
                server.serve_forever()
        return
    standings = [read_progress(root.folder, run) for run in loaded.runs]
    broken = damaged(root.folder, loaded.runs)
    answer, found = standings_json(loaded, root, standings) | {"damaged": broken}, None
    if verify:
        from calque.data.command_line.progress import ProgressDisplay
        from calque.sweeps.results.verifying import REMEDY
        from calque.sweeps.results.verifying import verify as read_weights

        with ProgressDisplay("files") as display:
            found = read_weights(loaded.results_folder(results), loaded.runs, display.show)
        answer["weights"] = found.to_dict()
    if not emit_json(json_file, answer):
        console().print(progress_table(standings, f"study '{loaded.name}' in {root}"))
        if loaded.search is not None:
            console().print(trials_table(scores(loaded, root.folder), loaded.search))
        for standing in standings:
            for said in filter(None, (standing.message if standing.state == "failed" else "", standing.note)):
                print(f"{standing.run}: {said}")
        if found is not None:
            for fault in found.faults:
                print(fault)
            how = f"{len(found.faults)} are not what was written; {REMEDY}" if found.faults else "all as written"
            print(f"{plural(found.files, 'file')} of weights, {format_bytes(found.checked_bytes)}: {how}")
    for run, what in broken.items():
        print(f"sweeps: run '{run}': {what}", file=sys.stderr)
    raise SystemExit(1 if broken or (found is not None and found.faults) else 0)
