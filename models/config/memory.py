"""Memory that training needs on a device, estimated before it starts."""

from __future__ import annotations

from dataclasses import dataclass

from calque.models.config.sizes import DecoderConfig
from calque.models.config.training import TrainingConfig

FLOAT32, BFLOAT16, INDEX = 4, 2, 8

WHOLE_LOGITS = {"cpu": 2**28, "cuda": 2**30}
"""Most bytes of float32 logits held at once. On a GPU a chunk is larger: each reads and writes the head's gradient."""

USABLE_SHARE = 0.8
"""Share of a device's memory that may be planned for; the rest is for its software and for fragmentation."""


@dataclass(frozen=True, kw_only=True)
class Memory:
    """Bytes on one device, without those of the device's own software and of fragmentation.

    Attributes
    ----------
    weights, gradients, optimizer : int
        Parameters, their gradients, the optimizer's state; each divided by the devices that shard them, with what is
        gathered or cast of them at once.
    activations : int
        Saved by the forward pass for the backward pass.
    activations_checkpointed : int
        The same when every layer saves its input alone and is recomputed in the backward pass.
    logits : int
        Logits of the tokens whose output projection is computed at once, and their log-probabilities, in float32; what
        is added up over chunks: gradients of the head and of the residuals.
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


def memory(
    shape: DecoderConfig, config: TrainingConfig, *, rows: int, shards: int, head_tokens: int, accumulates: bool = False
) -> Memory:
    r"""Return the bytes that training needs on one device.

    With width N, width of the keys K, feed-forward width F, vocabulary V, all in elements; w and c bytes of a weight
    and of an activation in the type of computation (32-true 4, 4; bf16-mixed 4, 2; bf16-true 2, 2), P parameters, H of
    them in hidden matrices, R outside the layers, B in one layer:

    - weights wP, under bf16-mixed also 2H, because the backward pass keeps the cast matrices; gradients wP;
    - sharded over D devices, weights wP/D + wR + 2cB (gathered: what is outside the layers, and two layers, one of them
      ahead); gradients wP/D + wR + (c + 4) B (a layer's, and the same in float32 on their way), or wP/D + 4P where they
      are accumulated over micro-batches;
    - AdamW 2wP; Muon wH + 2w(P - H);
    - a layer, for each token: 16N (the residual, in float32, before each of two norms, and before their gains) +
      c (4N + 2K + 4F) (two normed inputs; queries, keys, values and the output of attention; gate, its SiLU, up and
      their product), 8 (N + K) + cN more with norms on queries and keys, 4 (heads + 2) for softmax and norms; nothing
      is quadratic in the context, because attention is fused;
    - outside the layers, for each token: (8 + c) N + 12; where attention is within documents, (1 + c) context more for
      the mask, and in each layer 2c (N - K) for keys and values that heads share no more;
    - logits: 8 bytes each; 4VN + 4N a token for what is added up over chunks, under bf16-mixed also 2VN for the cast
      head.

    float8-mixed counts as bf16-mixed: what is kept is the same; float8 copies of the factors of one product at a time
    are there when the logits are not.

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
        Most tokens whose output projection is computed at once; 0 leaves the output projection out.
    accumulates : bool
        Whether a step has several micro-batches.
    """
    hidden = shape.layers * shape.n_matrices_layer
    weight = BFLOAT16 if config.precision == "bf16-true" else FLOAT32
    compute = FLOAT32 if config.precision == "32-true" else BFLOAT16
    state = 2 * weight * shape.n_params - (weight * hidden if config.optimizer == "muon" else 0)
    weights = gradients = weight * shape.n_params
    if shards > 1:
        layers = shape.layers * shape.n_params_layer
        rest = weight * (shape.n_params - layers)
        weights = weights // shards + rest + 2 * compute * shape.n_params_layer
        on_the_way = (compute + FLOAT32) * shape.n_params_layer
        gradients = gradients // shards + (FLOAT32 * shape.n_params if accumulates else rest + on_the_way)
    elif config.mixed:
        weights += BFLOAT16 * hidden

    width, keys = shape.width, shape.kv_heads * shape.head_width
    tokens = rows * config.context
    entries = compute * (4 * width + 2 * keys + 4 * shape.ffn_width)
    small = FLOAT32 * (shape.heads + 2)
    if shape.qk_norm:
        entries += FLOAT32 * 2 * (width + keys) + compute * width
        small += FLOAT32 * (shape.heads + shape.kv_heads)
    layer = tokens * (FLOAT32 * 4 * width + entries + small)
    if config.attention == "document":
        layer += tokens * compute * 2 * (width - keys)
    around = tokens * ((2 * FLOAT32 + compute) * width + INDEX + FLOAT32)
    if config.attention == "document":
        around += tokens * config.context * (1 + compute)
    logits = 2 * FLOAT32 * min(head_tokens, tokens) * shape.vocab_size
    if head_tokens:
        logits += FLOAT32 * width * (shape.vocab_size + tokens) + (
            BFLOAT16 * width * shape.vocab_size if config.mixed else 0
        )
    return Memory(
        weights=weights,
        gradients=gradients,
        optimizer=state // shards,
        activations=shape.layers * layer + around,
        activations_checkpointed=shape.layers * tokens * FLOAT32 * width + layer + around,
        logits=logits,
    )


def logits_at_once(device: str) -> int:
    """Return the most bytes of float32 logits that are held at once on a ``device`` of this type, cpu or cuda."""
    return WHOLE_LOGITS.get(device, WHOLE_LOGITS["cuda"])


def on_device(shape: DecoderConfig, config: TrainingConfig, rows: int) -> Memory:
    """Return the bytes on each device of a run of ``shape`` and ``config`` with micro-batches of ``rows`` sequences."""
    shards = config.devices if config.strategy == "fsdp2" else 1
    head_tokens = max(1, logits_at_once("cuda") // (FLOAT32 * shape.vocab_size))
    accumulates = rows < config.batch_size // config.devices
    return memory(shape, config, rows=rows, shards=shards, head_tokens=head_tokens, accumulates=accumulates)


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
