"""Other weights for a while: what a model scores with some of them exchanged, scaled or drawn anew.

An intervention is a mapping of names of parameters to values. The model is restored exactly when the context ends,
also by an exception: what it held is kept apart and copied back.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from calque.data.errors import UserError, nearest
from calque.models.reading.parts import ModelParts

State = Mapping[str, Tensor]
"""Weights by name, such as a state dict."""


@contextmanager
def weights_replaced(model: nn.Module, values: State) -> Iterator[None]:
    """Let parameters of a model hold other values within.

    Parameters
    ----------
    model : nn.Module
    values : mapping of str to Tensor
        By name; of tied parameters one name is enough.

    Raises
    ------
    UserError
        When the model has no parameter of a name, or one of another shape.
    """
    there = dict(model.named_parameters(remove_duplicate=False))
    for name, value in values.items():
        if name not in there:
            raise UserError(f"`values` has '{name}', no parameter of the model{nearest(name, list(there))}")
        if value.shape != there[name].shape:
            raise UserError(f"`values` has '{name}' of shape {tuple(value.shape)}; expected {tuple(there[name].shape)}")
    kept = {name: there[name].detach().clone() for name in values}
    try:
        with torch.no_grad():
            for name, value in values.items():
                there[name].copy_(value)
        yield
    finally:
        with torch.no_grad():
            for name, value in kept.items():
                there[name].copy_(value)


def components(parts: ModelParts) -> dict[str, tuple[str, ...]]:
    """Return the names of parameters by component: embedding, attention and MLP of each block, norm, unembedding.

    A norm belongs to the part that it stands before or, where it stands after it, behind. A tied unembedding is the
    embedding.

    Parameters
    ----------
    parts : ModelParts
    """
    names = {id(parameter): name for name, parameter in parts.model.named_parameters()}

    def of(modules: Sequence[nn.Module | None]) -> tuple[str, ...]:
        held = (p for module in modules if module is not None for p in module.parameters())
        return tuple(dict.fromkeys(names[id(p)] for p in held))

    found = {"embedding": of([parts.embedding])}
    for layer, block in enumerate(parts.blocks):
        attention = of([block.attention_norm, block.attention, block.end_norm])
        found[f"block.{layer}.attention"] = attention
        found[f"block.{layer}.mlp"] = tuple(name for name in of([block.block]) if name not in attention)
    found["norm"] = of([parts.norm])
    found["unembedding"] = tuple(name for name in of([parts.unembedding]) if name not in found["embedding"])
    return {component: held for component, held in found.items() if held}


def of_blocks(parts: ModelParts, blocks: Sequence[int]) -> tuple[str, ...]:
    """Return the names of all parameters of some blocks.

    Parameters
    ----------
    parts : ModelParts
    blocks : sequence of int
        Such as ``range(2, 4)``.

    Raises
    ------
    UserError
        When the model has no such block.
    """
    count = len(parts.blocks)
    wrong = [block for block in blocks if not 0 <= block < count]
    if wrong or not len(blocks):
        raise UserError(f"`blocks` is {list(blocks)}; expected some of 0 to {count - 1}")
    held = components(parts)
    return tuple(name for block in blocks for part in ("attention", "mlp") for name in held[f"block.{block}.{part}"])


def taken(state: State, names: Sequence[str]) -> dict[str, Tensor]:
    """Return the values of some parameters in other weights: a layer swap, a rewinding, a new initialisation.

    Parameters
    ----------
    state : mapping of str to Tensor
        Weights of another checkpoint, or initial ones.
    names : sequence of str

    Raises
    ------
    UserError
        When they have no parameter of a name.
    """
    missing = [name for name in names if name not in state]
    if missing:
        raise UserError(f"`state` has no '{missing[0]}'; expected weights of the same model")
    return {name: state[name] for name in names}


def scaled(initial: State, final: State, names: Sequence[str], factor: float) -> dict[str, Tensor]:
    """Return parameters whose update since initialisation is scaled: initial + factor (final - initial).

    Parameters
    ----------
    initial, final : mapping of str to Tensor
    names : sequence of str
    factor : float
        0 gives the initial values and 1 the final ones, bit for bit.
    """
    first, last = taken(initial, names), taken(final, names)
    if factor == 0:
        return first
    return last if factor == 1 else {name: first[name] + factor * (last[name] - first[name]) for name in names}
