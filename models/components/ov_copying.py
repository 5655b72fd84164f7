"""Copying by the output-value circuit: whether a head raises the logit of the token that it attends to.

Formula: the sum of the eigenvalues over the sum of their sizes of W_U W_O W_V W_E, a matrix from tokens to logits, with
the gains and the centring of the norms in between and without their scales, which are positive; from -1 to 1, without
unit. Its eigenvalues other than 0 are those of a matrix of a head's width: the large one is never formed.
Control: the same head with its values turned at random, W_U W_O R W_V W_E, before they are written: it reads and writes
in the same directions. Where embeddings are tied, random weights give every head some trace, which permuted tokens do
not have: by these, a fifth to more than half of such models had heads that copy untrained. Values drawn from a Gaussian
distribution are as likely as when turned, so that a head that has learned nothing cannot be told from its own turns.
The p-value compares the sum of the eigenvalues, a trace and so cheap, as a deviation from the mean of its turns in
their standard deviations, with those of all heads' turns, so that a few hundred of these serve hundreds of heads
(Tusher et al. 2001).
Interval: Student's, by a jackknife over groups of tokens.
Source: Elhage et al. 2021, "A Mathematical Framework for Transformer Circuits". Cost: no forward pass; for a head, 2 x
tokens x width x its width operations, 2 x its width^2, and the eigenvalues of sixteen matrices.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray
from scipy import stats
from torch import Tensor, nn

from calque.data.errors import UserError
from calque.models.components.head_statistics import head_table
from calque.models.components.probe import Probe
from calque.models.reading.parts import ModelParts, as_used

PROBE = Probe(
    name="ov_copying", about="sum of the eigenvalues of the output-value circuit over that of their sizes",
    control="the same head with its values turned at random", units="1", kind="continuous",
    source="Elhage et al. 2021",
)  # fmt: skip
GROUPS = 10
"""Groups of tokens that the interval leaves out in turn."""
SIZES = 5
"""Turns whose eigenvalues give the sum of sizes of the control."""
Array = NDArray[np.float64]


@torch.no_grad()
def ov_copying(
    parts: ModelParts,
    tokens: Sequence[int],
    generator: np.random.Generator,
    *,
    deciding: Sequence[int] | None = None,
    draws: int = 199,
    level: float = 0.95,
) -> xr.Dataset:
    """Return the score of every head with interval, control and p-values, as ``head_table`` does, and ``deciding``.

    Parameters
    ----------
    parts : ModelParts
    tokens : sequence of int
        Those that are averaged over, such as a random sample of the vocabulary; different ones, 2 at least.
    generator : np.random.Generator
    deciding : sequence of int, optional
        Tokens that the p-values and the control are of, such as others than those of the score; None: the same.
    draws : int
        Turns; 2 at least.
    level : float
        Of the intervals.

    Raises
    ------
    UserError
        When there are less than two tokens or draws, or one token twice.
    """
    judging = tokens if deciding is None else deciding
    for name, given in (("tokens", tokens), ("deciding", judging)):
        if len(given) < 2 or len(set(given)) < len(given):
            raise UserError(
                f"`{name}` has {len(given)}, {len(set(given))} different; expected two or more different tokens"
            )
    if draws < 2:
        raise UserError(f"`draws` is {draws}; expected 2 or more")
    groups = np.array_split(generator.permutation(len(tokens)), min(GROUPS, len(tokens)))
    width = parts.output_weights(0)[0].shape[1]
    turns = torch.from_numpy(stats.ortho_group.rvs(width, draws, random_state=generator)).to(parts.device)
    embedding, unembedding = as_used(parts.embedding), as_used(parts.unembedding)
    ends = [(embedding[list(of)], unembedding[list(of)]) for of in (tokens, judging)]
    found = [_of_layer(parts, layer, ends, groups, turns) for layer in range(len(parts.blocks))]
    score, error, decided, judged, turned, control = (np.stack(of) for of in zip(*found, strict=True))
    half = error * stats.t.ppf((1 + level) / 2, len(groups) - 1)
    table = head_table(score, score - half, score + half, control, _pooled_p_value(judged, turned), level)
    return table.assign(deciding=(("layer", "head"), decided))


def _of_layer(
    parts: ModelParts, layer: int, ends: Sequence[tuple[Tensor, Tensor]], groups: Sequence[NDArray[np.int64]],
    turns: Tensor,
) -> tuple[Array, ...]:  # fmt: skip
    """Return score and its standard error; those that decide: score, trace, turned traces (heads, draws), control."""
    values, outputs = _circuit(parts, layer)
    (read, written), (judged_read, judged_written) = (
        (embedded @ values.mT, unembedded @ outputs.mT) for embedded, unembedded in ends
    )
    score = _score(read, written)
    rest = [np.setdiff1d(np.arange(read.shape[1]), group) for group in groups]
    without = np.stack([_score(read[:, kept], written[:, kept]) for kept in rest])
    error = np.sqrt((len(groups) - 1) * without.var(0))
    circuit = _between(judged_read, judged_written)
    turned = torch.einsum("ned,hde->hn", turns, circuit)
    sizes = _sizes(turns[:SIZES, None] @ circuit).mean(0)
    control = torch.where(sizes > 0, turned.mean(-1) / sizes, 0.0)
    judged = circuit.diagonal(dim1=1, dim2=2).sum(-1)
    return score, error, _score(judged_read, judged_written), _plain(judged), _plain(turned), _plain(control)


def _pooled_p_value(found: Array, turned: Array) -> Array:
    """Return the share of turns of all heads that deviate as far upwards as a head does, itself counted."""
    mean, spread = turned.mean(-1), turned.std(-1, ddof=1)
    spread = np.maximum(spread, np.finfo(float).eps * max(1.0, float(np.abs(turned).max())))
    null = np.sort(((turned - mean[..., None]) / spread[..., None]).ravel())
    above = len(null) - np.searchsorted(null, (found - mean) / spread)
    share: Array = (1 + above) / (1 + len(null))
    return share


def _circuit(parts: ModelParts, layer: int) -> tuple[Tensor, Tensor]:
    """Return what the heads of a layer read of embeddings and write to logits: (heads, head_width, width) each."""
    block = parts.blocks[layer]
    values, outputs = parts.value_weights(layer)[0], parts.output_weights(layer)[0]
    if block.attention_norm is not None:
        values = _through(block.attention_norm, values)
    if block.end_norm is not None:
        outputs = outputs * as_used(block.end_norm)
    centred = outputs - outputs.mean(-1, keepdim=True) if isinstance(parts.norm, nn.LayerNorm) else outputs
    return values, centred * as_used(parts.norm)


def _through(norm: nn.Module, weight: Tensor) -> Tensor:
    """Return a matrix of what a norm gives as one of what it takes, its scale left out."""
    gained = weight * as_used(norm)
    return gained - gained.mean(-1, keepdim=True) if isinstance(norm, nn.LayerNorm) else gained


def _between(read: Tensor, written: Tensor) -> Tensor:
    """Return matrices of a head's width with the eigenvalues of its matrix of tokens, (heads, width, width)."""
    return torch.einsum("htd,hte->hde", read, written).double()


def _sizes(circuits: Tensor) -> Tensor:
    """Return the sum of the sizes of the eigenvalues of ``circuits`` (..., width, width)."""
    sizes: Tensor = torch.linalg.eigvals(circuits).abs().sum(-1)
    return sizes


def _score(read: Tensor, written: Tensor) -> Array:
    """Return the sum of eigenvalues over that of their sizes, shape (heads); 0 for a matrix of zeros."""
    sizes, trace = _sizes(_between(read, written)), torch.einsum("htd,htd->h", read, written).double()
    return _plain(torch.where(sizes > 0, trace / sizes, 0.0))


def _plain(x: Tensor) -> Array:
    return np.asarray(x.double().cpu())
