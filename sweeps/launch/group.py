"""A run of several processes: actors of Ray, each in a bundle of the trial's placement group."""

from __future__ import annotations

import os
from typing import Any

from calque.sweeps.launch import worker
from calque.sweeps.launch.ranks import Seat, environments, free_port


def lead(trial: dict[str, Any]) -> None:
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
