"""Cost estimate of a study before it starts: its runs, its data, when it ends and what it costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from calque.data.errors import UserError
from calque.sweeps.plan.data_sets import DataSet
from calque.sweeps.plan.doubts import doubts
from calque.sweeps.plan.hardware import MOST_PEAK, Hardware
from calque.sweeps.plan.makespan import hint, timetable
from calque.sweeps.plan.placement import Node, check, describe
from calque.sweeps.plan.repetition import Text, differing, expected_text
from calque.sweeps.plan.run_plan import RunPlan, plan_run
from calque.sweeps.study.differences import differences
from calque.sweeps.study.search import Search
from calque.sweeps.study.study import Study


def plan(
    study: Study, hardware: Hardware, nodes: Sequence[Node] | None = None, price: float | None = None,
    texts: Mapping[str, Text | None] | None = None, data_sets: Sequence[DataSet] = (), at_address: bool = False,
) -> dict[str, Any]:  # fmt: skip
    """Return the cost estimate of a study as JSON-ready values.

    Parameters
    ----------
    study : Study
    hardware : Hardware
    nodes : sequence of Node, optional
        The cluster on which the study's end is worked out.
    price : float, optional
        Of an hour of a device, in any currency.
    texts : mapping of str to Text or None, optional
        What each run reads; when None, what the configurations tell.
    data_sets : sequence of DataSet
        The shards that the runs share.
    at_address : bool
        Whether results go to an ``fsspec`` address: nodes then keep copies of what they work on.

    Returns
    -------
    dict
        ``runs``, ``total``, ``data_sets``, ``at_address``, ``timetable`` (None without ``nodes``), ``cost`` (None
        without ``price``), ``doubts``, ``repetition`` (warnings of runs that are compared and repeat their text
        unequally), ``search`` (its metric, trials, rungs, expected and most tokens, where the study is one), ``pilot``
        (None; :func:`calque.sweeps.api.plan.plan` has it where a pilot is given).

    Raises
    ------
    UserError
        When a run does not fit into the nodes, or the price is negative.
    """
    if price is not None and not 0 <= price < MOST_PEAK:
        raise UserError(f"`price` is {price:g}; expected the price of an hour of a device, such as 2.5")
    apart = differences(study.runs)
    texts = {run.name: expected_text(run) for run in study.runs} if texts is None else texts
    of_design: dict[str, RunPlan] = {}
    plans = []
    for run in study.runs:  # runs that differ in their seeds cost the same
        design = run.design()
        if design not in of_design:
            of_design[design] = plan_run(run, hardware, apart[run.name], texts[run.name])
        plans.append(replace(of_design[design], run=run.name, run_id=run.run_id))
    total = {
        "runs": len(plans), "tokens": sum(p.tokens for p in plans), "checkpoints": sum(p.checkpoints for p in plans),
        "adaptive_checkpoints": sum(p.adaptive_checkpoints for p in plans),
        "flops": sum(p.flops for p in plans), "scoring_flops": sum(p.scoring_flops for p in plans),
        "probing_flops": sum(p.probing_flops for p in plans),
        "attribution_flops": sum(p.attribution_flops for p in plans),
        "attribution_hours": sum(p.attribution_hours for p in plans),
        "device_hours": sum(p.hours for p in plans), "scoring_hours": sum(p.scoring_hours for p in plans),
        "disk_bytes": sum(p.disk_bytes for p in plans),
        "shard_bytes": sum(each.shard_bytes or 0.0 for each in data_sets),
        "local_bytes": sum(p.local_bytes for p in plans) if at_address else 0,
    }  # fmt: skip
    when = None if nodes is None else _timetable(study, plans, nodes, at_address)
    return {
        "schema": 1, "study": study.name, "utilisation": hardware.utilisation,
        "runs": [vars(p).copy() for p in plans], "total": total, "timetable": when,
        "data_sets": [asdict(each) for each in data_sets], "at_address": at_address,
        "cost": None if price is None else _cost(plans, price, when), "pilot": None,
        "doubts": list(doubts(study.runs, nodes is None and all(p.device == "cpu" for p in plans))),
        "repetition": list(differing(study.runs, {p.run: p.epochs for p in plans})),
    } | ({} if study.search is None else {"search": _search(study.search, plans)})  # fmt: skip


def _search(search: Search, plans: Sequence[RunPlan]) -> dict[str, Any]:
    longest = max(p.tokens for p in plans)
    most = sum(p.tokens for p in plans)
    return {
        "metric": search.metric, "trials": search.trials, "rungs": list(search.rungs(longest)),
        "expected_tokens": min(search.expected_tokens(longest), most), "most_tokens": most,
    }  # fmt: skip


def _timetable(study: Study, plans: Sequence[RunPlan], nodes: Sequence[Node], at_address: bool) -> dict[str, Any]:
    hours, resources = {p.run: p.wall_hours for p in plans}, check(study.runs, nodes, at_address)
    found = timetable(study.runs, hours, nodes, resources)
    better = hint(study.runs, hours, nodes, resources)
    gpus = sum(node.gpus for node in nodes)
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
    hours = sum(p.hours + p.attribution_hours for p in paid)
    return {
        "price": price, "device_hours": hours, "training": price * hours,
        "scoring": price * sum(p.scoring_hours for p in paid),
        "cluster": None if when is None else price * when["devices"] * when["hours"],
    }  # fmt: skip
