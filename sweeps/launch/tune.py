"""Runs as trials of Ray Tune, as many at a time as fit, each started again when its process dies."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from calque.sweeps.launch.cluster import cluster, quiet, started_nodes
from calque.sweeps.launch.crash_loop import MAX_CRASHES
from calque.sweeps.launch.deaths import MAX_RESTARTS, death_counter
from calque.sweeps.launch.group import run_group
from calque.sweeps.launch.interruption import interrupted_by_node_loss, interrupted_by_signals
from calque.sweeps.launch.request import LaunchRequest
from calque.sweeps.launch.scratch import scratch
from calque.sweeps.launch.worker import run_alone
from calque.sweeps.plan.placement import LEADER_CPUS, check, longest_first
from calque.sweeps.study.run_config import RunConfig

Work = Callable[[LaunchRequest], None]


def launch(
    runs: Sequence[RunConfig], place: str, study_yaml: str, cpus: int | None = None, work: Work = run_alone
) -> str | None:
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
        resources = check(runs, started_nodes(own))
        launch_id = uuid.uuid4().hex
        requests = {
            run.name: LaunchRequest(
                run=run, place=place, study_yaml=study_yaml, launch_id=launch_id, resources=resources[run.name]
            )
            for run in longest_first(runs)
        }
        with interrupted_by_signals() as interruption, interrupted_by_node_loss(interruption, own), quiet():
            for attempt in range(MAX_CRASHES + 1):
                deaths = death_counter(requests)
                outcome = _tuner(work, requests, str(own.folder / f"tune-{attempt}"), deaths).fit()
                requests = {name: requests[name] for name in deaths.again}
                if not requests or interruption.reason:
                    break
    interruption.finished.set()
    if interruption.reason:
        return interruption.reason
    if outcome.num_errors:
        last = (str(outcome.errors[0]).strip().splitlines() or ["no reason is known"])[-1]
        return f"{outcome.num_errors} runs could not be kept alive; the first: {last}"
    return None


def _tuner(work: Work, requests: Mapping[str, LaunchRequest], storage: str, deaths: Any) -> Any:
    from ray import tune

    return tune.Tuner(
        tune.with_resources(_trainable(work, requests), lambda config: _resources(requests[config["run"]])),
        param_space={"run": tune.grid_search(list(requests))},
        tune_config=tune.TuneConfig(
            reuse_actors=True, trial_name_creator=_trial_name, trial_dirname_creator=_trial_name
        ),
        run_config=tune.RunConfig(
            name="study", storage_path=storage, verbose=0, callbacks=[deaths],
            failure_config=tune.FailureConfig(max_failures=MAX_RESTARTS),
        ),
    )  # fmt: skip


def _trainable(work: Work, requests: Mapping[str, LaunchRequest]) -> type:
    """Return the class of a trial, which runs in the main thread of its process: only there are signals taken.

    Its configuration is the name of its run alone, because Tune replaces other objects in it by placeholders.
    """
    from ray import tune

    class Trial(tune.Trainable):
        def step(self) -> dict[str, Any]:
            request = requests[self.config["run"]]
            (run_group if request.resources.processes > 1 else work)(request)
            return {"done": True}

        def save_checkpoint(self, checkpoint_dir: str) -> None:
            """Nothing: a run keeps its own states in the results root."""

        def load_checkpoint(self, checkpoint: dict[str, Any] | None) -> None:
            """Nothing: a run resumes from its own newest state."""

        def reset_config(self, new_config: dict[str, Any]) -> bool:
            return True

    return Trial


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
    return tune.PlacementGroupFactory([{"CPU": LEADER_CPUS}, *[dict(each) for _ in range(wanted.processes)]])
