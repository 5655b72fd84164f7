"""Running a study's runs side by side under Ray Tune. The only file that imports ray."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from data.errors import UserError
from sweeps.config import RunConfig

OBJECT_STORE_BYTES = 80 << 20
MAX_RESTARTS = 3


def launch(runs: list[RunConfig], results: Path, study_yaml: str, cpus: int | None = None) -> str | None:
    """Run every given run to its end, as many at a time as fit, longest first; a dead process is started again.

    Parameters
    ----------
    runs : list of RunConfig
        Each goes on from its own newest state.
    results : Path
        The study's folder, absolute, seen by every node.
    study_yaml : str
        Kept in every run's cube.
    cpus : int, optional
        Cores of the local cluster; by default all. Ignored when ``RAY_ADDRESS`` names a cluster.

    Returns
    -------
    str or None
        What ended the launch before its runs were done; None when Ray ran everything. Whether each run reached its
        end is in its own progress file.
    """
    os.environ.setdefault("RAY_CHDIR_TO_TRIAL_DIR", "0")
    os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
    os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    import ray
    from ray import tune

    longest_first = sorted(runs, key=_cost, reverse=True)
    with _cluster(cpus):
        available: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
        gpus = 1 if available.get("GPU", 0) >= 1 else 0
        for run in longest_first:
            if run.training.threads > available.get("CPU", 0):
                raise UserError(
                    f"run '{run.name}' asks for {run.training.threads} CPU threads, the cluster has "
                    f"{available.get('CPU', 0):g}; lower training.threads or add a node"
                )

        def resources(config: dict[str, Any]) -> tune.PlacementGroupFactory:
            bundle = {"CPU": config["run"]["training"]["threads"]} | ({"GPU": 1} if gpus else {})
            return tune.PlacementGroupFactory([bundle])

        with tempfile.TemporaryDirectory(prefix="calque-tune-") as storage:
            tuner = tune.Tuner(
                tune.with_resources(_trial, resources),
                param_space={
                    "run": tune.grid_search([run.to_dict() for run in longest_first]),
                    "results": str(results),
                    "study_yaml": study_yaml,
                },
                tune_config=tune.TuneConfig(
                    reuse_actors=True,
                    trial_name_creator=lambda trial: trial.config["run"]["name"],
                    trial_dirname_creator=lambda trial: trial.config["run"]["name"],
                ),
                run_config=tune.RunConfig(
                    name="study", storage_path=storage, verbose=0,
                    failure_config=tune.FailureConfig(max_failures=MAX_RESTARTS),
                ),
            )  # fmt: skip
            with _interrupt_noted() as noted, _quiet():
                outcome = tuner.fit()
    if noted.is_set():
        return "interrupted"
    if outcome.num_errors:
        return f"{outcome.num_errors} runs died {MAX_RESTARTS + 1} times"
    return None


def _cost(run: RunConfig) -> float:
    return float(run.training.tokens) * run.decoder(run.vocab_size()).flops_per_token(run.training.context)


def _trial(config: dict[str, Any]) -> None:
    """One run in a worker. An error in it is recorded and ends it; only a dead process is tried again."""
    from ray import tune

    from sweeps.trial import run_trial

    run = RunConfig.from_dict(config["run"])
    with contextlib.suppress(UserError):  # recorded in the run's progress file
        run_trial(run, Path(config["results"]), config["study_yaml"], lambda metrics: tune.report(metrics))


@contextlib.contextmanager
def _cluster(cpus: int | None) -> Iterator[None]:
    import ray

    started = not ray.is_initialized()
    if started:
        with _quiet():
            if os.environ.get("RAY_ADDRESS"):
                ray.init(log_to_driver=False, logging_level=logging.ERROR)
            else:
                ray.init(
                    num_cpus=cpus or os.cpu_count(), include_dashboard=False, log_to_driver=False,
                    logging_level=logging.ERROR, object_store_memory=OBJECT_STORE_BYTES,
                )  # fmt: skip
    try:
        yield
    finally:
        if started:
            ray.shutdown()


@contextlib.contextmanager
def _interrupt_noted() -> Iterator[threading.Event]:
    """Tune takes Ctrl-C and SIGTERM as 'finish cleanly' and reports nothing; note them on the way."""
    import signal

    noted = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield noted
        return

    def note(number: int, frame: Any) -> None:
        noted.set()
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, note)
    handler = signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, note)
    try:
        yield noted
    except KeyboardInterrupt:
        noted.set()
    finally:
        signal.signal(signal.SIGTERM, before)
        signal.signal(signal.SIGINT, handler)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep Ray's and Tune's own chatter off the terminal; the study has its own display."""
    for name in ("ray", "ray.tune", "ray.train"):
        logging.getLogger(name).setLevel(logging.ERROR)
    with open(os.devnull, "w") as sink, contextlib.redirect_stdout(sink):
        yield
    sys.stdout.flush()
