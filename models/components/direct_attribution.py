"""Direct logit attribution: what each head and MLP adds to log p(target) - log p(source), at one position.

Formula: (W_U[target] - W_U[source]) times what the part adds to the residual, through the final norm with its scale
held at that of the whole; nats. The normaliser of the softmax is the same for both tokens and cancels. The parts are
the embedding, every head, the biases of the output projections, every MLP, and those of final norm and unembedding.
They sum to the whole: exact, no approximation. It shows the direct path only: what a head does to later parts counts
as theirs. Source: Elhage et al. 2021; nostalgebraist 2020. Cost: one forward pass, one position of each prompt.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from calque.data.errors import UserError
from calque.models.components.frozen_norm import pulled_back
from calque.models.reading.parts import ModelParts, as_used
from calque.models.reading.reading import Reading

NEEDS = ("residual", "heads", "attention", "mlp", "final")
"""What has to be read."""


@dataclass(frozen=True, kw_only=True)
class Attribution:
    """Parts of log p(target) - log p(source), nats.

    Attributes
    ----------
    embedding : Tensor, shape (prompts, positions)
    heads : Tensor, shape (layers, prompts, heads, positions)
    attention_bias : Tensor, shape (layers, prompts, positions)
        Of the biases of the output projections.
    mlp : Tensor, shape (layers, prompts, positions)
    bias : Tensor, shape (prompts, positions)
        Of the biases of the final norm and the unembedding.
    whole : Tensor, shape (prompts, positions)
        The difference itself, from the logits.
    """

    embedding: Tensor
    heads: Tensor
    attention_bias: Tensor
    mlp: Tensor
    bias: Tensor
    whole: Tensor

    @property
    def total(self) -> Tensor:
        """The sum of the parts, shape (prompts, positions); equals ``whole`` but for rounding."""
        return self.embedding + self.heads.sum((0, 2)) + self.attention_bias.sum(0) + self.mlp.sum(0) + self.bias


@torch.no_grad()
def direct_attribution(
    parts: ModelParts, reading: Reading, targets: Sequence[int], sources: Sequence[int]
) -> Attribution:
    """Return what each part adds to the difference of the log-probabilities of two tokens.

    Parameters
    ----------
    parts : ModelParts
    reading : Reading
        Of ``NEEDS``, at the positions whose next token is asked for.
    targets, sources : sequence of int
        The two tokens, of each prompt of ``reading.prompts`` in their order.

    Raises
    ------
    UserError
        When something was not read, or the tokens are not one a prompt.
    """
    residual, heads, mlp, final = reading.residual, reading.heads, reading.mlp, reading.final
    if residual is None or heads is None or reading.attention is None or mlp is None or final is None:
        raise UserError(f"`reading` lacks a part; expected one of {', '.join(NEEDS)}")
    if not len(targets) == len(sources) == len(reading.prompts):
        raise UserError(
            f"`targets` and `sources` have {len(targets)} and {len(sources)} tokens; expected one for each of the "
            f"{len(reading.prompts)} prompts"
        )
    device = final.device
    chosen = [torch.tensor(list(tokens), device=device) for tokens in (targets, sources)]
    weight = as_used(parts.unembedding).to(final.dtype)
    towards = (weight[chosen[0]] - weight[chosen[1]])[:, None].expand_as(final)
    direction, constant = pulled_back(parts.norm, residual[-1], towards * parts.output_multiplier)
    shift = parts.unembedding.bias
    steps = torch.zeros(len(chosen[0]), 1, device=device, dtype=final.dtype)
    if shift is not None:
        steps = (shift[chosen[0]] - shift[chosen[1]]).to(final.dtype)[:, None]
    of_heads, of_biases = [], []
    for layer, block in enumerate(parts.blocks):
        output, bias = (None if w is None else w.to(final.dtype) for w in parts.output_weights(layer))
        assert output is not None
        local, extra = direction * parts.residual_multiplier, torch.zeros_like(constant)
        if block.end_norm is not None:
            written = torch.einsum("bhqd,hdw->bqw", heads[layer], output)
            local, extra = pulled_back(block.end_norm, written if bias is None else written + bias, local)
        of_heads.append(torch.einsum("bhqd,hdw,bqw->bhq", heads[layer], output, local))
        of_biases.append(extra if bias is None else extra + local @ bias)
    return Attribution(
        embedding=(residual[0] * direction).sum(-1), heads=torch.stack(of_heads),
        attention_bias=torch.stack(of_biases), mlp=(mlp * direction).sum(-1), bias=constant + steps,
        whole=(final * towards).sum(-1) + steps,
    )  # fmt: skip
