"""Sizes of models: the decoder's shape, its parameter count and its FLOPs; training is configured elsewhere."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial

from calque.data.errors import UserError, nearest
from calque.data.quantities import parse_count


@dataclass(frozen=True, kw_only=True)
class DecoderConfig:
    """Shape of a Llama-style decoder: pre-norm RMSNorm, rotary positions, grouped-query attention, SwiGLU, no biases.

    Attributes
    ----------
    width, layers, heads, kv_heads, ffn_width, vocab_size : int
        ``heads`` divides ``width``, ``kv_heads`` divides ``heads``.
    rope_base : float
        Base of the rotary frequencies; short contexts need a small one.
    tied : bool
        Whether the output projection is the embedding.
    qk_norm : bool
        RMSNorm on queries and keys (more stable at high learning rates).
    norm_eps : float
        Epsilon of RMSNorm, added under the root.
    base_width, base_layers : int, optional
        Width and depth at which the hyper-parameters were chosen; ``calque.models.config.parametrisation`` transfers
        them to this shape. By default the shape is its own base, which is the standard parametrisation.
    """

    width: int
    layers: int
    heads: int
    kv_heads: int
    ffn_width: int
    vocab_size: int
    rope_base: float = 10_000.0
    tied: bool = False
    qk_norm: bool = False
    norm_eps: float = 1e-5
    base_width: int | None = None
    base_layers: int | None = None

    def __post_init__(self) -> None:
        """Check that heads divide the width, and key-value heads the heads."""
        for name in ("base_width", "base_layers"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UserError(f"`{name}` is {value}; expected 1 or more")
        if self.width % self.heads or (self.width // self.heads) % 2:
            raise UserError(f"`width` {self.width} does not split into {self.heads} heads of even size; change `heads`")
        if self.heads % self.kv_heads:
            raise UserError(
                f"`heads` {self.heads} do not split over {self.kv_heads} key-value heads; change `kv_heads`"
            )

    @property
    def head_width(self) -> int:
        """Width of one attention head."""
        return self.width // self.heads

    @property
    def width_ratio(self) -> float:
        """Width divided by the base width: m_N of CompleteP."""
        return self.width / (self.base_width or self.width)

    @property
    def depth_ratio(self) -> float:
        """Depth divided by the base depth: m_L of CompleteP."""
        return self.layers / (self.base_layers or self.layers)

    @property
    def residual_multiplier(self) -> float:
        """Factor of the outputs of attention and feed-forward before they are added to the residual: 1 / m_L."""
        return 1 / self.depth_ratio

    @property
    def output_multiplier(self) -> float:
        """Factor of the final residuals before the output projection: 1 / m_N."""
        return 1 / self.width_ratio

    @property
    def n_matrices_layer(self) -> int:
        """Parameters of one layer's matrices."""
        attention = 2 * self.width * self.width + 2 * self.width * self.kv_heads * self.head_width
        return attention + 3 * self.width * self.ffn_width

    @property
    def n_params_layer(self) -> int:
        """Parameters of one layer."""
        return self.n_matrices_layer + 2 * self.width + (2 * self.head_width if self.qk_norm else 0)

    @property
    def n_params_non_embedding(self) -> int:
        """Parameters of the layers and the final norm; scaling laws are fitted on them."""
        return self.layers * self.n_params_layer + self.width

    @property
    def n_params(self) -> int:
        """All parameters; a tied embedding counts once."""
        return self.n_params_non_embedding + (1 if self.tied else 2) * self.vocab_size * self.width

    def flops_parts(self, context: int) -> dict[str, int]:
        """Return the FLOPs of training per token, by part; they sum to :meth:`flops_per_token`.

        A weight takes 2 FLOPs per token in the forward pass and 4 in the backward pass (Kaplan et al. 2020, appendix
        B): ``layers`` and ``head`` (the output projection, tied or not). ``embedding`` is a look-up: 0. ``attention``:
        scores and weighted values over half the context, the causal part (Chowdhery et al. 2022, appendix B, halved).

        Parameters
        ----------
        context : int
            Tokens of a sequence.
        """
        return {
            "embedding": 0,
            "layers": 6 * self.n_params_non_embedding,
            "attention": 6 * self.layers * self.width * context,
            "head": 6 * self.vocab_size * self.width,
        }

    def flops_per_token(self, context: int) -> int:
        """Return the FLOPs of training per token for sequences of ``context`` tokens, without recomputation."""
        return sum(self.flops_parts(context).values())

    def to_dict(self) -> dict[str, int | float | bool | None]:
        """Return the fields as JSON-ready values."""
        return asdict(self)


def tiny(vocab_size: int) -> DecoderConfig:
    """Return width 16, one layer, for ``vocab_size`` tokens: for tests that need any model; its own base."""
    return replace(cpu(16, 1, vocab_size), heads=2, kv_heads=2, base_width=None, base_layers=None)


def nano(vocab_size: int) -> DecoderConfig:
    """Return width 48, three layers, for ``vocab_size`` tokens: the smallest useful size for a CPU."""
    return cpu(48, 3, vocab_size)


def micro(vocab_size: int) -> DecoderConfig:
    """Return width 64, three layers, for ``vocab_size`` tokens: the base of the CPU family, trained in minutes."""
    return cpu(64, 3, vocab_size)


def mini(vocab_size: int) -> DecoderConfig:
    """Return width 96, four layers, for ``vocab_size`` tokens: real text on a CPU."""
    return cpu(96, 4, vocab_size)


def small(vocab_size: int) -> DecoderConfig:
    """Return width 160, five layers, for ``vocab_size`` tokens: real text on a CPU, in a night."""
    return cpu(160, 5, vocab_size)


def cpu(width: int, layers: int, vocab_size: int) -> DecoderConfig:
    """Return the decoder of the CPU family with ``width``, ``layers`` and ``vocab_size``: heads of 16, tied."""
    heads = width // 16
    return DecoderConfig(
        width=width, layers=layers, heads=heads, kv_heads=heads, ffn_width=int(8 * width / 3) // 16 * 16,
        vocab_size=vocab_size, rope_base=100.0, tied=True, qk_norm=True, base_width=64, base_layers=3,
    )  # fmt: skip


def ladder(width: int, vocab_size: int) -> DecoderConfig:
    """Return the decoder of the ladder with this ``width``, a multiple of 256: the 1.7B decoder's shape, base 256 x 3.

    Depth is width / 85.3; heads of 128, half as many for keys and values; SwiGLU of 2.75 widths; untied. The embedding
    has ``vocab_size`` rows.
    """
    heads = width // 128
    return DecoderConfig(
        width=width, layers=width * 3 // 256, heads=heads, kv_heads=heads // 2, ffn_width=width * 11 // 4,
        vocab_size=vocab_size, base_width=256, base_layers=3,
    )  # fmt: skip


LADDER = {"69m": 256, "152m": 512, "261m": 768, "410m": 1024, "612m": 1280, "880m": 1536, "1.7b": 2048}
"""Widths of the ladder by size; a size is named by its total parameters with the vocabulary of 131,072."""

SIZES: dict[str, Callable[[int], DecoderConfig]] = {
    "tiny": tiny, "nano": nano, "micro": micro, "mini": mini, "small": small,
    **{name: partial(ladder, width) for name, width in LADDER.items()},
}  # fmt: skip
"""Sizes by their name in study files; each takes the size of a vocabulary."""


def size(name: str, vocab_size: int) -> DecoderConfig:
    """Return the decoder of the size ``name`` for a vocabulary of ``vocab_size`` tokens.

    Raises
    ------
    UserError
        When the name is unknown.
    """
    if name not in SIZES:
        wanted = _parameters(name)
        hint = nearest(name, list(SIZES))
        if wanted:
            close = min(LADDER, key=lambda known: abs(math.log(_parameters(known) / wanted)))
            hint = f"; the nearest is '{close}'"
        raise UserError(f"unknown size '{name}'; expected one of {', '.join(SIZES)}{hint}")
    return SIZES[name](vocab_size)


def _parameters(name: str) -> float:
    """Return the parameters that ``name``, such as '300m', stands for; 0 where it is no number."""
    try:
        return float(parse_count(name))
    except ValueError:
        return 0.0
