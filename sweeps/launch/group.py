"""A run of several processes: actors of Ray, each in a bundle of the trial's placement group."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from calque.sweeps.launch import worker
from calque.sweeps.launch.environment import take_over
from calque.sweeps.launch.errors import ProcessDiedError
from calque.sweeps.launch.ranks import ProcessPlacement, environments, free_port
from calque.sweeps.launch.request import LaunchRequest

DEATH_SECONDS = 10.0
"""By then Ray knows of a process that died."""


def run_group(request: LaunchRequest) -> None:
    """Do a run of several processes, each an actor in a bundle of this trial's placement group.

    Ray Train's groups stand in a placement group of their own, which Tune does not count: it would give their devices
    away before they start. Here all of a run's devices are reserved at once or not at all.

    Parameters
    ----------
    request : LaunchRequest
        With ``resources.processes`` above 1.
    """
    import ray
    from ray.util import get_current_placement_group
    from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

    group: Any = get_current_placement_group()
    wanted = request.resources

    def start(results: Path) -> None:
        actors: list[Any] = [
            ray.remote(RankActor).options(
                num_cpus=wanted.cpus, num_gpus=wanted.gpus,
                scheduling_strategy=PlacementGroupSchedulingStrategy(group, placement_group_bundle_index=i + 1),
            ).remote()
            for i in range(wanted.processes)
        ]  # fmt: skip
        try:
            placements = ray.get([each.placement.remote() for each in actors])
            working = [
                each.work.remote(request, results, environment)
                for each, environment in zip(actors, environments(placements), strict=True)
            ]
            while working:
                ended, working = ray.wait(working)
                try:
                    ray.get(ended)
                except Exception as error:
                    if _died(error) or _any_died(working):
                        raise ProcessDiedError(str(error)) from error
                    raise
        finally:
            for each in actors:
                ray.kill(each)

    worker.run_processes(request, start)


def _died(error: Exception) -> bool:
    """Return whether an error is the death of a process, and none that it raised."""
    from ray.exceptions import RayActorError

    return isinstance(error, RayActorError)


def _any_died(working: list[Any]) -> bool:
    """Return whether one of the processes has died: another, which lost it, may have ended before Ray knew."""
    import ray

    ended, _ = ray.wait(working, num_returns=len(working), timeout=DEATH_SECONDS) if working else ([], [])
    for each in ended:
        try:
            ray.get(each)
        except Exception as error:
            if _died(error):
                return True
    return False


class RankActor:
    """One process of a run of several: an actor of Ray with a rank."""

    def placement(self) -> ProcessPlacement:
        """Return where this process stands."""
        import ray

        return ProcessPlacement(
            node=ray.get_runtime_context().get_node_id(),
            address=str(ray.util.get_node_ip_address()),  # type: ignore[no-untyped-call]
            port=free_port(),
            gpus=tuple(map(str, ray.get_gpu_ids())),
        )

    def work(self, request: LaunchRequest, results: Path, environment: dict[str, str]) -> None:
        """Do this process's part of the run ``request`` in ``results``; ``environment`` is added to its variables."""
        take_over(request.environment)
        os.environ.update(environment)
        worker.run_rank(request, results)
