"""Cost estimate of a study before it starts: parameters, tokens, FLOPs, memory, device-hours, disk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from calque.data.errors import UserError
from calque.models.config.devices import find_device
from calque.models.config.memory import BFLOAT16, FLOAT32, memory, on_device, sequences_at_once
from calque.models.config.parametrisation import ADAMW, MUON, scaled
from calque.models.config.retention import kept_steps
from calque.sweeps.plan.makespan import hint, timetable
from calque.sweeps.plan.placement import Node, check, describe
from calque.sweeps.plan.scoring import scoring_flops
from calque.sweeps.study.differences import differences
from calque.sweeps.study.run_config import RunConfig
from calque.sweeps.study.study import Study

KEPT_STATES = 2
LEAST_PEAK, MOST_PEAK = 1e6, 1e24


@dataclass(frozen=True, kw_only=True)
class Hardware:
    """The hardware of a cost estimate.

    Attributes
    ----------
    device : str, optional
        A name of ``calque.models.config.devices``; by default ``cpu`` for a run in float32, ``h200`` for others.
    flops : float, optional
        Peak FLOP/s, for a device that is not in the table; used instead of the table's.
    utilisation : float
        Share of the peak FLOP/s that training reaches.
    """

    device: str | None = None
    flops: float | None = None
    utilisation: float = 0.4

    def __post_init__(self) -> None:
        """Refuse impossible values."""
        if not 0 < self.utilisation <= 1:
            raise UserError(f"`utilisation` is {self.utilisation:g}; expected a share of the peak, such as 0.4")
        if self.flops is not None and not LEAST_PEAK <= self.flops <= MOST_PEAK:
            raise UserError(
                f"`flops` is {self.flops:g}; expected the peak FLOP/s of a device, such as 989e12 ({LEAST_PEAK:g} to "
                f"{MOST_PEAK:g})"
            )
        if self.device is not None:
            find_device(self.device)

    def of(self, precision: str) -> tuple[str, float, float | None]:
        """Return the device's name, peak FLOP/s and bytes of memory for a run of ``precision``."""
        name = self.device or ("cpu" if precision == "32-true" else "h200")
        if self.flops is not None:
            return (self.device or "given", self.flops, find_device(self.device).memory if self.device else None)
        return name, find_device(name).peak(precision), find_device(name).memory


@dataclass(frozen=True, kw_only=True)
class RunPlan:
    """The cost estimate of one run.

    Attributes
    ----------
    run, run_id, size, mix : str
    differs : mapping of str to value
        Settings in which the run differs from most others of its corpus, by key of the study file; without seeds and
        what has a field here.
    width, layers, vocab_size : int
    n_params, n_params_non_embedding, tokens, steps : int
    checkpoints : int
        Planned ones and the whole budget of adaptive ones.
    adaptive_checkpoints : int
        The budget of adaptive ones.
    flops_per_token : mapping of str to int
        Of training, by part: ``embedding`` (a look-up: 0), ``layers``, ``attention``, ``head``.
    flops : float
        Of training: tokens times the sum of the parts.
    scoring_flops : float
        Of held-out text and words at all checkpoints, roughly (``calque.sweeps.plan.scoring``).
    device, precision : str
    peak_flops : float
        Of the device at this precision, FLOP/s.
    hours : float
        Device-hours of training at the given utilisation of the peak.
    hidden_learning_rate : float
        Peak learning rate of the hidden matrices: the study's, transferred from the base size.
    devices : int
        World size: devices that share a step.
    wall_hours : float
        Hours divided by the devices.
    rows : int
        Sequences of a micro-batch: as configured, else as many as fit the device's memory
        (``calque.models.config.memory``).
    memory_bytes : mapping of str to int
        Of one device, by part (``calque.models.config.memory``), with ``total`` and ``total_checkpointed``.
    device_memory_bytes : float, optional
        Memory of the device.
    disk_bytes : int
        Kept weights, in the precision of computation, and two full states.
    """

    run: str
    run_id: str
    size: str
    mix: str
    differs: dict[str, Any]
    width: int
    layers: int
    vocab_size: int
    n_params: int
    n_params_non_embedding: int
    tokens: int
    steps: int
    checkpoints: int
    adaptive_checkpoints: int
    flops_per_token: dict[str, int]
    flops: float
    scoring_flops: float
    device: str
    precision: str
    peak_flops: float
    hours: float
    wall_hours: float
    hidden_learning_rate: float
    devices: int
    rows: int
    memory_bytes: dict[str, int]
    device_memory_bytes: float | None
    disk_bytes: int


def plan_run(run: RunConfig, hardware: Hardware, differs: dict[str, Any] | None = None) -> RunPlan:
    """Return the cost estimate of a run.

    Parameters
    ----------
    run : RunConfig
    hardware : Hardware
    differs : dict, optional
        Settings in which the run differs from others of its study (``calque.sweeps.study.differences``).

    Raises
    ------
    UserError
        When the device is unknown.
    """
    decoder, training, steps = run.decoder(run.vocab_size()), run.training, run.checkpoint_steps()
    tokens = training.steps * training.tokens_per_step
    name, peak, capacity = hardware.of(training.precision)
    parts = decoder.flops_parts(training.context)
    flops = float(tokens) * sum(parts.values())
    hours = flops / (peak * hardware.utilisation) / 3600
    rows = sequences_at_once(decoder, training, capacity)
    needed = on_device(decoder, training, rows)
    whole = memory(decoder, training, rows=rows, shards=1, head_tokens=0)
    stored = (FLOAT32 if training.precision == "32-true" else BFLOAT16) * decoder.n_params
    budget = run.checkpoints.adaptive.budget if run.checkpoints.adaptive else 0
    further = budget if training.keep_weights == "all" else 0  # other policies remove them in favour of later ones
    rule = (MUON if training.optimizer == "muon" else ADAMW)["hidden"]
    return RunPlan(
        run=run.name, run_id=run.run_id, size=run.size, mix=run.parsed_mix().name,
        differs=differs or {}, width=decoder.width, layers=decoder.layers, vocab_size=decoder.vocab_size,
        n_params=decoder.n_params, n_params_non_embedding=decoder.n_params_non_embedding, tokens=tokens,
        steps=training.steps, checkpoints=len(steps) + budget, adaptive_checkpoints=budget,
        flops_per_token=parts, flops=flops, device=name,
        scoring_flops=scoring_flops(run, len(steps) + budget, sum(parts.values())),
        precision=training.precision, peak_flops=peak, hours=hours, wall_hours=hours / training.devices,
        hidden_learning_rate=scaled(training.learning_rate, rule.learning_rate, decoder),
        devices=training.devices, rows=rows,
        memory_bytes=asdict(needed) | {"total": needed.total, "total_checkpointed": needed.total_checkpointed},
        device_memory_bytes=capacity,
        disk_bytes=stored * (len(kept_steps(training.keep_weights, steps, steps)) + further)
        + KEPT_STATES * (whole.gradients + whole.optimizer),  # weights take as much as gradients
    )  # fmt: skip


def plan(
    study: Study, hardware: Hardware, nodes: Sequence[Node] | None = None, price: float | None = None
) -> dict[str, Any]:
    """Return the cost estimate of a study as JSON-ready values.

    Parameters
    ----------
    study : Study
    hardware : Hardware
    nodes : sequence of Node, optional
        The cluster on which the study's end is worked out.
    price : float, optional
        Of an hour of a device, in any currency.

    Returns
    -------
    dict
        ``runs``, ``total``, ``timetable`` (None without ``nodes``) and ``cost`` (None without ``price``).

    Raises
    ------
    UserError
        When a run does not fit into the nodes, or the price is negative.
    """
    if price is not None and not 0 <= price < MOST_PEAK:
        raise UserError(f"`price` is {price:g}; expected the price of an hour of a device, such as 2.5")
    apart = differences(study.runs)
    of_design: dict[str, RunPlan] = {}
    plans = []
    for run in study.runs:  # runs that differ in their seeds cost the same
        design = run.design()
        if design not in of_design:
            of_design[design] = plan_run(run, hardware, apart[run.name])
        plans.append(replace(of_design[design], run=run.name, run_id=run.run_id))
    total = {
        "runs": len(plans), "tokens": sum(p.tokens for p in plans), "checkpoints": sum(p.checkpoints for p in plans),
        "adaptive_checkpoints": sum(p.adaptive_checkpoints for p in plans),
        "flops": sum(p.flops for p in plans), "scoring_flops": sum(p.scoring_flops for p in plans),
        "device_hours": sum(p.hours for p in plans),
        "disk_bytes": sum(p.disk_bytes for p in plans),
    }  # fmt: skip
    when = None if nodes is None else _timetable(study, plans, nodes)
    return {
        "schema": 1, "study": study.name, "utilisation": hardware.utilisation,
        "runs": [vars(p).copy() for p in plans], "total": total, "timetable": when,
        "cost": None if price is None else _cost(plans, price, when),
    }  # fmt: skip


def _timetable(study: Study, plans: Sequence[RunPlan], nodes: Sequence[Node]) -> dict[str, Any]:
    hours = {p.run: p.wall_hours for p in plans}
    found, better = timetable(study.runs, hours, nodes), hint(study.runs, hours, nodes)
    resources, gpus = check(study.runs, nodes), sum(node.gpus for node in nodes)
    devices = gpus or sum(node.cpus for node in nodes)
    used = {name: each.processes * (each.gpus if gpus else each.cpus) for name, each in resources.items()}
    return {
        "nodes": describe(nodes), "devices": devices, "hours": found.hours,
        "busy": sum(used[name] * hours[name] for name in used) / (devices * found.hours),
        "critical_path": [asdict(found.slots[name]) for name in found.critical_path],
        "hint": None if better is None else asdict(better),
    }  # fmt: skip


def _cost(plans: Sequence[RunPlan], price: float, when: dict[str, Any] | None) -> dict[str, Any]:
    """Return what is paid for the hours of the devices, and for the whole cluster until the study's end.

    Where a study has runs on GPUs, an hour is one of a GPU, and those of CPU cores are not counted.
    """
    paid = [p for p in plans if p.device != "cpu"] or plans
    return {
        "price": price, "device_hours": sum(p.hours for p in paid), "training": price * sum(p.hours for p in paid),
        "cluster": None if when is None else price * when["devices"] * when["hours"],
    }  # fmt: skip
