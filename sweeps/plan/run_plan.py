"""The cost estimate of one run: FLOPs, hours, memory, disk, and how often its text is read."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from calque.models.config.memory import BFLOAT16, FLOAT32, memory, on_device, sequences_at_once
from calque.models.config.parametrisation import ADAMW, MUON, scaled
from calque.models.config.retention import BESIDE_AN_ADDRESS, kept_steps, passing
from calque.sweeps.plan import attributing
from calque.sweeps.plan.attributing import attribution_cost
from calque.sweeps.plan.hardware import Hardware
from calque.sweeps.plan.repetition import Text, epochs
from calque.sweeps.plan.scoring import SPEED, probing_flops, scoring_flops
from calque.sweeps.study.run_config import RunConfig

KEPT_STATES = 2


@dataclass(frozen=True, kw_only=True)
class RunPlan:
    """The cost estimate of one run.

    Attributes
    ----------
    run, run_id, size, mix, corpus : str
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
    scoring_hours : float
        Device-hours in which scoring keeps devices from training: all of a run's devices score together.
    probing_flops : float
        Of the probes of heads at the checkpoints that are probed; 0 where none are asked for. No part of the hours.
    attribution_flops : float
        Of attribution to the languages of the training text (``calque.sweeps.plan.attributing``); 0 where the run asks
        for none.
    attribution_hours : float
        Device-hours that it adds to training.
    attribution_bytes : int
        Memory that it takes beside training.
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
        Hours of training, attribution and scoring divided by the devices.
    rows : int
        Sequences of a micro-batch: as configured, else as many as fit the device's memory
        (``calque.models.config.memory``).
    memory_bytes : mapping of str to int
        Of one device, by part (``calque.models.config.memory``), with ``total`` and ``total_checkpointed``.
    device_memory_bytes : float, optional
        Memory of the device.
    disk_bytes : int
        Kept weights, in the precision of computation, and two full states.
    local_bytes : int
        Of these, what stays on the node that trains while results go to an address: two full states, and the newest
        weights or those that the retention may still remove.
    epochs : mapping of str to float, or None
        How often the run reads the text of each language (``calque.sweeps.plan.repetition``); None where that is not
        known before the text is prepared.
    text_bytes : mapping of str to float, or None
        Bytes of that text.
    text_measured : bool
        Whether they were counted in token shards; otherwise expected from the configuration.
    """

    run: str
    run_id: str
    size: str
    mix: str
    corpus: str
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
    scoring_hours: float
    probing_flops: float
    attribution_flops: float
    attribution_hours: float
    attribution_bytes: int
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
    local_bytes: int
    epochs: dict[str, float] | None
    text_bytes: dict[str, float] | None
    text_measured: bool


def plan_run(
    run: RunConfig, hardware: Hardware, differs: dict[str, Any] | None = None, text: Text | None = None
) -> RunPlan:
    """Return the cost estimate of a run.

    Parameters
    ----------
    run : RunConfig
    hardware : Hardware
    differs : dict, optional
        Settings in which the run differs from others of its study (``calque.sweeps.study.differences``).
    text : Text, optional
        What the run reads; None where that is not known yet.

    Raises
    ------
    UserError
        When the device is unknown.
    """
    decoder, training, steps = run.decoder(run.vocab_size()), run.training, run.checkpoint_steps()
    tokens = run.trained_steps * training.tokens_per_step
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
    scored = scoring_flops(run, len(steps) + budget, sum(parts.values()))
    scoring_hours = scored / (SPEED * peak * hardware.utilisation) / 3600
    attributed = attribution_cost(run, decoder, sum(parts.values()))
    attribution_hours = attributed.flops / (attributing.SPEED * peak * hardware.utilisation) / 3600
    final, at_once = kept_steps(training.keep_weights, steps, steps), BESIDE_AN_ADDRESS + passing(training.keep_weights)
    states = KEPT_STATES * (whole.gradients + whole.optimizer)  # weights take as much as gradients
    rule = (MUON if training.optimizer == "muon" else ADAMW)["hidden"]
    return RunPlan(
        run=run.name, run_id=run.run_id, size=run.size, mix=run.parsed_mix().name, corpus=run.corpus,
        differs=differs or {}, width=decoder.width, layers=decoder.layers, vocab_size=decoder.vocab_size,
        n_params=decoder.n_params, n_params_non_embedding=decoder.n_params_non_embedding, tokens=tokens,
        steps=run.trained_steps, checkpoints=len(steps) + budget, adaptive_checkpoints=budget,
        flops_per_token=parts, flops=flops, device=name,
        scoring_flops=scored, scoring_hours=scoring_hours, probing_flops=probing_flops(run, decoder, budget),
        attribution_flops=attributed.flops, attribution_hours=attribution_hours, attribution_bytes=attributed.n_bytes,
        precision=training.precision, peak_flops=peak, hours=hours,
        wall_hours=(hours + attribution_hours + scoring_hours) / training.devices,
        hidden_learning_rate=scaled(training.learning_rate, rule.learning_rate, decoder),
        devices=training.devices, rows=rows,
        memory_bytes=asdict(needed) | {"total": needed.total, "total_checkpointed": needed.total_checkpointed},
        device_memory_bytes=capacity,
        disk_bytes=stored * (len(final) + further) + states,
        local_bytes=stored * min(at_once, len(final) + further) + states,
        epochs=None if text is None else epochs(run, text), text_bytes=None if text is None else dict(text.text_bytes),
        text_measured=text is not None and text.measured,
    )  # fmt: skip
