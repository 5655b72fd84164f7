"""How long a study takes on given nodes: the runs placed as a launch places them, longest first."""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from calque.sweeps.plan.placement import Node, ResourceRequest, check, longest_first, take
from calque.sweeps.study.run_config import RunConfig

WORTH = 0.9
"""A hint is given where it brings the study's end to at most this share of the time."""


@dataclass(frozen=True, kw_only=True)
class Slot:
    """When a run trains, hours after the launch, and the run whose end it waited for."""

    run: str
    start: float
    end: float
    after: str | None


@dataclass(frozen=True, kw_only=True)
class Timetable:
    """When every run of a study trains.

    Attributes
    ----------
    slots : mapping of str to Slot
        By run.
    """

    slots: Mapping[str, Slot]

    @property
    def hours(self) -> float:
        """From the launch to the end of the last run."""
        return max((slot.end for slot in self.slots.values()), default=0.0)

    @property
    def critical_path(self) -> tuple[str, ...]:
        """Runs, in order, of which each waited for the one before, up to the one that ends last."""
        if not self.slots:
            return ()
        path = [max(self.slots.values(), key=lambda slot: slot.end)]
        while path[-1].after is not None:
            path.append(self.slots[path[-1].after])
        return tuple(slot.run for slot in reversed(path))


def timetable(
    runs: Sequence[RunConfig], hours: Mapping[str, float], nodes: Sequence[Node],
    resources: Mapping[str, ResourceRequest] | None = None,
) -> Timetable:  # fmt: skip
    """Return when each run trains: in the launch's order, every run as soon as what it asks for is free.

    A branch waits for the step of the run that it leaves.

    Parameters
    ----------
    runs : sequence of RunConfig
    hours : mapping of str to float
        Wall time by run.
    nodes : sequence of Node
    resources : mapping of str to ResourceRequest, optional
        By run; what ``calque.sweeps.plan.placement.check`` says when None.

    Raises
    ------
    UserError
        When a run does not fit.
    """
    wanted = check(runs, nodes) if resources is None else resources
    queues: dict[ResourceRequest, deque[tuple[int, str]]] = {}
    left, at_work, slots = list(nodes), [], {}  # type: ignore[var-annotated]
    places_of = {run.name: place for place, run in enumerate(longest_first(runs))}
    branches: dict[str, list[RunConfig]] = {}
    for run in longest_first(runs):
        if run.branch is not None and run.branch.run in places_of:
            branches.setdefault(run.branch.run, []).append(run)
        else:
            queues.setdefault(wanted[run.name], deque()).append((places_of[run.name], run.name))
    steps = {run.name: run.training.steps for run in runs}
    now, ended, order = 0.0, None, itertools.count()
    while True:
        for request in sorted((r for r in queues if queues[r]), key=lambda r: queues[r][0]):
            while queues[request] and (places := take(request, left)):
                _, name = queues[request].popleft()
                slots[name] = Slot(run=name, start=now, end=now + hours[name], after=ended)
                heapq.heappush(at_work, (slots[name].end, name, next(order), places, request))
                for run in branches.get(name, ()):  # each may start when this one has its state
                    assert run.branch is not None
                    ready = now + hours[name] * run.branch.step / steps[name]
                    heapq.heappush(at_work, (ready, name, next(order), (), run))
        if not at_work:
            return Timetable(slots=slots)
        now, ended, _, places, request = heapq.heappop(at_work)
        if isinstance(request, RunConfig):
            queue = queues.get(wanted[request.name], ())
            queues[wanted[request.name]] = deque(sorted([*queue, (places_of[request.name], request.name)]))
            continue
        for i in places:
            left[i] = Node(cpus=left[i].cpus + request.cpus, gpus=left[i].gpus + request.gpus)


@dataclass(frozen=True, kw_only=True)
class Hint:
    """More devices for the runs of one entry of the study, and the hours that the study then takes."""

    runs: tuple[str, ...]
    devices: int
    hours: float


def hint(
    runs: Sequence[RunConfig], hours: Mapping[str, float], nodes: Sequence[Node],
    resources: Mapping[str, ResourceRequest] | None = None,
) -> Hint | None:  # fmt: skip
    """Return how many devices the run that ends the study should have, where that is worth it; None where not.

    Parameters
    ----------
    runs : sequence of RunConfig
    hours : mapping of str to float
        Wall time by run.
    nodes : sequence of Node
    resources : mapping of str to ResourceRequest, optional
        By run; what ``calque.sweeps.plan.placement.check`` says when None.
    """
    resources = check(runs, nodes) if resources is None else resources
    now = timetable(runs, hours, nodes, resources)
    last = next(run for run in runs if run.name == now.critical_path[-1])
    alike = tuple(run.name for run in runs if run.design() == last.design())
    best: Hint | None = None
    devices = last.training.devices * 2
    while last.training.batch_size % devices == 0:
        request = replace(resources[last.name], processes=devices)
        if not request.fit(nodes):
            break
        share = last.training.devices / devices
        then = timetable(
            runs, {**hours, **{name: hours[name] * share for name in alike}}, nodes,
            {**resources, **dict.fromkeys(alike, request)},
        ).hours  # fmt: skip
        if then > WORTH * (best.hours if best else now.hours):
            break
        best = Hint(runs=alike, devices=devices, hours=then)
        devices *= 2
    return best
