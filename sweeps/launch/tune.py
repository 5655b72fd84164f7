"""Runs as trials of Ray Tune, as many at a time as fit, each started again when its process dies."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from calque.data.quantities import plural
from calque.sweeps.launch.cluster import cluster, quiet, started_nodes
from calque.sweeps.launch.crash_loop import MAX_CRASHES
from calque.sweeps.launch.deaths import MAX_RESTARTS, death_counter
from calque.sweeps.launch.environment import take_over
from calque.sweeps.launch.group import run_group
from calque.sweeps.launch.interruption import interrupted_by_node_loss, interrupted_by_signals
from calque.sweeps.launch.request import LaunchRequest
from calque.sweeps.launch.scratch import scratch
from calque.sweeps.launch.worker import run_alone
from calque.sweeps.plan.placement import LEADER_CPUS, check, longest_first
from calque.sweeps.results.root import ResultsRoot
from calque.sweeps.study.run_config import RunConfig
from calque.sweeps.study.search import Search
from calque.sweeps.study.study import is_address
from calque.sweeps.trial.rung import SCORE, TIME, next_rung, record_pruned
from calque.sweeps.trial.waiting import WaitingBranches, branch_steps

Work = Callable[[LaunchRequest], None]


def launch(
    runs: Sequence[RunConfig], place: str, study_yaml: str, cpus: int | None = None, work: Work = run_alone,
    parents: Mapping[str, RunConfig] | None = None,
    search: Search | None = None,
) -> str | None:  # fmt: skip
    """Run every given run to its end, as many at a time as fit, longest first; a dead process is started again.

    Parameters
    ----------
    runs : sequence of RunConfig
        Each resumes from its own newest state.
    place : str
        The results root: an absolute folder that every node sees, or an ``fsspec`` address.
    study_yaml : str
        Kept in every run's cube.
    cpus : int, optional
        Cores of the local cluster; by default all. Ignored when ``RAY_ADDRESS`` names a cluster.
    work : callable
        What the process of a run of one process does.
    parents : mapping of str to RunConfig, optional
        The runs of the study that others leave, by name; a branch starts when its state is there.
    search : Search, optional
        Stops the worse runs before their end; the others then start in the order in which they were drawn.

    Returns
    -------
    str or None
        What ended the launch before its runs were done; None when Ray ran everything. Whether each run reached its
        end is in its own progress file.

    Raises
    ------
    UserError
        When a run does not fit into the cluster; nothing has been started then.
    """
    with scratch() as own, cluster(cpus, own):
        resources = check(runs, started_nodes(own), at_address=is_address(place))
        launch_id = uuid.uuid4().hex
        requests = {
            run.name: LaunchRequest(
                run=run,
                place=place,
                study_yaml=study_yaml,
                launch_id=launch_id,
                resources=resources[run.name],
                branch_steps=branch_steps(run.name, runs),
            )  # fmt: skip
            for run in (runs if search else longest_first(runs))
        }
        with interrupted_by_signals() as interruption, interrupted_by_node_loss(interruption, own), quiet():
            for attempt in range(MAX_CRASHES + 1):
                deaths = death_counter(requests)
                waiting = WaitingBranches(
                    {name: each.run for name, each in requests.items()}, parents or {}, ResultsRoot(place)
                )
                outcome = _tuner(work, requests, str(own.folder / f"tune-{attempt}"), deaths, waiting, search).fit()
                requests = {name: requests[name] for name in [*deaths.again, *waiting.again]}
                if not requests or interruption.reason:
                    break
    interruption.finished.set()
    if interruption.reason:
        return interruption.reason
    if outcome.num_errors:
        last = (str(outcome.errors[0]).strip().splitlines() or ["no reason is known"])[-1]
        return f"{plural(outcome.num_errors, 'run')} could not be kept alive; the first: {last}"
    return None


def _tuner(
    work: Work,
    requests: Mapping[str, LaunchRequest],
    storage: str,
    deaths: Any,
    waiting: WaitingBranches,
    search: Search | None,
) -> Any:
    from ray import tune

    names, how = list(requests), {}
    if waiting.any():  # Tune asks for one run after the other, and is told when to wait
        names, how = [], {"search_alg": _next_run(waiting), "num_samples": len(requests)}
    trial = _trainable(work, requests) if search is None else _search_trainable(work, requests, search)
    trainings = [request.run.training for request in requests.values()]
    return tune.Tuner(
        tune.with_resources(trial, lambda config: _resources(requests[config["run"]])),
        param_space={"run": tune.grid_search(names)} if names else {},
        tune_config=tune.TuneConfig(
            reuse_actors=True, trial_name_creator=_trial_name, trial_dirname_creator=_trial_name,
            scheduler=None if search is None else asha(search, search.longest(trainings)), **how,
        ),
        run_config=tune.RunConfig(
            name="study", storage_path=storage, verbose=0,
            callbacks=[deaths, *([] if search is None else [_prune_callback(requests, search)])],
            failure_config=tune.FailureConfig(max_failures=MAX_RESTARTS),
        ),
    )  # fmt: skip


def _next_run(waiting: WaitingBranches) -> Any:
    """Return a searcher of Tune that suggests the runs in the order of ``waiting``."""
    from ray.tune.search import Searcher

    class NextRun(Searcher):
        def __init__(self) -> None:
            super().__init__()
            self.names: dict[str, str] = {}

        def suggest(self, trial_id: str) -> Any:
            name = waiting.take()
            if name is None:
                return None if waiting.runs else Searcher.FINISHED
            self.names[trial_id] = name
            return {"run": name}

        def on_trial_complete(self, trial_id: str, result: Any = None, error: bool = False) -> None:
            """Let branches of the run that has ended begin, or be given up."""
            waiting.ended(self.names[trial_id], died=error)

        def save(self, checkpoint_path: str) -> None:
            """Nothing: a launch is not restored, its runs resume."""

        def restore(self, checkpoint_path: str) -> None:
            """Nothing, likewise."""

    return NextRun()


def _trainable(work: Work, requests: Mapping[str, LaunchRequest]) -> type:
    """Return the class of a trial, which runs in the main thread of its process: only there are signals taken.

    Its configuration is the name of its run alone, because Tune replaces other objects in it by placeholders.
    """
    from ray import tune

    class Trial(tune.Trainable):
        def step(self) -> dict[str, Any]:
            request = requests[self.config["run"]]
            take_over(request.environment)
            (run_group if request.resources.processes > 1 else work)(request)
            return {"done": True}

        def save_checkpoint(self, checkpoint_dir: str) -> None:
            """Nothing: a run keeps its own states in the results root."""

        def load_checkpoint(self, checkpoint: dict[str, Any] | None) -> None:
            """Nothing: a run resumes from its own newest state."""

        def reset_config(self, new_config: dict[str, Any]) -> bool:
            return True

    return Trial


def asha(search: Search, tokens: int) -> Any:
    """Return Tune's ASHA; its time is a power of ``reduction`` for every rung.

    Parameters
    ----------
    search : Search
    tokens : int
        Training tokens of the longest trial.
    """
    from ray.tune.schedulers import ASHAScheduler

    rungs = len(search.rungs(tokens))
    return ASHAScheduler(
        time_attr=TIME, metric=SCORE, mode="max", grace_period=1, reduction_factor=search.reduction,
        max_t=search.reduction ** (rungs - 1) if rungs > 1 else 1,
    )  # fmt: skip


def _search_trainable(work: Work, requests: Mapping[str, LaunchRequest], search: Search) -> type:
    """Return the class of a trial: a step trains to the next rung and tells the metric there.

    A trial that had come further before this launch tells what was measured then, so that a search that goes on makes
    its decisions from all trials.

    Parameters
    ----------
    work : callable
        What the process of a run does.
    requests : mapping of str to LaunchRequest
        By run.
    search : Search
    """
    from ray import tune

    class SearchTrial(tune.Trainable):
        def setup(self, config: dict[str, Any]) -> None:
            self.rungs = 0

        def step(self) -> dict[str, Any]:
            request = requests[self.config["run"]]
            take_over(request.environment)
            told = next_rung(
                lambda until: work(replace(request, until=until)), request.run, Path(request.place), search, self.rungs
            )
            self.rungs += 1
            return told

        def save_checkpoint(self, checkpoint_dir: str) -> None:
            """Nothing: a run keeps its own states in the results root."""

        def load_checkpoint(self, checkpoint: dict[str, Any] | None) -> None:
            """Nothing: a run resumes from its own newest state."""

        def reset_config(self, new_config: dict[str, Any]) -> bool:
            self.rungs = 0
            return True

    return SearchTrial


def _prune_callback(requests: Mapping[str, LaunchRequest], search: Search) -> Any:
    """Return a callback of Tune that records which trials the search stopped.

    Parameters
    ----------
    requests : mapping of str to LaunchRequest
        By run.
    search : Search
    """
    from ray import tune

    class Pruned(tune.Callback):
        def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
            request = requests[trial.config["run"]]
            record_pruned(Path(request.place), request.run, search)

    return Pruned()


def _trial_name(trial: Any) -> str:
    return str(trial.config["run"])


def _resources(request: LaunchRequest) -> Any:
    from ray import tune

    wanted = request.resources
    each: dict[str, float] = {"CPU": wanted.cpus}
    if wanted.gpus:
        each["GPU"] = wanted.gpus
    if wanted.processes == 1:
        return tune.PlacementGroupFactory([each])
    bundles = [{"CPU": LEADER_CPUS}, *[dict(each) for _ in range(wanted.processes)]]
    return tune.PlacementGroupFactory(bundles, strategy="STRICT_PACK" if wanted.one_node else "PACK")
