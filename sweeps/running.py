"""Running a study: claim the results root, prepare the data, launch the runs, collect the cube."""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass
from typing import Any

from rich.table import Table

from calque.data.answers import answers_path
from calque.data.errors import UserError
from calque.data.locks import locked
from calque.data.quantities import format_count, plural
from calque.sweeps.launch.address import check_answers, cluster_address
from calque.sweeps.launch.errors import LaunchError
from calque.sweeps.plan import placement
from calque.sweeps.plan.repetition import differing, epochs
from calque.sweeps.prepare.known_text import texts
from calque.sweeps.results.claim import claim
from calque.sweeps.results.collect import write_cube
from calque.sweeps.results.damage import unfinished
from calque.sweeps.results.progress import ENDED, RunProgress, read_progress, run_folder
from calque.sweeps.results.root import ResultsRoot
from calque.sweeps.study.run_config import RunConfig
from calque.sweeps.study.study import Study, is_address


@dataclass(frozen=True, kw_only=True)
class LaunchResult:
    """How a launch ended.

    Attributes
    ----------
    root : ResultsRoot
        Where the results are.
    reason : str or None
        Why it ended early; None when every run had its turn.
    """

    root: ResultsRoot
    reason: str | None


@dataclass(frozen=True, kw_only=True)
class DryRun:
    """What a launch would do: which runs it would start, longest first, on which nodes.

    Attributes
    ----------
    study : Study
    place : str
        The results root.
    runs : list of RunConfig
        Runs that are not done.
    nodes : list of Node
    resources : dict of str to ResourceRequest
        By run.
    epochs : dict of str to dict of str to float, or None
        How often each run of the study reads each language's text; None where that is not known yet.
    """

    study: Study
    place: str
    runs: list[RunConfig]
    nodes: list[placement.Node]
    resources: dict[str, placement.ResourceRequest]
    epochs: dict[str, dict[str, float] | None]

    @property
    def warnings(self) -> tuple[str, ...]:
        """What to know of the study's runs before they start: text that they repeat unequally often."""
        return () if self.study.search is not None else differing(self.study.runs, self.epochs)

    def table(self) -> Table:
        """Return the runs as a table, in the order in which they start."""
        return placement.placement_table(self.runs, self.nodes, self.resources)

    def summary(self) -> str:
        """Return one line with the number of runs done and started at once."""
        at_once = sum(bool(at) for at in placement.first_wave(self.runs, self.nodes, self.resources).values())
        said = (
            f"{len(self.study.runs) - len(self.runs)} of {plural(len(self.study.runs), 'run')} done; {at_once} would "
            f"start at once, results in {self.place}; nothing was started"
        )
        search = self.study.search
        if search is None:
            return said
        rungs = search.rungs(search.longest(run.training for run in self.study.runs))
        return f"{said}; trials are compared by {search.metric} at {', '.join(map(format_count, rungs))} tokens"

    def to_json(self) -> dict[str, Any]:
        """Return JSON-ready values."""
        at = placement.first_wave(self.runs, self.nodes, self.resources)
        runs = [
            {
                "run": run.name,
                "flops": placement.flops(run),
                "nodes": list(at[run.name]),
                "epochs": self.epochs[run.name],
                **asdict(self.resources[run.name]),
            }
            for run in placement.longest_first(self.runs)
        ]
        return {
            "schema": 1, "study": self.study.name, "results": self.place, "done": len(self.study.runs) - len(self.runs),
            "nodes": [asdict(node) for node in self.nodes], "runs": runs, "warnings": list(self.warnings),
        }  # fmt: skip


def dry_run(study: Study, results: str | None, nodes: str | None, cpus: int | None) -> DryRun:
    """Return what a launch would do; nothing is started or written.

    Parameters
    ----------
    study : Study
    results : str, optional
        Results root: a folder or an address; by default as the study names it.
    nodes : str, optional
        A cluster in words (``placement.parse_nodes``); by default that of ``RAY_ADDRESS``, or this machine.
    cpus : int, optional
        Cores of this machine.

    Raises
    ------
    UserError
        When a run does not fit into the cluster; the error names what it lacks.
    """
    place = study.results_place(results)
    if nodes:
        cluster = placement.parse_nodes(nodes)
    elif address := cluster_address():
        from calque.sweeps.launch.cluster import cluster_nodes

        cluster = cluster_nodes(address)
    else:
        cluster = placement.this_machine(cpus)
    root = ResultsRoot(place)
    root.refresh(study.runs)
    open_runs = [run for run in study.runs if read_progress(root.folder, run).state not in ENDED]
    resources = placement.check(open_runs, cluster, at_address=root.remote is not None)
    known = texts(study.runs)
    read = {run.name: None if (text := known[run.name]) is None else epochs(run, text) for run in study.runs}
    return DryRun(study=study, place=place, runs=open_runs, nodes=cluster, resources=resources, epochs=read)


def claimed_root(study: Study, results: str | None) -> ResultsRoot:
    """Claim the results root of a study, and return it.

    Parameters
    ----------
    study : Study
    results : str, optional
        A folder or an address; by default as the study names it.

    Raises
    ------
    UserError
        When it is another study's.
    """
    root = ResultsRoot(study.results_place(results))
    if study.search is not None and root.remote is not None:
        raise UserError(
            f"results go to {root.place}, and study '{study.name}' is a search, which compares its trials in one "
            "folder; name a folder with `results`"
        )
    root.refresh(study.runs)
    claim(root.folder, study)
    root.publish("study.json")
    return root


def run_study(study: Study, results: str | None, cpus: int | None) -> LaunchResult:
    """Launch the runs that are not done, and write ``results.nc`` of all runs.

    Parameters
    ----------
    study : Study
    results : str, optional
        A folder or an address; by default as the study names it.
    cpus : int, optional
        Cores of this machine to use, by default all.

    Raises
    ------
    UserError
        When the root is another study's or in use, or a run does not fit into the cluster.
    FolderGoneError
        When the root was removed while the study ran; it is not made again.
    LaunchError
        When Ray did not start, or ended before any run had a checkpoint.
    """
    root = claimed_root(study, results)
    with locked(root.folder / ".lock", f"study '{study.name}' in {root}", wait=0), root.kept():
        root.refresh(study.runs, cubes=True)
        open_runs = unfinished(root, study.runs)
        if study.search is not None and open_runs:  # those that ended take part in the decisions on the others
            open_runs = list(study.runs)
        address = cluster_address() if open_runs else None
        if address is None:
            placement.check(open_runs, placement.this_machine(cpus), at_address=root.remote is not None)
        else:
            check_answers(address)  # before the data are made, which may take hours
        reason = _launch(study, root, open_runs, cpus) if open_runs else None
        root.refresh(study.runs, cubes=True)
        if not any((run_folder(root.folder, run) / "run.nc").exists() for run in study.runs):
            failed = [one.message for run in study.runs if (one := read_progress(root.folder, run)).state == "failed"]
            why = reason or (failed[0] if failed else "all runs ended")
            raise LaunchError(f"{why}, before any run had a checkpoint; run the same again: sweeps run {study.path}")
        for warning in write_cube(study, root.folder, root.folder / "results.nc").warnings():
            print(f"sweeps: {warning}", file=sys.stderr)
        root.publish("results.nc")
        if answers_path(root.folder / "results.nc").exists():
            root.publish("results.answers.parquet")
    return LaunchResult(root=root, reason=reason)


def _launch(study: Study, root: ResultsRoot, runs: list[RunConfig], cpus: int | None) -> str | None:
    from calque.sweeps.launch.tune import launch
    from calque.sweeps.prepare.display import PreparingDisplay
    from calque.sweeps.prepare.prepare import prepare_all
    from calque.sweeps.watch.display import Display
    from calque.sweeps.watch.live import LivePage

    with PreparingDisplay() as preparing:
        list(prepare_all(tuple(runs), cpus, preparing.take))
    with Display(study, root), LivePage(study, root):
        return launch(runs, root.place, study.text, cpus, parents=study.parents(), search=study.search)


def run_one(study: Study, run: RunConfig, results: str | None) -> tuple[RunProgress, ResultsRoot]:
    """Train and score one run in this process; return its progress and its results root.

    Parameters
    ----------
    study : Study
    run : RunConfig
    results : str, optional
        A folder or an address; by default as the study names it.

    Raises
    ------
    UserError
        As ``calque.sweeps.trial.trial.run_trial``, when the root is another study's, and when the run has far more
        threads than this machine has cores.
    """
    from calque.models.training.strategy import world_size
    from calque.sweeps.trial.branching import fetch_beginning
    from calque.sweeps.trial.request import TrialRequest
    from calque.sweeps.trial.trial import run_trial
    from calque.sweeps.watch.display import Display
    from calque.sweeps.watch.live import LivePage
    from calque.sweeps.watch.trackers import tracked

    placement.check_by_hand(run)
    place, started = study.results_place(results), world_size()
    if started > 1 and is_address(place):
        raise UserError(
            f"results go to {place}, which one process copies, and {plural(started, 'process', 'processes')} were "
            "started; let `sweeps trial` start them, or choose a folder that all of them see with `results`"
        )
    root = claimed_root(study, results)
    with root.kept(), Display(study, root, only=run), LivePage(study, root), root.working(run) as folder:
        fetch_beginning(root, run, folder)
        with tracked(run, run_folder(folder, run)) as report:
            standing = run_trial(
                TrialRequest(
                    config=run,
                    results=folder,
                    study_yaml=study.text,
                    adaptive_record=study.recorded.get(run.name),
                    branch_steps=study.branch_steps(run.name),
                    without_parent=run.branch is not None and not study.has(run.branch.run),
                ),  # fmt: skip
                report,
            )
    return standing, root
