"""What a part that is taken away gives instead of its output: that of another prompt, the mean of others, or zeros.

``resample``: the output at the same position of another prompt of the same length. ``mean``: the mean of that over
others. What later parts read stays of a kind that they know. Zeros (``zero``) are no output that they have seen: the
effect is partly of that. Source: Chan et al. 2022 (causal scrubbing); Zhang and Nanda 2024 (arXiv 2309.16042).
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from calque.models.ablations.settings import Kind


def shares(kind: Kind, others: NDArray[np.bool_], generator: np.random.Generator) -> NDArray[np.float64]:
    """Return how much of each prompt's output another is given, shape (prompts, prompts); rows sum to 1, or to 0.

    Parameters
    ----------
    kind : {"resample", "mean", "zero"}
    others : array of bool, shape (prompts, prompts)
        For each prompt, whose outputs it may be given; one at least.
    generator : np.random.Generator
        Draws the one whose output is taken (resample).
    """
    if kind == "zero":
        return np.zeros(others.shape)
    if kind == "mean":
        return np.asarray(others / others.sum(1, keepdims=True))
    return np.eye(len(others))[[generator.choice(np.flatnonzero(row)) for row in others]]


def mixed(outputs: Tensor, given: NDArray[np.float64]) -> Tensor:
    """Return what each prompt is given, shape of ``outputs``.

    Parameters
    ----------
    outputs : Tensor, shape (prompts, length, width)
        Of each prompt.
    given : array, shape (prompts, prompts)
        From :func:`shares`.
    """
    weights = torch.from_numpy(given).to(outputs)
    return (weights @ outputs.flatten(1)).view(outputs.shape)
