"""The command ``sweeps``: plan, prepare, run, trial, status, collect, export."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from data.errors import UserError, guard
from sweeps.score_command import score

if TYPE_CHECKING:
    from rich.console import Console

    from sweeps.config import RunConfig
    from sweeps.progress import RunProgress
    from sweeps.root import ResultsRoot
    from sweeps.running import Ended
    from sweeps.study import Study

app = typer.Typer(
    help="Launch studies of pretraining runs and gather every checkpoint's metrics in one cube.",
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode="rich",
)  # fmt: skip

StudyFile = Annotated[Path, typer.Argument(help="Study file, such as sweeps/quick.yaml.", show_default=False)]
Results = Annotated[
    str | None,
    typer.Option(
        help="Folder for results, or an address such as s3://bucket/full; by default NAME in CALQUE_RESULTS, "
        "the study's key 'results', or results/NAME."
    ),
]
Json = Annotated[str | None, typer.Option("--json", help="Write the answer as JSON to this file; '-' is stdout.")]


@app.command()
def plan(
    study: StudyFile,
    device: Annotated[
        str | None,
        typer.Option(help="cpu (one core), a100, h100, h200 or b200; by default h200 for bfloat16, cpu for float32."),
    ] = None,
    flops: Annotated[
        float | None, typer.Option(help="Peak FLOP/s of a device that is not named there, such as 165e12.")
    ] = None,
    utilisation: Annotated[float, typer.Option(help="Share of the peak that training's own FLOPs reach.")] = 0.4,
    json_file: Json = None,
) -> None:
    """Print the bill of a study: runs, parameters, FLOPs, memory, device-hours, disk. Starts nothing."""
    from sweeps import plan_tables
    from sweeps.plan import Hardware
    from sweeps.plan import plan as reckon
    from sweeps.study import read_study

    bill = reckon(read_study(study), Hardware(name=device, peak=flops, utilisation=utilisation))
    if not emit_json(json_file, bill):
        for table in (plan_tables.bill_table, plan_tables.flops_table, plan_tables.memory_table):
            console().print(table(bill))
        for line in plan_tables.notes(bill):
            print(line)


@app.command()
def prepare(
    study: StudyFile,
    workers: Annotated[
        int | None, typer.Option(help="Processes that tokenise; by default one for each core.", min=1)
    ] = None,
    json_file: Json = None,
) -> None:
    """Make the data of every run: text, tokenizer, token shards. Does nothing for what is there already.

    Stopped at any moment it goes on where it stood, and ends with the same bytes. Data are kept in CALQUE_HOME.
    """
    from data.home import home
    from sweeps.data_report import answer, show
    from sweeps.preparing import prepare_all
    from sweeps.preparing_display import PreparingDisplay
    from sweeps.study import read_study

    loaded = read_study(study)
    with PreparingDisplay() as display:
        sets = list(prepare_all(loaded.runs, workers, display))
    data = {"schema": 1, "study": loaded.name, "home": str(home()), "data": [answer(made) for made in sets]}
    if emit_json(json_file, data):
        return
    for made in sets:
        show(made, console())


@app.command()
def run(
    study: StudyFile,
    results: Results = None,
    cpus: Annotated[int | None, typer.Option(help="Cores to use on this machine; by default all.", min=1)] = None,
    dry: Annotated[bool, typer.Option("--dry-run", help="Say what would start where and what is lacking.")] = False,
    nodes: Annotated[
        str | None, typer.Option(help="With --dry-run: a cluster such as 2x8gpu64cpu,4x32cpu, instead of this one.")
    ] = None,
    json_file: Json = None,
) -> None:
    """Run all runs of a study under Ray Tune; run it again to go on where it stood. Exit 1 if any is unfinished.

    With RAY_ADDRESS, on that cluster. Every page is served on this machine alone.
    """
    from sweeps.running import dry_run, run_study
    from sweeps.study import read_study

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


@app.command()
def trial(
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
    """Do one run in this process, without Ray; goes on where it stood. Or repeat a run of a cube."""
    from sweeps.repeat import study_of_cube
    from sweeps.running import run_one
    from sweeps.study import read_study

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
        print(say(standing, root, config))
    raise SystemExit(0 if standing.state == "done" else 1)


@app.command()
def status(
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


@app.command()
def collect(
    study: StudyFile,
    output: Annotated[Path, typer.Option("--output", "-o", help="The cube to write.")] = Path("results.nc"),
    results: Results = None,
    json_file: Json = None,
) -> None:
    """Gather the runs so far into one cube; works while the study runs."""
    from sweeps.results import write_cube
    from sweeps.root import ResultsRoot
    from sweeps.study import read_study

    loaded = read_study(study)
    root = ResultsRoot(loaded.results_place(results))
    root.refresh(loaded.runs, cubes=True)
    sizes = write_cube(loaded, root.folder, output)
    if not emit_json(json_file, {"schema": 1, "cube": str(output), "sizes": sizes}):
        print(f"{output}: {sizes['run']} runs, up to {sizes['checkpoint']} checkpoints")


@app.command()
def export(
    study: StudyFile,
    name: Annotated[str, typer.Argument(metavar="RUN", help="The run's name or id.", show_default=False)],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to make; it must not exist yet.")],
    step: Annotated[int | None, typer.Option(help="Step of the checkpoint; by default the last.")] = None,
    dtype: Annotated[str, typer.Option(help="Of the weights written: float32, bfloat16 or float16.")] = "float32",
    tokenizer: Annotated[bool, typer.Option(help="Whether to write the tokenizer, too.")] = True,
    results: Results = None,
    json_file: Json = None,
) -> None:
    """Write a checkpoint of a run as a folder that transformers loads (AutoModelForCausalLM, AutoTokenizer).

    Models of the ladder become LlamaForCausalLM; the small ones for CPUs have norms on queries and keys, which that
    architecture lacks, and become Qwen3ForCausalLM. The checkpoint's SHA-256 is checked first.
    """
    from sweeps.exporting import export_checkpoint
    from sweeps.kept_run import KeptRun
    from sweeps.progress import run_folder
    from sweeps.study import read_study

    loaded = read_study(study)
    run = KeptRun.open(run_folder(loaded.results_folder(results), loaded.run(name)))
    made = export_checkpoint(run, output, step, dtype, tokenizer)
    if not emit_json(json_file, made):
        print(f"{output}: {made['architecture']}, run '{made['run']}' at step {made['step']}, {made['dtype']}")


app.command()(score)


def standings_json(study: Study, root: ResultsRoot, standings: Sequence[RunProgress]) -> dict[str, Any]:
    """Return where runs stand, as JSON-ready values."""
    from dataclasses import asdict

    runs = [asdict(s) | {"stopped": s.stale, "seconds_left": s.seconds_left} for s in standings]
    return {"schema": 1, "study": study.name, "results": root.place, "runs": runs}


def report(study: Study, ended: Ended, json_file: str | None) -> int:
    """Print how the study stands and what to type next; return the exit code."""
    from sweeps.progress import read_progress

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


def say(standing: RunProgress, root: ResultsRoot, config: RunConfig) -> str:
    """Return one line on a run's standing."""
    where = f"{root}/runs/{config.name}"
    if standing.state == "failed":
        return f"{config.name}: failed: {standing.message} (traceback in {where}/error.txt)"
    done = f"{standing.checkpoints} of {standing.total_checkpoints} checkpoints"
    return f"{config.name}: {'done' if standing.state == 'done' else 'unfinished'}, {done}, in {where}"


def console() -> Console:
    """Return a console that is wide enough for a table where no terminal says how wide it is."""
    from rich.console import Console

    return Console() if sys.stdout.isatty() else Console(width=140)


def emit_json(target: str | None, answer: dict[str, Any]) -> bool:
    """Write ``answer`` to the file or stdout named by ``--json``; return whether it went to stdout."""
    if target is None:
        return False
    text = json.dumps(answer, indent=1)
    if target == "-":
        print(text)
        return True
    Path(target).write_text(text + "\n", encoding="utf-8")
    return False


def main() -> None:
    """Entry point of the console script."""
    guard("sweeps", app)


if __name__ == "__main__":
    main()
