"""Heads of random phases, the matched control of scores that rest on position.

The query of a head is turned by random angles, one for each pair of coordinates that rotary positions turn together,
the same for all prompts and positions. Sizes of queries and keys stay, and so does what the rotation does at each
frequency; which distance the head prefers becomes random. Fixed weights do prefer some distances, also where nothing
has been learned: an interval over prompts cannot see that, for it is the same in all prompts. Where the weights of the
queries are drawn from a Gaussian distribution a turn changes nothing in it, so that a head that has learned nothing
cannot be told from its own turns: the test against them is exact.
Source: the randomisation of phases that surrogate data of time series use (Theiler et al. 1992), on the frequencies of
rotary positions (Su et al. 2021). Cost: the patterns anew for each draw, from queries and keys; no forward pass.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from calque.data.errors import UserError
from calque.models.decoder.decoder import rotate
from calque.models.reading.hooks import patterns
from calque.models.reading.parts import ModelParts
from calque.models.reading.reading import Reading

NEEDS = ("queries", "keys")
"""What has to be read."""


def random_phases(parts: ModelParts, draws: int, generator: np.random.Generator) -> Tensor:
    """Return random angles, shape (draws, layers, heads, head_width / 2), radians.

    Parameters
    ----------
    parts : ModelParts
    draws : int
        Random heads for each head; 1 at least.
    generator : np.random.Generator

    Raises
    ------
    UserError
        When there is no draw.
    """
    if draws < 1:
        raise UserError(f"`draws` is {draws}; expected 1 or more")
    shape = (draws, len(parts.blocks), parts.heads, parts.head_width // 2)
    return torch.from_numpy(generator.uniform(0, 2 * np.pi, shape)).to(parts.device, parts.kind)


def patterns_of_random_phases(
    parts: ModelParts, reading: Reading, phases: Tensor, first: int | None = None
) -> Iterator[Tensor]:
    """Yield the attention of the turned heads, a draw at a time, shape (layers, batch, heads, chosen, length).

    Parameters
    ----------
    parts : ModelParts
    reading : Reading
        Of ``NEEDS``.
    phases : Tensor, shape (draws, layers, heads, head_width / 2)
        From :func:`random_phases`; the same for all batches.
    first : int, optional
        Only of so many chosen positions, which are the first of the prompts, and to these; None: of all.

    Raises
    ------
    UserError
        When something was not read.
    """
    queries, keys = reading.queries, reading.keys
    if queries is None or keys is None:
        raise UserError(f"`reading` lacks a part; expected {' and '.join(NEEDS)}")
    queries, keys, positions = queries[..., :first, :], keys[..., :first, :], reading.positions[:, :first]
    for draw in phases:
        turned = [_turned(of_layer, angles, parts.rotated) for of_layer, angles in zip(queries, draw, strict=True)]
        yield torch.stack([
            patterns(query, key, positions, parts.scale, block.window)
            for query, key, block in zip(turned, keys, parts.blocks, strict=True)
        ])  # fmt: skip


def _turned(queries: Tensor, phases: Tensor, rotated: int) -> Tensor:
    """Turn queries (batch, heads, chosen, head_width) by the angles of their heads, pairs as rotary positions have."""
    half, turned = rotated // 2, []
    for part, angles in ((queries[..., :rotated], phases[:, :half]), (queries[..., rotated:], phases[:, half:])):
        both = torch.cat([angles, angles], -1)[:, None]
        turned.append(rotate(part, both.cos(), both.sin()))
    return torch.cat(turned, -1)
