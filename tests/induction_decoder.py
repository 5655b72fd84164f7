"""Decoders whose attention is known in closed form, by weights set by hand."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from calque.models.config.sizes import DecoderConfig
from calque.models.decoder.decoder import Decoder
from tests.reading_models import OURS

TOKENS, HEAD_WIDTH, HEADS = 12, 32, 4
WIDTH = HEADS * HEAD_WIDTH
HALF = HEAD_WIDTH // 2
CONTENT = torch.tensor([f for f in range(HEAD_WIDTH) if f not in (0, HALF)])[:TOKENS]
"""Coordinates of a head that hold tokens; with a huge base, rotary positions turn the first frequency alone."""


def empty(name: str, rope_base: float, **changes: int) -> Decoder:
    """Return a decoder of a kind without anything in its blocks; tokens are the first coordinates of the residual."""
    shape = {
        "width": WIDTH, "layers": 2, "heads": HEADS, "ffn_width": 8, "vocab_size": TOKENS, "rope_base": rope_base,
        "norm_eps": 1e-30,
    }  # fmt: skip
    made = Decoder(DecoderConfig(**{**shape, **OURS[name], **changes}), seed=0).double()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.zero_()
        for key, parameter in made.named_parameters():
            if key.endswith("norm.weight"):
                parameter.fill_(1.0)
        made.embedding.weight[:, : made.config.vocab_size] = torch.eye(made.config.vocab_size)
    return made


@torch.no_grad()
def look_back(made: Decoder, layer: int, head: int, beta: float, frequencies: int = HALF) -> None:
    """Let a head attend as softmax(beta sum_f cos((i - j - 1) theta_f)), whatever the tokens are, each of length 1."""
    attention, config = made.blocks[layer].attention, made.config
    group = head // (HEADS // config.kv_heads)
    theta = config.rope_base ** -(torch.arange(0, HEAD_WIDTH, 2) / HEAD_WIDTH).double()
    query, key = torch.zeros(HEAD_WIDTH).double(), torch.zeros(HEAD_WIDTH).double()
    query[:frequencies] = 1
    key[:frequencies], key[HALF : HALF + frequencies] = theta[:frequencies].cos(), theta[:frequencies].sin()
    size = (beta * HEAD_WIDTH**0.5) ** 0.5  # of queries and of keys
    if config.qk_norm:
        gain = size / (HEAD_WIDTH / frequencies) ** 0.5
        attention.query_norm.weight.fill_(gain)
        attention.key_norm.weight.fill_(gain)
    else:
        size /= WIDTH**0.5  # what the norm makes of a token's coordinate
        query, key = query * size, key * size
    attention.query.weight[head * HEAD_WIDTH : (head + 1) * HEAD_WIDTH, : config.vocab_size] = query[:, None]
    attention.key.weight[group * HEAD_WIDTH : (group + 1) * HEAD_WIDTH, : config.vocab_size] = key[:, None]


@torch.no_grad()
def induction(name: str, head: int, first: float, beta: float) -> Decoder:
    """Return a decoder whose ``head`` finds what the token before was in block 0, and its own token in block 1.

    Block 0 looks back by one with ``first`` and writes that token to further coordinates; block 1 compares: the
    product of a token's query with the key of what follows the same token is ``beta``, with others 0, where the first
    block is ideal.
    """
    made = empty(name, 1e300)
    look_back(made, 0, head, first, frequencies=1)
    config = made.config
    group = head // (HEADS // config.kv_heads)
    rows = group * HEAD_WIDTH + CONTENT
    back, after = made.blocks[0].attention, made.blocks[1].attention
    back.value.weight[rows, torch.arange(TOKENS)] = WIDTH**-0.5  # undoes the norm: tokens have length 1 before it
    back.output.weight[TOKENS + torch.arange(TOKENS), head * HEAD_WIDTH + CONTENT] = 1
    size = (beta * HEAD_WIDTH**0.5) ** 0.5
    if config.qk_norm:
        size /= HEAD_WIDTH**0.5
        after.query_norm.weight.fill_(size)
        after.key_norm.weight.fill_(size)
        size = 1.0
    else:
        size /= (WIDTH / (1 + config.residual_multiplier**2)) ** 0.5
    after.query.weight[head * HEAD_WIDTH + CONTENT, torch.arange(TOKENS)] = size
    after.key.weight[rows, TOKENS + torch.arange(TOKENS)] = size
    if not config.qk_norm:
        after.key.weight /= config.residual_multiplier
    return made


def softmax(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the causal softmax of scores (length, length)."""
    masked = np.where(np.tri(len(scores), dtype=bool), scores, -np.inf)
    powers = np.exp(masked - masked.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


def composed(name: str, tokens: list[int], first: float, beta: float) -> NDArray[np.float64]:
    """Return the attention of the head in block 1 of :func:`induction`, written out with numpy."""
    config = DecoderConfig(
        width=WIDTH, layers=2, heads=HEADS, ffn_width=8, vocab_size=TOKENS, **{"kv_heads": HEADS, **OURS[name]}
    )
    multiplier, place = config.residual_multiplier, np.arange(len(tokens))
    one_hot = np.eye(TOKENS)[tokens]
    before = multiplier * softmax(first * np.cos(place[:, None] - place - 1)) @ one_hot
    if config.qk_norm:
        key = before / np.linalg.norm(before, axis=1, keepdims=True)
        return softmax(beta * one_hot @ key.T)
    length = np.sqrt((1 + (before**2).sum(1)) / (1 + multiplier**2))
    return softmax(beta * (one_hot / length[:, None]) @ (before / multiplier / length[:, None]).T)
