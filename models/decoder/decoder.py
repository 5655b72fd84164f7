"""The decoder: pre-norm RMSNorm, rotary positions, grouped-query attention, SwiGLU, no biases.

It has one numerical policy, whatever trains or scores it. The residual, the norms, the rotation of queries and keys and
the softmax are computed in float32. Every weight is used in the type of computation: that of the weights, or
the one of :meth:`Decoder.compute_in`. Matrix products and attention have their inputs and outputs in that type.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from calque.models.config.parametrisation import folding_factor, initial_deviation
from calque.models.config.sizes import DecoderConfig
from calque.models.decoder.linear import Embedding, Linear, Norm, as_float32

Cache = list[tuple[Tensor, Tensor]]
"""Keys and values a layer, each of shape (batch, kv_heads, positions, head_width)."""


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Apply rotary positions to ``x`` of shape (..., positions, head_width) (Su et al. 2021, half-split form).

    ``cos`` and ``sin`` are those of the angles, shape (positions, head_width).
    """
    first, second = x.chunk(2, -1)
    return x * cos + torch.cat([-second, first], -1) * sin


class Attention(nn.Module):
    """Causal grouped-query attention of the shape ``config``."""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.config = config
        kv_width = config.kv_heads * config.head_width
        self.query = Linear(config.width, config.width)
        self.key = Linear(config.width, kv_width)
        self.value = Linear(config.width, kv_width)
        self.output = Linear(config.width, config.width)
        if config.qk_norm:
            self.query_norm = Norm(config.head_width, eps=config.norm_eps)
            self.key_norm = Norm(config.head_width, eps=config.norm_eps)

    def forward(
        self, x: Tensor, cos: Tensor, sin: Tensor, past: tuple[Tensor, Tensor] | None, mask: Tensor | None = None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Return the output, shape of ``x``, and the keys and values so far, those of ``past`` included.

        Parameters
        ----------
        x : Tensor, shape (batch, length, width)
        cos, sin : Tensor, shape (length, head_width)
        past : tuple of Tensor, optional
            Keys and values of earlier positions, each of shape (batch, kv_heads, positions, head_width).
        mask : bool tensor, shape (batch, 1, length, length), optional
            Which positions each position reads, without ``past``; by default itself and all before it.
        """
        batch, length, _ = x.shape
        config = self.config

        def split(y: Tensor, heads: int) -> Tensor:
            return y.view(batch, length, heads, config.head_width).transpose(1, 2)

        x = x.to(self.query.compute or self.query.weight.dtype)
        query, key = split(self.query(x), config.heads), split(self.key(x), config.kv_heads)
        value = split(self.value(x), config.kv_heads)
        if config.qk_norm:
            query, key = self.query_norm(query), self.key_norm(key)
        query, key = (rotate(part, cos, sin).to(value.dtype) for part in (query, key))
        if mask is not None:  # kernels that take a mask take no shared keys
            shared = config.heads // config.kv_heads
            read, given = key.repeat_interleave(shared, 1), value.repeat_interleave(shared, 1)
            mixed = F.scaled_dot_product_attention(query, read, given, attn_mask=mask)
            return self.output(mixed.transpose(1, 2).reshape(batch, length, -1)), (key, value)
        if past is not None:
            key, value = torch.cat([past[0], key], 2), torch.cat([past[1], value], 2)
            total = key.shape[2]
            if length > 1:  # a single token sees everything: kernels without masks are faster
                mask = torch.ones(length, total, dtype=torch.bool, device=x.device).tril(total - length)
        mixed = F.scaled_dot_product_attention(
            query, key, value, attn_mask=mask, is_causal=past is None, enable_gqa=config.kv_heads < config.heads
        )
        return self.output(mixed.transpose(1, 2).reshape(batch, length, -1)), (key, value)


class FeedForward(nn.Module):
    """SwiGLU (Shazeer 2020) of the shape ``config``."""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.gate = Linear(config.width, config.ffn_width)
        self.up = Linear(config.width, config.ffn_width)
        self.down = Linear(config.ffn_width, config.width)

    def forward(self, x: Tensor) -> Tensor:
        """Return the output, shape of ``x``: (batch, length, width)."""
        x = x.to(self.gate.compute or self.gate.weight.dtype)
        mixed: Tensor = self.down(F.silu(self.gate(x)) * self.up(x))
        return mixed


class Block(nn.Module):
    """One layer of the shape ``config``: attention and feed-forward, each after a norm."""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.attention_norm = Norm(config.width, eps=config.norm_eps)
        self.attention = Attention(config)
        self.ffn_norm = Norm(config.width, eps=config.norm_eps)
        self.ffn = FeedForward(config)
        self.residual_multiplier = config.residual_multiplier

    def forward(
        self, x: Tensor, cos: Tensor, sin: Tensor, past: tuple[Tensor, Tensor] | None, keep: bool = True,
        mask: Tensor | None = None,
    ) -> tuple[Tensor, tuple[Tensor, Tensor] | None]:  # fmt: skip
        """Return the residual after this layer, shape of ``x``, and with ``keep`` its keys and values.

        ``cos``, ``sin``, ``past`` and ``mask`` are those of :meth:`Attention.forward`.
        """
        mixed, cache = self.attention(self.attention_norm(x), cos, sin, past, mask)
        x = torch.add(x, mixed, alpha=self.residual_multiplier)
        return torch.add(x, self.ffn(self.ffn_norm(x)), alpha=self.residual_multiplier), cache if keep else None


class Decoder(nn.Module):
    """The language model.

    Parameters
    ----------
    config : DecoderConfig
    seed : int, optional
        Of the initial weights, independent of torch's global generator; None uses that one.
    drawn : bool
        Whether weights are drawn; otherwise the matrices hold whatever was in memory until they are loaded or drawn.
    """

    def __init__(self, config: DecoderConfig, seed: int | None = None, drawn: bool = True) -> None:
        super().__init__()
        self.config = config
        self.compute: torch.dtype | None = None
        self.embedding = Embedding(config.vocab_size, config.width)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm = Norm(config.width, eps=config.norm_eps)
        self.head = Linear(config.width, config.vocab_size)
        if config.tied:
            self.head.weight = self.embedding.weight
        self._rope: tuple[Tensor, Tensor] | None = None
        if drawn:
            self.initialise(seed)

    def compute_in(self, kind: torch.dtype | None, float8: bool = False) -> None:
        """Use every weight rounded to ``kind``, the type of computation; None: use the weights as they are.

        With ``float8``, the matrix products of the layers have float8 factors; attention, embedding and head do not.
        """
        self.compute = kind
        for module in self.modules():
            if isinstance(module, Linear | Norm):
                module.compute = kind
        for module in self.blocks.modules():
            if isinstance(module, Linear):
                module.float8 = float8

    @torch.no_grad()
    def initialise(self, seed: int | None, kept: Callable[[Tensor, nn.Parameter], Tensor] | None = None) -> None:
        """Draw every matrix, normal with the SD of ``calque.models.config.parametrisation``, one at a time.

        Parameters
        ----------
        seed : int, optional
            None: with the generator of torch.
        kept : callable, optional
            Takes the values of a whole parameter, in main memory, and the parameter; returns what it holds of them. All
            of them when None.
        """
        generator = None if seed is None else torch.Generator().manual_seed(seed)
        for name, parameter in self.named_parameters():
            if parameter.dim() > 1:
                std = initial_deviation(self.config, name, fan_in=parameter.shape[1])
                whole = nn.init.normal_(torch.empty(parameter.shape), std=std, generator=generator)
            elif name.endswith(("query_norm.weight", "key_norm.weight")):
                # unit-norm queries and keys start too flat: logits of standard deviation 1.7^2
                whole = torch.full(parameter.shape, 1.7)
            else:
                continue
            parameter.copy_(whole if kept is None else kept(whole, parameter))

    def positions(self, start: int, stop: int) -> tuple[Tensor, Tensor]:
        """Return cosines and sines of rotary positions ``start`` to ``stop``, shape (stop - start, head_width) each."""
        device = self.embedding.weight.device
        if self._rope is None or self._rope[0].shape[0] < stop or self._rope[0].device != device:
            with torch.inference_mode(False):  # the table is kept: training must be able to use it after scoring
                head_width = self.config.head_width
                powers = torch.arange(0, head_width, 2, device=device) / head_width
                angles = torch.arange(max(stop, 256), device=device)[:, None] * self.config.rope_base**-powers
                angles = torch.cat([angles, angles], -1)
                self._rope = angles.cos(), angles.sin()
        cos, sin = self._rope
        return cos[start:stop], sin[start:stop]

    def hidden(self, tokens: Tensor, cache: Cache | None = None) -> tuple[Tensor, Cache]:
        """Return the final residuals, shape (batch, length, width), and the cache of all tokens so far.

        The residuals are normed and multiplied by the output multiplier: ``head`` of them gives the logits. They are
        float32 (float64 where the weights are).

        Parameters
        ----------
        tokens : int tensor, shape (batch, length)
        cache : Cache, optional
            Returned by an earlier call for the text before ``tokens``.
        """
        grown: Cache = []
        return self._residuals(tokens, cache, grown), grown

    def residuals(self, tokens: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return the final residuals of :meth:`hidden` for ``tokens``, without keys and values: for training.

        ``mask`` is that of :meth:`Attention.forward`.
        """
        return self._residuals(tokens, None, None, mask)

    def _residuals(
        self, tokens: Tensor, cache: Cache | None, grown: Cache | None, mask: Tensor | None = None
    ) -> Tensor:
        start = 0 if cache is None else cache[0][0].shape[2]
        x = self.embedding(tokens)
        x = as_float32(x if self.compute is None else x.to(self.compute))
        cos, sin = (table.to(x.dtype) for table in self.positions(start, start + tokens.shape[1]))
        for i, block in enumerate(self.blocks):
            x, past = block(x, cos, sin, None if cache is None else cache[i], grown is not None, mask)
            if grown is not None:
                grown.append(past)
        x, multiplier = self.norm(x), self.config.output_multiplier
        final: Tensor = x if multiplier == 1 else x * multiplier
        return final

    def forward(self, tokens: Tensor) -> Tensor:
        """Return logits, shape (batch, length, vocab_size), for ``tokens`` of shape (batch, length)."""
        logits: Tensor = self.head(self.residuals(tokens))
        return logits

    def folded_weights(self) -> dict[str, Tensor]:
        """Return the weights of a decoder without multipliers that gives the same logits.

        The residual multiplier is folded into the matrices that write to the residual, the output multiplier into the
        gain of the final norm, so that a tied output projection stays tied.
        """
        return {name: weight * folding_factor(self.config, name) for name, weight in self.state_dict().items()}
