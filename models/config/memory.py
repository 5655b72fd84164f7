"""Memory that training needs on a device, estimated before it starts."""

from __future__ import annotations

from dataclasses import dataclass

from calque.models.config.sizes import DecoderConfig
from calque.models.config.training import TrainingConfig

FLOAT32, BFLOAT16, INDEX = 4, 2, 8

WHOLE_LOGITS = 2**28
"""Most bytes of float32 logits held at once; ``calque.models.decoder.loss`` computes more in chunks, slower."""

USABLE_SHARE = 0.8
"""Share of a device's memory that may be planned for; the rest is for its software and for fragmentation."""


@dataclass(frozen=True, kw_only=True)
class Memory:
    """Bytes on one device, without those of the device's own software and of fragmentation.

    Attributes
    ----------
    weights, gradients, optimizer : int
        Parameters, their gradients, the optimizer's state; each divided by the devices that shard them.
    activations : int
        Saved by the forward pass for the backward pass.
    activations_checkpointed : int
        The same when every layer saves its input alone and is recomputed in the backward pass.
    logits : int
        Logits of the tokens whose output projection is computed at once, and their gradient, in float32.
    """

    weights: int
    gradients: int
    optimizer: int
    activations: int
    activations_checkpointed: int
    logits: int

    @property
    def total(self) -> int:
        """The sum, without activation checkpointing."""
        return self.weights + self.gradients + self.optimizer + self.activations + self.logits

    @property
    def total_checkpointed(self) -> int:
        """The sum, with every layer recomputed."""
        return self.total - self.activations + self.activations_checkpointed


def memory(shape: DecoderConfig, config: TrainingConfig, *, rows: int, shards: int, head_tokens: int) -> Memory:
    r"""Return the bytes that training needs on one device.

    With width N, width of the keys K, feed-forward width F, all in elements; w, r and c bytes of a weight, a residual
    and another activation (32-true 4, 4, 4; bf16-mixed 4, 4, 2; bf16-true 2, 2, 2), P parameters, H of them in hidden
    matrices:

    - weights wP, under bf16-mixed also 2H, because the backward pass keeps the cast matrices; gradients wP;
    - AdamW 2wP; Muon wH + 2w(P - H);
    - a layer, for each token: 4rN (two norms: the input, and the input before the gain) + c (4N + 2K + 4F) (two normed
      inputs; queries, keys, values and the output of attention; gate, its SiLU, up and their product), c (3N + 2K) more
      with norms on queries and keys (their inputs, and a copy of the output of attention), 4 (heads + 2) for softmax
      and norms; nothing is quadratic in the context, because attention is fused;
    - outside the layers, for each token: (2r + c) N + 12;
    - logits: 8 bytes each.

    This is what eager autograd keeps on a CPU (a test counts it); fused norms and the compiler keep less.

    Parameters
    ----------
    shape : DecoderConfig
    config : TrainingConfig
    rows : int
        Sequences in a micro-batch.
    shards : int
        Devices that share weights, gradients and state.
    head_tokens : int
        Most tokens whose output projection is computed at once.
    """
    hidden = shape.layers * shape.n_matrices_layer
    weight = residual = BFLOAT16 if config.precision == "bf16-true" else FLOAT32
    compute = FLOAT32 if config.precision == "32-true" else BFLOAT16
    casts = BFLOAT16 * hidden if config.precision == "bf16-mixed" else 0
    state = 2 * weight * shape.n_params - (weight * hidden if config.optimizer == "muon" else 0)

    width, keys = shape.width, shape.kv_heads * shape.head_width
    tokens = rows * config.context
    entries = 4 * width + 2 * keys + 4 * shape.ffn_width + (3 * width + 2 * keys if shape.qk_norm else 0)
    small = FLOAT32 * (shape.heads + 2 + (shape.heads + shape.kv_heads if shape.qk_norm else 0))
    layer = tokens * (residual * 4 * width + compute * entries + small)
    around = tokens * ((2 * residual + compute) * width + INDEX + FLOAT32)
    return Memory(
        weights=(weight * shape.n_params) // shards + casts,
        gradients=(weight * shape.n_params) // shards,
        optimizer=state // shards,
        activations=shape.layers * layer + around,
        activations_checkpointed=shape.layers * tokens * residual * width + layer + around,
        logits=2 * FLOAT32 * min(head_tokens, tokens) * shape.vocab_size,
    )


def on_device(shape: DecoderConfig, config: TrainingConfig, rows: int) -> Memory:
    """Return the bytes on each device of a run of ``shape`` and ``config`` with micro-batches of ``rows`` sequences."""
    shards = config.devices if config.strategy == "fsdp2" else 1
    return memory(shape, config, rows=rows, shards=shards, head_tokens=WHOLE_LOGITS // (FLOAT32 * shape.vocab_size))


def sequences_at_once(shape: DecoderConfig, config: TrainingConfig, capacity: float | None) -> int:
    """Return the sequences of a micro-batch: as configured, else as many as fit, 1 where none do.

    Parameters
    ----------
    shape : DecoderConfig
    config : TrainingConfig
    capacity : float, optional
        The device's memory in bytes; None, such as for a CPU, takes all of its share of the batch.
    """
    share = config.batch_size // config.devices
    if config.micro_batch_size is not None or capacity is None:
        return config.micro_batch_size or share
    for rows in range(share, 1, -1):
        if share % rows == 0 and _needed(on_device(shape, config, rows), config) <= USABLE_SHARE * capacity:
            return rows
    return 1


def _needed(found: Memory, config: TrainingConfig) -> int:
    return found.total_checkpointed if config.activation_checkpointing == "full" else found.total
