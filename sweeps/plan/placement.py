"""Placement of runs on a cluster: their resources, their order, and what a cluster lacks. Needs no Ray."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich.table import Table

from calque.data import processes
from calque.data.errors import UserError
from calque.data.quantities import plural
from calque.sweeps.study.run_config import RunConfig

CPU_PARAMETERS = 10_000_000
"""A model with fewer parameters is trained on CPU cores everywhere: a GPU would idle."""
MOST_CPU_FLOPS = 1e16
"""A run of more FLOPs is refused without a GPU: it takes days to years on a core of 0.035 TFLOP/s."""
MOST_THREADS_A_CORE = 4
"""Most threads per core of a run that is started by hand: more of them only slow each other down."""
LEADER_CPUS = 0.1
"""CPU cores of the process that starts and watches the processes of a run of several devices."""
NODES = re.compile(r"(?P<count>\d+)x(?:(?P<gpus>\d+)gpu)?(?:(?P<cpus>\d+)cpu)?")


@dataclass(frozen=True, kw_only=True)
class Node:
    """A node of the cluster: its CPU cores and GPUs."""

    cpus: float
    gpus: float = 0.0


@dataclass(frozen=True, kw_only=True)
class ResourceRequest:
    """The resources of a run: processes, each with CPU cores and GPUs of one node.

    Attributes
    ----------
    cpus, gpus : int
        Of each process.
    processes : int
    one_node : bool
        Whether all processes stand on one node, whose folder they share; otherwise they may be on several.
    """

    cpus: int
    gpus: int = 0
    processes: int = 1
    one_node: bool = False

    def __str__(self) -> str:
        return (
            f"{self.processes} x ({_say(self.cpus, self.gpus)})" if self.processes > 1 else _say(self.cpus, self.gpus)
        )

    def processes_on(self, node: Node) -> int:
        """Return how many of the processes ``node`` can hold."""
        count = int(node.cpus // self.cpus)
        return min(count, int(node.gpus // self.gpus)) if self.gpus else count

    def fit(self, nodes: Sequence[Node]) -> bool:
        """Return whether ``nodes`` can hold all processes, and with several the one that starts them."""
        if self.one_node and len(nodes) > 1:
            return any(self.fit([node]) for node in nodes)
        if sum(map(self.processes_on, nodes)) < self.processes:
            return False
        return self.processes == 1 or sum(node.cpus for node in nodes) >= self.processes * self.cpus + LEADER_CPUS


def _say(cpus: float, gpus: float) -> str:
    cores = plural(cpus, "CPU core")
    return f"{cores} and {plural(gpus, 'GPU')}" if gpus else cores


def flops(run: RunConfig) -> float:
    """Return the FLOPs of training ``run``, without the steps that a branch has in common with another run."""
    common = 0 if run.branch is None else run.branch.step * run.training.tokens_per_step
    return float(run.training.tokens - common) * run.decoder(run.vocab_size()).flops_per_token(run.training.context)


def longest_first(runs: Iterable[RunConfig]) -> list[RunConfig]:
    """Return ``runs`` in the order in which they start: the longest first, so that none is left over at the end."""
    return sorted(runs, key=flops, reverse=True)


def needs(run: RunConfig, nodes: Sequence[Node], at_address: bool = False) -> ResourceRequest:
    """Return the resources of ``run`` on the cluster of ``nodes``: a GPU if it has any, unless the model is small.

    With results ``at_address`` its processes share a folder of their node, which one of them copies there.

    Raises
    ------
    UserError
        When the run is too long for a cluster without a GPU.
    """
    small = run.decoder(run.vocab_size()).n_params < CPU_PARAMETERS
    gpus = 0 if small or not any(node.gpus >= 1 for node in nodes) else 1
    if not gpus and flops(run) > MOST_CPU_FLOPS:
        raise UserError(
            f"run '{run.name}' needs a GPU for its {flops(run):.1e} FLOPs, and the cluster has none "
            f"({describe(nodes)}); add a node with GPUs, or choose a smaller study"
        )
    return ResourceRequest(cpus=run.training.threads, gpus=gpus, processes=run.training.devices, one_node=at_address)


def check(runs: Iterable[RunConfig], nodes: Sequence[Node], at_address: bool = False) -> dict[str, ResourceRequest]:
    """Return the resources of each run, by name.

    Parameters
    ----------
    runs : iterable of RunConfig
    nodes : sequence of Node
        Of the cluster.
    at_address : bool
        Whether results go to an ``fsspec`` address and no folder that every node sees: a run then stands on one node.

    Raises
    ------
    UserError
        When a run does not fit; the first one is named with what it lacks.
    """
    resources = {}
    for run in longest_first(runs):
        wanted = resources[run.name] = needs(run, nodes, at_address)
        if wanted.fit(nodes):
            continue
        what = "training.devices or training.threads" if wanted.processes > 1 else "training.threads"
        if replace(wanted, one_node=False).fit(nodes):
            raise UserError(
                f"run '{run.name}' asks for {wanted}, all of one node because results go to an address, and the "
                f"cluster has {describe(nodes)}; lower {what}, add a larger node, or choose a folder that every node "
                "sees with `results`"
            )
        raise UserError(
            f"run '{run.name}' asks for {wanted}, each of one node, and the cluster has {describe(nodes)}; lower "
            f"{what}, or add a node"
        )
    return resources


def check_by_hand(run: RunConfig, cores: int | None = None) -> None:
    """Refuse a run of far more threads than this machine has cores; a few too many only make it slower.

    Parameters
    ----------
    run : RunConfig
    cores : int, optional
        By default those of this machine.

    Raises
    ------
    UserError
        When there are more than ``MOST_THREADS_A_CORE`` threads per core.
    """
    cores = cores or processes.cores()
    threads, devices = run.training.threads, run.training.devices
    if threads * devices > MOST_THREADS_A_CORE * cores:
        raise UserError(
            f"run '{run.name}' has {devices} x {plural(threads, 'thread')} (training.devices x training.threads), "
            f"and this machine {plural(cores, 'core')}; expected at most {MOST_THREADS_A_CORE} a core: lower them, "
            "or choose a larger machine"
        )


def take(wanted: ResourceRequest, left: list[Node]) -> tuple[int, ...]:
    """Take a run's resources out of what is left of the nodes, if they are there.

    Parameters
    ----------
    wanted : ResourceRequest
    left : list of Node
        What is free of each node; changed in place.

    Returns
    -------
    tuple of int
        Indices of nodes, one a process: one node for all if one can hold them, otherwise as few as possible, unless
        it must be one. Empty where the resources are not free.
    """
    room = [wanted.processes_on(node) for node in left]
    if wanted.one_node:
        room = [n if n >= wanted.processes else 0 for n in room]
    order = sorted((i for i, n in enumerate(room) if n), key=lambda i: (-min(room[i], wanted.processes), i))
    slots = tuple(itertools.islice((i for i in order for _ in range(room[i])), wanted.processes))
    if len(slots) < wanted.processes:
        return ()
    for i in slots:
        left[i] = Node(cpus=left[i].cpus - wanted.cpus, gpus=left[i].gpus - wanted.gpus)
    return slots


def first_wave(
    runs: Iterable[RunConfig], nodes: Sequence[Node], resources: Mapping[str, ResourceRequest] | None = None
) -> dict[str, tuple[int, ...]]:
    """Return the indices of the nodes on which processes start at once, for each run; empty where it waits.

    A run that leaves another of ``runs`` waits for that one.

    Parameters
    ----------
    runs : iterable of RunConfig
    nodes : sequence of Node
    resources : mapping of str to ResourceRequest, optional
        By run; what :func:`check` says when None.
    """
    runs = list(runs)
    resources, left = check(runs, nodes) if resources is None else resources, list(nodes)
    names = {run.name for run in runs}
    return {
        run.name: () if run.branch and run.branch.run in names else take(resources[run.name], left)
        for run in longest_first(runs)
    }


def describe(nodes: Sequence[Node]) -> str:
    """Return the cluster of ``nodes`` in words."""
    kinds = {node: nodes.count(node) for node in nodes}
    return " + ".join(f"{count} x ({_say(n.cpus, n.gpus)})" for n, count in kinds.items())


def parse_nodes(nodes: str) -> list[Node]:
    """Return the cluster that ``nodes`` describes, such as ``2x8gpu64cpu`` or ``1x8gpu64cpu,4x32cpu``.

    Raises
    ------
    UserError
        When it cannot be read.
    """
    found: list[Node] = []
    for part in nodes.split(","):
        match = NODES.fullmatch(part.strip())
        if match is None or not (match["gpus"] or match["cpus"]) or not 0 < int(match["count"]) <= 10_000:
            raise UserError(f"`nodes` is '{nodes}'; expected COUNTxGPUSgpuCPUScpu such as 2x8gpu64cpu or 4x32cpu")
        gpus = int(match["gpus"] or 0)
        node = Node(cpus=int(match["cpus"] or 8 * gpus), gpus=gpus)
        found += [node] * int(match["count"])
    return found


def this_machine(cpus: int | None = None) -> list[Node]:
    """Return this machine as a cluster of one node, with ``cpus`` cores (by default all)."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    there = len([path for path in Path("/dev").glob("nvidia*") if path.name.removeprefix("nvidia").isdecimal()])
    chosen = there if visible is None else min(there, len([part for part in visible.split(",") if part.strip()]))
    return [Node(cpus=cpus or processes.cores(), gpus=chosen)]


def placement_table(runs: Sequence[RunConfig], nodes: Sequence[Node], resources: dict[str, ResourceRequest]) -> Table:
    """Return a table of ``runs``, their ``resources`` and the ``nodes`` they would start on, longest first."""
    where = first_wave(runs, nodes, resources)
    table = Table(title=f"on {describe(nodes)}", title_justify="left")
    for name in ("", "run", "size", "asks for", "FLOPs", "starts"):
        table.add_column(name, justify="right" if name in ("", "FLOPs") else "left", no_wrap=True)
    for i, run in enumerate(longest_first(runs), 1):
        at = where[run.name]
        names = ", ".join(str(i + 1) for i in sorted(set(at)))
        starts = f"at once, node {names}" if at else "when one before it is done"
        if run.branch and any(other.name == run.branch.run for other in runs):
            starts = f"at step {run.branch.step} of {run.branch.run}"
        table.add_row(str(i), run.name, run.size, str(resources[run.name]), f"{flops(run):.2e}", starts)
    return table
