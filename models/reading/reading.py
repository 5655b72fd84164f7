"""What models compute inside, streamed over prompts within a budget of memory; one pass serves all who ask."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from calque.data.arguments import checked
from calque.data.errors import UserError
from calque.data.quantities import plural
from calque.models.decoder.linear import as_float32
from calque.models.reading.hooks import ATTENDING, at_positions, kept
from calque.models.reading.parts import ModelParts

QUANTITIES = ("residual", "heads", "attention", "queries", "keys", "patterns", "mlp", "final")
"""What can be read; :class:`Reading` says what each is."""
BUDGET = 1 << 29
"""Bytes that a batch may take: half a gibibyte."""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What one forward pass computed at the chosen positions of some prompts; what was not asked for is None.

    Numbers are float32, float64 where the model is. In every family ``residual[i + 1]`` is ``residual[i] +
    attention[i] + mlp[i]``.

    Attributes
    ----------
    prompts : list of int
        Indices of the prompts of this batch.
    tokens : int tensor, shape (batch, length)
        The prompts.
    positions : int tensor, shape (batch, chosen)
        The positions that were read.
    residual : Tensor, shape (layers + 1, batch, chosen, width)
        The residual stream before each block and after the last.
    heads : Tensor, shape (layers, batch, heads, chosen, head_width)
        The output of each head before the output projection.
    attention, mlp : Tensor, shape (layers, batch, chosen, width)
        What attention and MLP add to the residual: after a norm that follows them, times the residual multiplier.
    queries : Tensor, shape (layers, batch, heads, chosen, head_width)
        After rotation by their positions, and after norms where there are any.
    keys : Tensor, shape (layers, batch, kv_heads, length, head_width)
        The same, of all positions.
    patterns : Tensor, shape (layers, batch, heads, chosen, length)
        Attention from the chosen positions to all; each row sums to 1.
    final : Tensor, shape (batch, chosen, width)
        The residual after the final norm, times the output multiplier: the unembedding of it gives the logits.
    """

    prompts: list[int]
    tokens: Tensor
    positions: Tensor
    residual: Tensor | None = None
    heads: Tensor | None = None
    attention: Tensor | None = None
    queries: Tensor | None = None
    keys: Tensor | None = None
    patterns: Tensor | None = None
    mlp: Tensor | None = None
    final: Tensor | None = None


def bytes_a_prompt(parts: ModelParts, length: int, chosen: int, wanted: Collection[str]) -> int:
    """Return the bytes that a prompt takes: what is kept of it, twice for it is stacked, and what one block computes.

    A block is counted with residual, norm and sum, queries, keys and values, the MLP's inside twice, one row of scores,
    for what attends queries and keys again, and for patterns the scores of the chosen positions three times. There are
    no logits.

    Parameters
    ----------
    parts : ModelParts
    length : int
        Tokens of the prompt.
    chosen : int
        Positions that are read.
    wanted : collection of str
        Some of ``QUANTITIES``.
    """
    layers, across = len(parts.blocks), parts.heads * parts.head_width
    sizes = {
        "residual": (layers + 1) * chosen * parts.width,
        "heads": layers * chosen * across,
        "attention": layers * chosen * parts.width,
        "mlp": layers * chosen * parts.width,
        "queries": layers * chosen * across,
        "keys": layers * parts.kv_heads * parts.head_width * length,
        "patterns": layers * parts.heads * chosen * length,
        "final": chosen * parts.width,
    }
    block = length * (5 * parts.width + 4 * across + 3 * parts.ffn_width + parts.heads)
    if not ATTENDING.isdisjoint(wanted):
        block += 4 * length * across
    if "patterns" in wanted:
        block += 3 * parts.heads * chosen * length
    return (2 * sum(sizes[name] for name in wanted) + block) * parts.kind.itemsize


@checked
def read(
    parts: ModelParts,
    prompts: Sequence[Sequence[int]],
    wanted: Collection[str],
    *,
    positions: Sequence[Sequence[int]] | None = None,
    budget: int = BUDGET,
) -> Iterator[Reading]:
    """Yield what a model computes for the prompts, a batch of prompts of one length at a time.

    Parameters
    ----------
    parts : ModelParts
        From :func:`~calque.models.reading.families.model_parts`.
    prompts : sequence of sequences of int
        Tokens; each prompt has one at least.
    wanted : collection of str
        Some of ``QUANTITIES``: all that the users of these prompts need, for one pass gives it.
    positions : sequence of sequences of int, optional
        Of each prompt, those to read, as many for each; negative ones count from its end. None reads all.
    budget : int
        Bytes that a batch may take, by :func:`bytes_a_prompt`; the weights are not part of it.

    Raises
    ------
    UserError
        At the first batch: an unknown quantity, a token or position out of range, one prompt beyond the budget, a model
        in training mode.
    """
    names = _checked_names(parts, wanted)
    by_length: dict[int, list[int]] = defaultdict(list)
    for index, prompt in enumerate(prompts):
        by_length[len(prompt)].append(index)
    places = _checked_positions(prompts, positions)
    _check_tokens(parts, prompts)
    for length, indices in sorted(by_length.items()):
        chosen = length if places is None else len(places[0])
        need = bytes_a_prompt(parts, length, chosen, names)
        if need > budget:
            raise UserError(
                f"a prompt of {plural(length, 'token')} read at {plural(chosen, 'position')} takes {need:.3g} bytes, "
                f"`budget` is {budget:.3g}; raise it, choose fewer `positions` or ask for less"
            )
        for start in range(0, len(indices), budget // need):
            batch = indices[start : start + budget // need]
            where = [range(length) if places is None else places[index] for index in batch]
            yield _read_batch(parts, batch, [prompts[index] for index in batch], where, names)


@torch.no_grad()
def _read_batch(
    parts: ModelParts,
    indices: list[int],
    prompts: list[Sequence[int]],
    where: Sequence[Sequence[int]],
    names: list[str],
) -> Reading:
    tokens = torch.tensor([[int(token) for token in prompt] for prompt in prompts], device=parts.device)
    positions = torch.tensor([list(row) for row in where], device=parts.device)
    with kept(parts, positions, names) as found:
        final = parts.run(tokens)
    read: dict[str, Tensor] = {}
    for name in names:
        if name == "final":
            read[name] = at_positions(final, positions)
        else:
            layers = len(parts.blocks) + (name == "residual")
            read[name] = as_float32(torch.stack([found.pop((name, layer)) for layer in range(layers)]))
    return Reading(prompts=indices, tokens=tokens, positions=positions, **read)


def _checked_names(parts: ModelParts, wanted: Collection[str]) -> list[str]:
    if isinstance(wanted, str) or not wanted or not set(wanted) <= set(QUANTITIES):
        raise UserError(f"`wanted` is {wanted!r}; expected some of {', '.join(QUANTITIES)}, in a list")
    if parts.dropout and parts.model.training:
        raise UserError("the model is in training mode, where dropout changes what it computes; call its eval() first")
    return [name for name in QUANTITIES if name in wanted]


def _check_tokens(parts: ModelParts, prompts: Sequence[Sequence[int]]) -> None:
    rows = parts.embedding.num_embeddings
    for index, prompt in enumerate(prompts):
        if not len(prompt):
            raise UserError(f"`prompts` has no tokens at {index}; expected one or more")
        if min(prompt) < 0 or max(prompt) >= rows:
            raise UserError(
                f"`prompts` has token {max(prompt) if min(prompt) >= 0 else min(prompt)} at {index}; expected 0 to "
                f"{rows - 1}: use the model's own tokenizer"
            )


def _checked_positions(
    prompts: Sequence[Sequence[int]], positions: Sequence[Sequence[int]] | None
) -> list[list[int]] | None:
    if positions is None:
        return None
    if len(positions) != len(prompts) or len({len(row) for row in positions}) > 1 or any(not len(p) for p in positions):
        raise UserError(
            f"`positions` has {plural(len(positions), 'row')} for {plural(len(prompts), 'prompt')}; expected one row "
            "a prompt, all of one length above 0"
        )
    for index, (prompt, row) in enumerate(zip(prompts, positions, strict=True)):
        if min(row) < -len(prompt) or max(row) >= len(prompt):
            raise UserError(
                f"`positions` has {list(row)} for prompt {index} of {plural(len(prompt), 'token')}; expected -"
                f"{len(prompt)} to {len(prompt) - 1}"
            )
    return [[place % len(prompt) for place in row] for prompt, row in zip(prompts, positions, strict=True)]
