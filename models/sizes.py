"""What size a model is: the decoder's shape, its parameter count and its cost. How it is trained stands elsewhere."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from data.errors import UserError, nearest


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
        Width and depth at which the hyper-parameters were chosen; ``models.parametrisation`` carries them over to this
        shape. By default the shape is its own base, which is the standard parametrisation.
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
                raise UserError(f"{name} is {value}; expected 1 or more")
        if self.width % self.heads or (self.width // self.heads) % 2:
            raise UserError(f"width {self.width} does not split into {self.heads} heads of even size; change heads")
        if self.heads % self.kv_heads:
            raise UserError(f"{self.heads} heads do not split over {self.kv_heads} key-value heads; change kv_heads")

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
    def n_params_layer(self) -> int:
        """Parameters of one layer."""
        attention = 2 * self.width * self.width + 2 * self.width * self.kv_heads * self.head_width
        norms = 2 * self.width + (2 * self.head_width if self.qk_norm else 0)
        return attention + 3 * self.width * self.ffn_width + norms

    @property
    def n_params_non_embedding(self) -> int:
        """Parameters of the layers and the final norm: what scaling laws are fitted on."""
        return self.layers * self.n_params_layer + self.width

    @property
    def n_params(self) -> int:
        """All parameters; a tied embedding counts once."""
        return self.n_params_non_embedding + (1 if self.tied else 2) * self.vocab_size * self.width

    def flops_per_token(self, context: int) -> int:
        """Training floating-point operations a token: 6 a weight used, plus attention over ``context`` (causal half).

        The output projection counts, the embedding look-up does not. Forward 2, backward 4 (Kaplan et al. 2020,
        appendix; attention term as in PaLM, Chowdhery et al. 2022, appendix B, halved for causality).
        """
        matrices = self.n_params_non_embedding + self.vocab_size * self.width
        return 6 * matrices + 6 * self.layers * self.width * context

    def to_dict(self) -> dict[str, int | float | bool | None]:
        """Return the fields as JSON-ready values."""
        return asdict(self)


def nano(vocab_size: int) -> DecoderConfig:
    """Width 48, three layers: the small sibling for a CPU."""
    return _cpu(width=48, layers=3, heads=3, vocab_size=vocab_size)


def micro(vocab_size: int) -> DecoderConfig:
    """Width 64, three layers: a CPU trains 5M tokens in minutes."""
    return _cpu(width=64, layers=3, heads=4, vocab_size=vocab_size)


def tiny(vocab_size: int) -> DecoderConfig:
    """Width 16, one layer: for tests that need a model and no skill."""
    return _cpu(width=16, layers=1, heads=2, vocab_size=vocab_size)


def small(vocab_size: int) -> DecoderConfig:
    """Width 512, six layers, the shape of the 1.7B one (heads of 128, half as many for keys): one GPU, one hour."""
    return DecoderConfig(width=512, layers=6, heads=4, kv_heads=2, ffn_width=1408, vocab_size=vocab_size)


def full(vocab_size: int = 131_072) -> DecoderConfig:
    """Return the 1.7B decoder of the original run: 1,669,433,344 parameters with its vocabulary of 131,072."""
    return DecoderConfig(width=2048, layers=24, heads=16, kv_heads=8, ffn_width=5632, vocab_size=vocab_size)


def _cpu(*, width: int, layers: int, heads: int, vocab_size: int) -> DecoderConfig:
    return DecoderConfig(
        width=width, layers=layers, heads=heads, kv_heads=heads, ffn_width=int(8 * width / 3) // 16 * 16,
        vocab_size=vocab_size, rope_base=100.0, tied=True, qk_norm=True,
    )  # fmt: skip


SIZES = {"tiny": tiny, "nano": nano, "micro": micro, "small": small, "1.7b": full}
"""Sizes by the word that study files use."""


def size(name: str, vocab_size: int) -> DecoderConfig:
    """Return the decoder of this size for a vocabulary.

    Raises
    ------
    UserError
        When the name is unknown.
    """
    if name not in SIZES:
        raise UserError(f"unknown size '{name}'; expected one of {', '.join(SIZES)}{nearest(name, list(SIZES))}")
    return SIZES[name](vocab_size)
