"""``sweeps run``: all runs of a study."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from calque.data.command_line.command import console
from calque.data.command_line.output import emit_json
from calque.data.errors import UserError
from calque.sweeps.commands.common import Json, Results, StudyFile, say, standings_json

if TYPE_CHECKING:
    from calque.sweeps.running import LaunchResult
    from calque.sweeps.study.study import Study


def run_command(
    study: StudyFile,
    results: Results = None,
    cpus: Annotated[int | None, typer.Option(help="Cores to use on this machine; by default all.", min=1)] = None,
    dry: Annotated[bool, typer.Option("--dry-run", help="Say what would start where and what is lacking.")] = False,
    nodes: Annotated[
        str | None, typer.Option(help="With --dry-run: a cluster such as 2x8gpu64cpu,4x32cpu, instead of this one.")
    ] = None,
    json_file: Json = None,
) -> None:
    """Run all runs of a study under Ray Tune; run it again to resume it. Exit 1 if any is unfinished.

    With RAY_ADDRESS, on that cluster. Every page is served on this machine alone.
    """
    from calque.sweeps.running import dry_run, run_study
    from calque.sweeps.study.study import read_study

    loaded = read_study(study)
    if dry:
        answer = dry_run(loaded, results, nodes, cpus)
        if not emit_json(json_file, answer.to_json()):
            console().print(answer.table())
            print(answer.summary())
        return
    if nodes:
        raise UserError("--nodes describes a cluster for --dry-run; leave it out to run on the one that is there")
    ended = run_study(loaded, results, cpus)
    raise SystemExit(report(loaded, ended, json_file))


def report(study: Study, ended: LaunchResult, json_file: str | None) -> int:
    """Print how the study stands and what to type next; return the exit code."""
    from calque.sweeps.results.progress import read_progress

    root, cube = ended.root, f"{ended.root}/results.nc"
    standings = [(read_progress(root.folder, run), run) for run in study.runs]
    open_runs = [(s, run) for s, run in standings if s.state != "done"]
    if ended.reason:
        print(f"sweeps: {ended.reason}", file=sys.stderr)
    answer = standings_json(study, root, [s for s, _ in standings]) | {"cube": cube}
    if emit_json(json_file, answer):
        return 1 if open_runs else 0
    for standing, config in open_runs:
        print(say(standing, root, config))
    print(f"{cube}: {len(standings) - len(open_runs)} of {len(standings)} runs done")
    if open_runs:
        print(f"go on with: sweeps run {study.path}")
        return 1
    print(f"next: phases detect {cube}")
    return 0
