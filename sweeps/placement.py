"""What each run asks of a cluster, in which order runs start, and what a cluster lacks. Needs no Ray."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table

from data.errors import UserError
from sweeps.config import RunConfig

CPU_PARAMETERS = 10_000_000
"""A model of fewer is trained on CPU cores everywhere: a GPU would idle."""
MOST_CPU_FLOPS = 1e16
"""A run of more is refused where there is no GPU: days, and soon years, on a core of 0.035 TFLOP/s."""
NODES = re.compile(r"(?P<count>\d+)x(?:(?P<gpus>\d+)gpu)?(?:(?P<cpus>\d+)cpu)?")


@dataclass(frozen=True, kw_only=True)
class Node:
    """A machine of the cluster: its cores and GPUs."""

    cpus: float
    gpus: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Needs:
    """What a run asks for: CPU cores and GPUs, of one node."""

    cpus: int
    gpus: int = 0

    def __str__(self) -> str:
        cores = f"{self.cpus} CPU core{'s' if self.cpus > 1 else ''}"
        return f"{cores} and {self.gpus} GPU{'s' if self.gpus > 1 else ''}" if self.gpus else cores

    def fit(self, node: Node) -> bool:
        """Return whether they are to be had of this node."""
        return self.cpus <= node.cpus and self.gpus <= node.gpus


def flops(run: RunConfig) -> float:
    """Return the floating-point operations of training a run."""
    return float(run.training.tokens) * run.decoder(run.vocab_size()).flops_per_token(run.training.context)


def longest_first(runs: Iterable[RunConfig]) -> list[RunConfig]:
    """Return runs in the order in which they start: the longest first, so that none is left over at the end."""
    return sorted(runs, key=flops, reverse=True)


def needs(run: RunConfig, nodes: Sequence[Node]) -> Needs:
    """Return what a run asks of this cluster: a GPU if there are any, unless the model is too small to fill one.

    Raises
    ------
    UserError
        When the run is too long for a cluster without a GPU.
    """
    small = run.decoder(run.vocab_size()).n_params < CPU_PARAMETERS
    gpus = 0 if small or not any(node.gpus >= 1 for node in nodes) else 1
    if not gpus and flops(run) > MOST_CPU_FLOPS:
        raise UserError(
            f"run '{run.name}' needs a GPU for its {flops(run):.1e} FLOPs, and the cluster has none ({say(nodes)}); "
            "add a node with GPUs, or choose a smaller study"
        )
    return Needs(cpus=run.training.threads, gpus=gpus)


def check(runs: Iterable[RunConfig], nodes: Sequence[Node]) -> dict[str, Needs]:
    """Return what each run asks for, by name.

    Raises
    ------
    UserError
        Naming the first run that no node can hold, and what it lacks.
    """
    asked = {}
    for run in longest_first(runs):
        asked[run.name] = needs(run, nodes)
        if not any(asked[run.name].fit(node) for node in nodes):
            raise UserError(
                f"run '{run.name}' asks for {asked[run.name]} on one node, the cluster has {say(nodes)}; lower "
                "training.threads or add a node"
            )
    return asked


def first_wave(runs: Iterable[RunConfig], nodes: Sequence[Node]) -> dict[str, int | None]:
    """Return the node (from 0) on which each run starts at once, None where it waits; longest first."""
    asked, left = check(runs, nodes), list(nodes)
    placed: dict[str, int | None] = {}
    for run in longest_first(runs):
        wanted = asked[run.name]
        at = next((i for i, node in enumerate(left) if wanted.fit(node)), None)
        placed[run.name] = at
        if at is not None:
            left[at] = Node(cpus=left[at].cpus - wanted.cpus, gpus=left[at].gpus - wanted.gpus)
    return placed


def say(nodes: Sequence[Node]) -> str:
    """Return a cluster in words."""
    kinds = {node: nodes.count(node) for node in nodes}
    return " + ".join(f"{count} x ({Needs(cpus=int(n.cpus), gpus=int(n.gpus))})" for n, count in kinds.items())


def parse_nodes(text: str) -> list[Node]:
    """Read a cluster such as ``2x8gpu64cpu`` or ``1x8gpu64cpu,4x32cpu``.

    Raises
    ------
    UserError
        When it cannot be read.
    """
    nodes: list[Node] = []
    for part in text.split(","):
        match = NODES.fullmatch(part.strip())
        if match is None or not (match["gpus"] or match["cpus"]) or not 0 < int(match["count"]) <= 10_000:
            raise UserError(f"--nodes is '{text}'; expected COUNTxGPUSgpuCPUScpu such as 2x8gpu64cpu or 4x32cpu")
        gpus = int(match["gpus"] or 0)
        node = Node(cpus=int(match["cpus"] or 8 * gpus), gpus=gpus)
        nodes += [node] * int(match["count"])
    return nodes


def this_machine(cpus: int | None = None) -> list[Node]:
    """Return this machine as a cluster of one node."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    there = len([path for path in Path("/dev").glob("nvidia*") if path.name.removeprefix("nvidia").isdecimal()])
    chosen = there if visible is None else min(there, len([part for part in visible.split(",") if part.strip()]))
    return [Node(cpus=cpus or os.cpu_count() or 1, gpus=chosen)]


def placement_table(runs: Sequence[RunConfig], nodes: Sequence[Node], asked: dict[str, Needs]) -> Table:
    """Return what would start where, longest first."""
    where = first_wave(runs, nodes)
    table = Table(title=f"on {say(nodes)}", title_justify="left")
    for name in ("", "run", "size", "asks for", "FLOPs", "starts"):
        table.add_column(name, justify="right" if name in ("", "FLOPs") else "left", no_wrap=True)
    for i, run in enumerate(longest_first(runs), 1):
        at = where[run.name]
        starts = "when one before it is done" if at is None else f"at once, node {at + 1}"
        table.add_row(str(i), run.name, run.size, str(asked[run.name]), f"{flops(run):.2e}", starts)
    return table
