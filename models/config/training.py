"""Settings of training, independent of the model's size."""

from __future__ import annotations

import math
from dataclasses import dataclass

from calque.data.errors import UserError, nearest
from calque.data.quantities import Count
from calque.models.config import retention
from calque.models.config.attribution import AttributionConfig, check_training
from calque.models.config.profiling import ProfileConfig

FLOAT8 = "float8-mixed"
PRECISIONS = ("32-true", "bf16-mixed", FLOAT8, "bf16-true")
OPTIMIZERS = ("adamw", "muon")
PARAMETRISATIONS = ("completep", "standard")
COMPILING = ("auto", "always", "never")
STRATEGIES = ("ddp", "fsdp2")
CHECKPOINTING = ("none", "selective", "full")
LOSSES = ("all", "hapax")
ATTENTION = ("context", "document")
FLOAT8_SIDE = 16
"""Sides of float8 matrices are multiples of this on a GPU; those of all sizes are (a test says so)."""
MOST_THREADS = 1024
"""More than any one machine has cores; the cores of this machine are checked when the run starts."""


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """Settings of training, independent of the model's size.

    Attributes
    ----------
    tokens : int
        Training tokens in total.
    context, batch_size : int
        Tokens of a sequence, sequences of a step; keep their product fixed across a ladder of sizes.
    learning_rate, weight_decay, beta1, beta2, epsilon, gradient_clip : float
        Of AdamW, at the base width and depth; weight decay acts on matrices alone, the clip on the global norm.
    optimizer : str
        ``adamw``, or ``muon``: Muon for the hidden matrices and AdamW for the rest, at the same learning rate.
    momentum : float
        Of Muon.
    parametrisation : str
        ``completep``: the values above hold at the base width and depth and are transferred to this size
        (``calque.models.config.parametrisation``); ``standard``: they are used unchanged.
    base_width, base_layers : int, optional
        The base of ``completep``; by default that of the size's family (``calque.models.config.sizes``).
    attention : str
        What a token reads: ``context``, all tokens before it in its row; ``document``, those of its own document. Rows
        are cut out of a stream of documents. Held-out text is scored under ``context`` in any case.
    loss : str
        Which tokens carry loss: ``all``; ``hapax``, those whose bigram (the token before, and itself) did not occur
        earlier in the context. The others are what an induction head predicts; they are read, but not trained on. The
        loss is the mean over the tokens that carry it, over all micro-batches and devices of a step.
    z_loss : float
        Coefficient of the mean squared log of the softmax's normaliser, added to the cross-entropy (0: none); it keeps
        logits from drifting (Chowdhery et al. 2022, section 5). The reported loss does not contain it.
    warmup_tokens : int
        Tokens of linear warmup.
    decay_fraction : float
        Share of training, at its end, over which the learning rate falls linearly to 0.
    precision : str
        One of Lightning's ``32-true``, ``bf16-mixed``, ``bf16-true``; or ``float8-mixed``, which is ``bf16-mixed`` with
        float8 factors in the matrix products of the layers.
    threads : int
        CPU threads of a process; fixed, because the last bits of a sum depend on them.
    compile : str
        Whether ``torch.compile`` is used: ``always``, ``never``, or ``auto``, where it saves time.
    devices : int
        World size: processes that share a step, one device each; the global batch does not depend on it.
    strategy : str
        With several devices: ``ddp``, each holds everything; ``fsdp2``, weights, gradients and state are sharded.
    micro_batch_size : int, optional
        Sequences of a micro-batch; gradients accumulate over a device's share of the batch. By default as many as fit
        (``calque.models.config.memory``), on a CPU all.
    activation_checkpointing : str
        What the backward pass recomputes to save memory: ``none``; ``selective``, all but matrix products and
        attention; ``full``, every block.
    keep_weights : str
        Of which checkpoints weights stay on disk: ``all``, ``last:N``, ``every:K`` or ``every:K+last:N``. Every
        checkpoint is scored, and its SHA-256 is in the cube, kept or not.
    keep_states : str
        Which full states stay on disk besides the newest two: ``newest``, none; ``every:K``, those of every K-th
        planned checkpoint, from which later runs can branch. It changes no number.
    skip_nonfinite : int
        Steps with a loss or gradient that is not finite that are skipped before training stops. Above 0 every step
        waits for the device.
    skip_spikes : float
        Skip a step whose loss or gradient norm is more than so many standard deviations above the mean of the
        ``spike_history`` steps before it: the weights stay as they are. 0: none. Above 0 every step waits for the
        device.
    spike_history : int
        Steps by which a step is judged; none is before there are as many.
    tensorboard : bool
        Write every step to TensorBoard's event files too (``tensorboard/steps`` in the run's folder); ``steps.csv`` has
        every step in any case. It changes no number and is no part of the run's identity.
    profile : ProfileConfig, optional
        Profile a few steps into ``profile/`` of the run's folder; no part of the run's identity either.
    attribution : AttributionConfig, optional
        Attribute the changes of losses of words to the languages of the training text (docs/COMPONENTS.md). It changes
        no number and is no part of the run's identity.
    """

    tokens: Count
    context: int = 64
    batch_size: int = 8
    learning_rate: float = 2.5e-3
    weight_decay: float = 0.1
    beta1: float = 0.9
    beta2: float = 0.98
    epsilon: float = 1e-8
    gradient_clip: float = 1.0
    optimizer: str = "adamw"
    momentum: float = 0.95
    parametrisation: str = "completep"
    base_width: int | None = None
    base_layers: int | None = None
    attention: str = "context"
    loss: str = "all"
    z_loss: float = 0.0
    warmup_tokens: Count = 50_000
    decay_fraction: float = 0.3
    precision: str = "32-true"
    threads: int = 1
    compile: str = "auto"
    devices: int = 1
    strategy: str = "ddp"
    micro_batch_size: int | None = None
    activation_checkpointing: str = "none"
    keep_weights: str = "all"
    keep_states: str = "newest"
    skip_nonfinite: int = 0
    skip_spikes: float = 0.0
    spike_history: int = 128
    tensorboard: bool = False
    profile: ProfileConfig | None = None
    attribution: AttributionConfig | None = None

    def __post_init__(self) -> None:
        """Refuse impossible values."""
        for name in ("tokens", "context", "batch_size", "learning_rate", "epsilon", "threads", "devices"):
            if not 0 < getattr(self, name) < math.inf:
                raise UserError(f"training.{name} is {getattr(self, name)}; expected more than 0 and finite")
        for name in ("weight_decay", "gradient_clip", "warmup_tokens", "z_loss", "skip_nonfinite", "skip_spikes"):
            if not 0 <= getattr(self, name) < math.inf:
                raise UserError(f"training.{name} is {getattr(self, name)}; expected 0 or more and finite")
        for name in ("beta1", "beta2", "momentum"):
            if not 0 <= getattr(self, name) < 1:
                raise UserError(f"training.{name} is {getattr(self, name)}; expected 0 or more and less than 1")
        if self.spike_history < 2:
            raise UserError(f"training.spike_history is {self.spike_history}; expected 2 or more")
        for name in ("base_width", "base_layers"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UserError(f"training.{name} is {value}; expected 1 or more")
            if value is not None and self.parametrisation == "standard":
                raise UserError(f"training.{name} is {value}, but parametrisation 'standard' has no base; drop one")
        if self.threads > MOST_THREADS:
            raise UserError(
                f"training.threads is {self.threads}; expected at most {MOST_THREADS}, the cores of one machine"
            )
        if not 0 <= self.decay_fraction <= 1:
            raise UserError(f"training.decay_fraction is {self.decay_fraction}; expected 0 to 1")
        if self.tokens < self.tokens_per_step:
            raise UserError(f"training.tokens is {self.tokens}, less than one step's {self.tokens_per_step}; raise it")
        if self.warmup_tokens > self.tokens:
            raise UserError(
                f"training.warmup_tokens is {self.warmup_tokens}, more than training.tokens, {self.tokens}: the "
                "learning rate would never reach its peak; lower one or raise the other"
            )
        for name, known in (
            ("precision", PRECISIONS), ("optimizer", OPTIMIZERS), ("parametrisation", PARAMETRISATIONS),
            ("compile", COMPILING), ("strategy", STRATEGIES), ("activation_checkpointing", CHECKPOINTING),
            ("loss", LOSSES), ("attention", ATTENTION),
        ):  # fmt: skip
            value = getattr(self, name)
            if value not in known:
                raise UserError(
                    f"training.{name} is '{value}'; expected one of {', '.join(known)}{nearest(str(value), known)}"
                )
        if self.precision == FLOAT8 and self.context % FLOAT8_SIDE:
            raise UserError(
                f"training.context is {self.context}; expected a multiple of {FLOAT8_SIDE}, which the matrix products "
                f"of precision '{FLOAT8}' need"
            )
        if self.loss == "hapax" and self.attention == "document":
            raise UserError(
                "training.loss is 'hapax', which looks for bigrams across documents, and training.attention "
                "'document'; expected one of them: drop the other"
            )
        if self.strategy == "fsdp2" and self.devices == 1:
            raise UserError(
                "training.strategy is 'fsdp2', but one device has nothing to share; expected training.devices of 2 or "
                "more, or no strategy"
            )
        if self.attribution is not None:
            check_training(optimizer=self.optimizer, precision=self.precision, devices=self.devices)
        retention.check(self.keep_weights)
        retention.check_states(self.keep_states)
        if self.batch_size % self.devices:
            raise UserError(
                f"training.batch_size is {self.batch_size}, which {self.devices} devices cannot share evenly; "
                f"expected a multiple of {self.devices}"
            )
        rows, micro = self.batch_size // self.devices, self.micro_batch_size
        if micro is not None and (micro < 1 or rows % micro):
            raise UserError(
                f"training.micro_batch_size is {micro}; expected a divisor of the {rows} sequences a device has a step"
            )

    @property
    def mixed(self) -> bool:
        """Whether weights are stored in float32 and used in bfloat16."""
        return self.precision in ("bf16-mixed", FLOAT8)

    @property
    def tokens_per_step(self) -> int:
        """Tokens of an optimizer step: batch x context."""
        return self.batch_size * self.context

    @property
    def steps(self) -> int:
        """Optimizer steps in total."""
        return self.tokens // self.tokens_per_step

    @property
    def trained_tokens(self) -> int:
        """Tokens of all steps; ``tokens`` may be a part of a step more."""
        return self.steps * self.tokens_per_step
