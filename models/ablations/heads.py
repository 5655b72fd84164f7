"""Ablation of heads: how much worse a model repeats random tokens without some of its heads.

Heads give what they give at the same position of another prompt (``resample``), the mean of that over all prompts
(``mean``), or zeros. Formula: log p without the heads minus log p with them, of the tokens that are said again
(:mod:`~calque.models.ablations.repeating`); nats, below 0 where the heads carry the repeating.
Control: as many heads drawn at random from the others, ``sets`` times. Source: that of
:mod:`~calque.models.ablations.instead`. Cost: one forward pass to read the
heads, and one for each set of heads. What other heads make up for (self-repair, McGrath et al. 2023, arXiv 2307.15771)
is part of the effect, so that a small effect does not show that a head does nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray
from scipy import stats
from torch import Tensor

from calque.data.arguments import checked
from calque.data.errors import UserError
from calque.models.ablations.instead import mixed, shares
from calque.models.ablations.repeating import repeating
from calque.models.ablations.settings import OUTSIDE, Kind, check_kind
from calque.models.components.repeated_tokens import repeated_tokens
from calque.models.components.token_sets import TokenSet
from calque.models.reading.parts import ModelParts
from calque.models.reading.reading import BUDGET, bytes_a_prompt, read
from calque.models.reading.replacing import Replacement, heads_replaced

Head = tuple[int, int]


@checked
def ablate_heads(
    parts: ModelParts, tokens: TokenSet, heads: Sequence[Sequence[int]], generator: np.random.Generator, *,
    kind: Kind = "resample", prompts: int = 16, length: int = 24, sets: int = 10, level: float = 0.95,
    budget: int = BUDGET,
) -> xr.Dataset:  # fmt: skip
    """Return what taking heads away does to the repeating of random tokens, beside as many other heads at random.

    Parameters
    ----------
    parts : ModelParts
    tokens : TokenSet
        What prompts are drawn from.
    heads : sequence of (layer, head)
        Those that are taken away together; different ones.
    generator : np.random.Generator
    kind : {"resample", "mean", "zero"}
        What they give instead.
    prompts : int
        2 at least.
    length : int
        Tokens of a half of a prompt.
    sets : int
        Sets of other heads; 1 at least.
    level : float
        Of the intervals, Student's over prompts.
    budget : int
        Bytes that a batch of prompts may take.

    Returns
    -------
    xarray.Dataset
        Over ``measure`` (logprob, probability): ``intact``; ``change`` by the heads, ``random_change`` by others, and
        ``difference`` of the two, each with ``_low`` and ``_high``; ``p_value``, one-sided, that the heads lower it no
        more than others. Over (measure, prompt) ``change_by_prompt``; over (measure, set) ``random_change_by_set``.

    Raises
    ------
    UserError
        When there are no such heads, too few others, or a number is impossible.
    """
    chosen = [(int(layer), int(head)) for layer, head in heads]
    everything = [(layer, head) for layer in range(len(parts.blocks)) for head in range(parts.heads)]
    others = [head for head in everything if head not in chosen]
    if not chosen or len(set(chosen)) < len(chosen) or not set(chosen) <= set(everything):
        raise UserError(f"`heads` has {len(chosen)}: {chosen[:4]}; expected different ones (layer, head) of the model")
    if len(others) < len(chosen):
        raise UserError(f"`heads` has {len(chosen)} of {len(everything)}; expected half at most, to leave others")
    check_kind(kind, "kind")
    if parts.dropout and parts.model.training:
        raise UserError("the model is in training mode, where dropout changes what it computes; call its eval() first")
    for name, value, least in (("prompts", prompts, 2), ("sets", sets, 1)):
        if value < least:
            raise UserError(f"`{name}` is {value}; expected {least} or more")
    drawn, _ = repeated_tokens(tokens.tokens, length, prompts, generator, tokens.begin)
    rows, begin = torch.tensor(drawn, device=parts.device), tokens.begin is not None
    from_prompt = (np.arange(prompts) + generator.integers(1, prompts)) % prompts
    others_of = np.ones((prompts, prompts), bool) if kind == "mean" else np.eye(prompts, dtype=bool)[from_prompt]
    given = shares(kind, others_of, generator)
    random = [[others[i] for i in generator.choice(len(others), len(chosen), replace=False)] for _ in range(sets)]
    once = max(1, budget // (bytes_a_prompt(parts, rows.shape[1], length, ("final",)) + _logit_bytes(parts, length)))

    def repeated(instead: Replacement) -> NDArray[np.float64]:
        found = []
        for start in range(0, prompts, once):
            at = slice(start, start + once)
            with heads_replaced(parts, {head: x[at] for head, x in instead.items()}):
                found.append(repeating(parts, rows[at], length, begin))
        return np.stack([np.asarray(torch.cat(x).double().cpu()) for x in zip(*found, strict=True)])

    intact = repeated({})
    outputs = _instead(parts, drawn, sorted({*chosen, *(h for one in random for h in one)}), given, budget)

    change, *by_others = (repeated({head: outputs[head] for head in of}) - intact for of in (chosen, *random))
    return _table(intact, change, np.stack(by_others), level).assign_attrs(
        kind=kind, level=level, **({"note": OUTSIDE} if kind == "zero" else {})
    )


def _instead(
    parts: ModelParts, prompts: Sequence[Sequence[int]], heads: Sequence[Head], given: NDArray[np.float64], budget: int
) -> Replacement:
    """Return what heads give instead of their output, at every position."""
    kept: dict[Head, list[Tensor]] = {head: [] for head in heads}
    for reading in read(parts, prompts, ["heads"], budget=budget):
        assert reading.heads is not None
        for layer, head in heads:
            kept[layer, head].append(reading.heads[layer, :, head].clone())
    return {head: mixed(torch.cat(pieces), given) for head, pieces in kept.items()}


def _logit_bytes(parts: ModelParts, length: int) -> int:
    """Return the bytes of a prompt's logits of the second half, three times: as they are, in float32, and softmax."""
    return 3 * length * parts.unembedding.out_features * parts.kind.itemsize


def _table(
    intact: NDArray[np.float64], change: NDArray[np.float64], random: NDArray[np.float64], level: float
) -> xr.Dataset:
    """Return means over prompts with their intervals; shapes (2, prompts), (2, prompts), (sets, 2, prompts)."""
    by_prompt = {"change": change, "random_change": random.mean(0), "difference": change - random.mean(0)}
    found: dict[str, tuple[tuple[str, ...], NDArray[np.float64]]] = {"intact": (("measure",), intact.mean(1))}
    count = intact.shape[1]
    for name, values in by_prompt.items():
        mean, half = values.mean(1), stats.sem(values, 1) * stats.t.ppf((1 + level) / 2, count - 1)
        found |= {name: (("measure",), mean), f"{name}_low": (("measure",), mean - half)}
        found[f"{name}_high"] = (("measure",), mean + half)
    error = np.maximum(stats.sem(by_prompt["difference"], 1), np.finfo(float).tiny)
    found["p_value"] = (("measure",), stats.t.cdf(by_prompt["difference"].mean(1) / error, count - 1))
    found["change_by_prompt"] = (("measure", "prompt"), change)
    found["random_change_by_set"] = (("measure", "set"), random.mean(2).T)
    return xr.Dataset(found, {"measure": ["logprob", "probability"]})
