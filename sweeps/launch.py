"""Running a study's runs side by side under Ray Tune. The only file that imports ray."""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import signal
import sys
import tempfile
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

from sweeps import worker
from sweeps.config import RunConfig
from sweeps.placement import LEADER_CPUS, Node, check, longest_first
from sweeps.seats import Seat, environments, free_port

Work = Callable[[dict[str, Any]], None]
OBJECT_STORE_BYTES = 80 << 20
MOST_RESTARTS = 100
"""Of one run, however far it got in between; deaths at the same place are counted in ``sweeps.attempts``."""
WATCH_SECONDS, LEAVE_SECONDS = 3.0, 30.0


def launch(
    runs: Sequence[RunConfig], place: str, study_yaml: str, cpus: int | None = None, work: Work = worker.work
) -> str | None:
    """Run every given run to its end, as many at a time as fit, longest first; a dead process is started again.

    Parameters
    ----------
    runs : sequence of RunConfig
        Each goes on from its own newest state.
    place : str
        The results root: an absolute folder that every node sees, or an ``fsspec`` address.
    study_yaml : str
        Kept in every run's cube.
    cpus : int, optional
        Cores of the local cluster; by default all. Ignored when ``RAY_ADDRESS`` names a cluster.
    work : callable
        What a process does for a run.

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
    with _cluster(cpus):
        from ray import tune

        asked = check(runs, _nodes())
        launch_id = uuid.uuid4().hex
        settings = [
            {
                "run": run.to_dict(), "place": place, "study_yaml": study_yaml, "launch_id": launch_id,
                **asdict(asked[run.name]),
            }
            for run in longest_first(runs)
        ]  # fmt: skip
        with tempfile.TemporaryDirectory(prefix="calque-tune-") as storage:
            tuner = tune.Tuner(
                tune.with_resources(_trainable(work), _resources),
                param_space={"trial": tune.grid_search(settings)},
                tune_config=tune.TuneConfig(
                    reuse_actors=True, trial_name_creator=_trial_name, trial_dirname_creator=_trial_name
                ),
                run_config=tune.RunConfig(
                    name="study", storage_path=storage, verbose=0,
                    failure_config=tune.FailureConfig(max_failures=MOST_RESTARTS),
                ),
            )  # fmt: skip
            with _ending() as ending, _head_watched(ending), _quiet():
                outcome = tuner.fit()
    ending.settled.set()
    if ending.reason:
        return ending.reason
    if outcome.num_errors:
        last = (str(outcome.errors[0]).strip().splitlines() or ["no reason is known"])[-1]
        return f"{outcome.num_errors} runs could not be kept alive; the first: {last}"
    return None


def cluster_nodes() -> list[Node]:
    """Return the nodes of the cluster that ``RAY_ADDRESS`` names."""
    with _cluster(None):
        return _nodes()


def _trainable(work: Work) -> type:
    """Return the class of a trial, which runs in the main thread of its process: only there are signals taken."""
    from ray import tune

    class Trial(tune.Trainable):
        def step(self) -> dict[str, Any]:
            trial = self.config["trial"]
            (_lead if trial["processes"] > 1 else work)(trial)
            return {"done": True}

        def save_checkpoint(self, checkpoint_dir: str) -> None:
            """Nothing: a run keeps its own states in the results root."""

        def load_checkpoint(self, checkpoint: dict[str, Any] | None) -> None:
            """Nothing: a run goes on from its own newest state."""

        def reset_config(self, new_config: dict[str, Any]) -> bool:
            return True

    return Trial


def _trial_name(trial: Any) -> str:
    return str(trial.config["trial"]["run"]["name"])


def _resources(config: dict[str, Any]) -> Any:
    from ray import tune

    trial = config["trial"]
    each = {"CPU": trial["cpus"]} | ({"GPU": trial["gpus"]} if trial["gpus"] else {})
    if trial["processes"] == 1:
        return tune.PlacementGroupFactory([each])
    return tune.PlacementGroupFactory([{"CPU": LEADER_CPUS}, *[dict(each) for _ in range(trial["processes"])]])


def _lead(trial: dict[str, Any]) -> None:
    """Do a run of several processes, each an actor in a bundle of this trial's placement group.

    Ray Train's groups stand in a placement group of their own, which Tune does not count: it would give their devices
    away before they start. Here all of a run's devices are reserved at once or not at all.
    """
    import ray
    from ray.util import get_current_placement_group
    from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

    group: Any = get_current_placement_group()

    def start() -> None:
        members: list[Any] = [
            ray.remote(Member).options(
                num_cpus=trial["cpus"], num_gpus=trial["gpus"],
                scheduling_strategy=PlacementGroupSchedulingStrategy(group, placement_group_bundle_index=i + 1),
            ).remote()
            for i in range(trial["processes"])
        ]  # fmt: skip
        try:
            seats = ray.get([each.seat.remote() for each in members])
            working = [
                each.work.remote(trial, environment)
                for each, environment in zip(members, environments(seats), strict=True)
            ]
            while working:
                ended, working = ray.wait(working)
                ray.get(ended)
        finally:
            for each in members:
                ray.kill(each)

    worker.lead(trial, start)


class Member:
    """One process of a run of several, an actor of Ray."""

    def seat(self) -> Seat:
        """Return where this process is."""
        import ray

        node = ray.get_runtime_context().get_node_id()
        gpus = tuple(map(str, ray.get_gpu_ids()))
        return Seat(
            node=node,
            address=str(ray.util.get_node_ip_address()),  # type: ignore[no-untyped-call]
            port=free_port(),
            gpus=gpus,
        )

    def work(self, trial: dict[str, Any], environment: dict[str, str]) -> None:
        """Do this process's part."""
        os.environ.update(environment)
        worker.member(trial)


def _nodes() -> list[Node]:
    import ray

    held = [node["Resources"] for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]
    return [Node(cpus=each.get("CPU", 0), gpus=each.get("GPU", 0)) for each in held]


@contextlib.contextmanager
def _cluster(cpus: int | None) -> Iterator[None]:
    os.environ.setdefault("RAY_CHDIR_TO_TRIAL_DIR", "0")
    os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
    os.environ.setdefault("TUNE_DISABLE_SIGINT_HANDLER", "1")
    os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    if not os.environ.get("RAY_ADDRESS") and "RAY_AUTH_MODE" not in os.environ and "ray" not in sys.modules:
        # a token of this cluster's own: Ray would keep one in the home folder, and `ray job` then fails without a word
        # from the environment (Ray's pull request 64755)
        os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    import ray

    started = not ray.is_initialized()
    if started:
        with _quiet():
            if os.environ.get("RAY_ADDRESS"):
                ray.init(log_to_driver=False, logging_level=logging.ERROR)
            else:
                ray.init(
                    address="local", num_cpus=cpus or os.cpu_count(), include_dashboard=False, log_to_driver=False,
                    logging_level=logging.ERROR, object_store_memory=OBJECT_STORE_BYTES,
                )  # fmt: skip
    try:
        yield
    finally:
        if started:
            ray.shutdown()


class _Ending:
    """Why Tune was asked to end, and the way to ask it: SIGUSR1 lets it finish cleanly.

    Where Ray is gone, or goes too, nothing would ever finish: the process then leaves by itself.
    """

    def __init__(self) -> None:
        self.reason: str | None = None
        self.settled = threading.Event()

    def ask(self, reason: str) -> None:
        self.reason = reason
        threading.Thread(target=self._leave_in_time, name="leaving", daemon=True).start()
        os.kill(os.getpid(), signal.SIGUSR1)

    def _leave_in_time(self) -> None:
        if not self.settled.wait(LEAVE_SECONDS):
            _leave(self)


@contextlib.contextmanager
def _ending() -> Iterator[_Ending]:
    """Take Ctrl-C and SIGTERM (of ``ray job stop``) as a wish to end; the second one ends at once."""
    ending = _Ending()
    if threading.current_thread() is not threading.main_thread():
        yield ending
        return

    def note(number: int, frame: Any) -> None:
        if ending.reason:
            raise KeyboardInterrupt
        ending.ask("interrupted")

    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, note) for number in numbers]
    early = signal.signal(signal.SIGUSR1, lambda number, frame: None)  # until Tune has its own
    try:
        yield ending
    except KeyboardInterrupt:
        ending.reason = "interrupted"
    finally:
        for number, handler in zip((*numbers, signal.SIGUSR1), (*before, early), strict=True):
            signal.signal(number, handler)


@contextlib.contextmanager
def _head_watched(ending: _Ending) -> Iterator[None]:
    """End the launch when the node of this process is gone: Tune itself would wait for ever."""
    import ray

    mine, stop = ray.get_runtime_context().get_node_id(), threading.Event()

    def watch() -> None:
        while not stop.wait(WATCH_SECONDS):
            try:
                alive = any(n["Alive"] for n in ray.nodes() if n["NodeID"] == mine)  # type: ignore[no-untyped-call]
            except Exception:  # the head cannot even be asked
                alive = False
            if not alive and not stop.is_set():
                ending.ask("Ray's node on this machine died")
                return

    thread = threading.Thread(target=watch, name="head watch", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(LEAVE_SECONDS)  # or it asks a cluster that is being shut down


def _leave(ending: _Ending) -> None:
    """End this process and what it started, where Ray no longer answers and so nothing can end in order."""
    from ray._private.worker import _global_node as node

    print(f"sweeps: {ending.reason}; nothing is lost: run the same again", file=sys.stderr, flush=True)
    if node is not None:
        with contextlib.suppress(Exception):
            node.kill_all_processes(check_alive=False, allow_graceful=False)
    os._exit(1)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep Ray's and Tune's own chatter off the terminal, tracebacks of trials that are started again included."""
    for name, level in (("ray", logging.ERROR), ("ray.tune", logging.CRITICAL)):
        logging.getLogger(name).setLevel(level)
    with open(os.devnull, "w") as sink, contextlib.redirect_stdout(sink):
        yield
    sys.stdout.flush()
