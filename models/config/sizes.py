"""What size a model is: the decoder's shape, its parameter count and its cost. How it is trained stands elsewhere."""

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
        Base of the rotary frequencies; short contexts want a small one.
    tied : bool
        Whether the output projection is the embedding.
    qk_norm : bool
        RMSNorm on queries and keys (steadier at high learning rates).
    norm_eps : float
        Added under the root of RMSNorm.
    base_width, base_layers : int, optional
        Width and depth at which the hyper-parameters were chosen; ``calque.models.config.parametrisation`` carries
        them over to this shape. By default the shape is its own base, which is the standard parametrisation.
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
        """Check that the parts divide each other."""
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
        """Width over the base's: m_N of CompleteP."""
        return self.width / (self.base_width or self.width)

    @property
    def depth_ratio(self) -> float:
        """Depth over the base's: m_L of CompleteP."""
        return self.layers / (self.base_layers or self.layers)

    @property
    def residual_multiplier(self) -> float:
        """Factor of what attention and feed-forward add to the residual: 1 / m_L."""
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
        """Parameters of the layers and the final norm: what scaling laws are fitted on."""
        return self.layers * self.n_params_layer + self.width

    @property
    def n_params(self) -> int:
        """All parameters; a tied embedding counts once."""
        return self.n_params_non_embedding + (1 if self.tied else 2) * self.vocab_size * self.width

    def flops_parts(self, context: int) -> dict[str, int]:
        """Return training's floating-point operations a token by part; they sum to :meth:`flops_per_token`.

        Forward 2 a weight and token, backward 4 (Kaplan et al. 2020, appendix B): ``layers`` and ``head`` (the output
        projection, tied or not). ``embedding`` is a look-up and costs none. ``attention``: scores and mixed values over
        half of ``context``, the causal part (Chowdhery et al. 2022, appendix B, halved).
        """
        return {
            "embedding": 0,
            "layers": 6 * self.n_params_non_embedding,
            "attention": 6 * self.layers * self.width * context,
            "head": 6 * self.vocab_size * self.width,
        }

    def flops_per_token(self, context: int) -> int:
        """Return training's floating-point operations a token, nothing done again: the sum of the parts."""
        return sum(self.flops_parts(context).values())

    def to_dict(self) -> dict[str, int | float | bool | None]:
        """Return the fields as JSON-ready values."""
        return asdict(self)


def tiny(vocab_size: int) -> DecoderConfig:
    """Width 16, one layer: for tests that need a model and no skill; its own base."""
    return replace(cpu(16, 1, vocab_size), heads=2, kv_heads=2, base_width=None, base_layers=None)


def nano(vocab_size: int) -> DecoderConfig:
    """Width 48, three layers: the small sibling for a CPU."""
    return cpu(48, 3, vocab_size)


def micro(vocab_size: int) -> DecoderConfig:
    """Width 64, three layers, the base of the CPU's family: a CPU trains 5M tokens in minutes."""
    return cpu(64, 3, vocab_size)


def cpu(width: int, layers: int, vocab_size: int) -> DecoderConfig:
    """Return a member of the CPU's family: heads of 16, tied, for short contexts and small vocabularies."""
    heads = width // 16
    return DecoderConfig(
        width=width, layers=layers, heads=heads, kv_heads=heads, ffn_width=int(8 * width / 3) // 16 * 16,
        vocab_size=vocab_size, rope_base=100.0, tied=True, qk_norm=True, base_width=64, base_layers=3,
    )  # fmt: skip


def ladder(width: int, vocab_size: int) -> DecoderConfig:
    """Return the ladder's member of this width, a multiple of 256: the shape of the 1.7B decoder, base 256 x 3.

    Depth is width / 85.3; heads of 128, half as many for keys and values; SwiGLU of 2.75 widths; untied.
    """
    heads = width // 128
    return DecoderConfig(
        width=width, layers=width * 3 // 256, heads=heads, kv_heads=heads // 2, ffn_width=width * 11 // 4,
        vocab_size=vocab_size, base_width=256, base_layers=3,
    )  # fmt: skip


LADDER = {"69m": 256, "152m": 512, "261m": 768, "410m": 1024, "612m": 1280, "880m": 1536, "1.7b": 2048}
"""Widths of the ladder by size; sizes are named by all parameters with the vocabulary of 131,072."""

SIZES: dict[str, Callable[[int], DecoderConfig]] = {
    "tiny": tiny, "nano": nano, "micro": micro, **{name: partial(ladder, width) for name, width in LADDER.items()},
}  # fmt: skip
"""Sizes by the word that study files use; each takes a vocabulary's size."""


def size(name: str, vocab_size: int) -> DecoderConfig:
    """Return the decoder of this size for a vocabulary.

    Raises
    ------
    UserError
        When the name is unknown.
    """
    if name not in SIZES:
        asked = _parameters(name)
        hint = nearest(name, list(SIZES))
        if asked:
            close = min(LADDER, key=lambda known: abs(math.log(_parameters(known) / asked)))
            hint = f"; the nearest is '{close}'"
        raise UserError(f"unknown size '{name}'; expected one of {', '.join(SIZES)}{hint}")
    return SIZES[name](vocab_size)


def _parameters(name: str) -> float:
    """Return the parameters that a size's name counts, such as '300m'; 0 where it counts none."""
    try:
        return float(parse_count(name))
    except ValueError:
        return 0.0
