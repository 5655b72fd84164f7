"""``sweeps run``: all runs of a study."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from calque.data.command_line.options import Json
from calque.data.command_line.output import emit_json
from calque.data.command_line.tables import fitted
from calque.data.errors import UserError
from calque.data.result import console
from calque.sweeps.commands.common import Results, StudyFile


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
    """Run all runs of a study under Ray Tune; run it again to resume where it stopped. Exit 1 if any is unfinished.

    With RAY_ADDRESS, on that cluster. Every page is served on this machine alone.

    For example: sweeps run sweeps/quick.yaml --results results/quick
    """
    if dry:
        from calque.sweeps.running import dry_run
        from calque.sweeps.study.study import read_study

        answer = dry_run(read_study(study), results, nodes, cpus)
        if not emit_json(json_file, answer.to_json()):
            out = console()
            for part in fitted(answer.table(), out):
                out.print(part)
            for warning in answer.warnings:
                print(f"warning: {warning}")
            print(answer.summary())
        return
    if nodes:
        raise UserError("--nodes describes a cluster for --dry-run; leave it out to run on the one that is there")
    from calque.sweeps.api.run import run

    found = run(study, results=results, cpus=cpus)
    if found.ended.reason:
        print(f"sweeps: {found.ended.reason}", file=sys.stderr)
    if not emit_json(json_file, found.to_dict()):
        found.show()
    raise SystemExit(1 if found.unfinished else 0)
