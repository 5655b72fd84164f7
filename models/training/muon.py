"""Muon for the hidden matrices and AdamW for the rest, as one optimizer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.distributed.tensor import DTensor

from calque.models.training.dealt_muon import step_dealt


class MuonAdamW(torch.optim.Optimizer):
    """``torch.optim.Muon`` (Jordan et al. 2024) and fused ``torch.optim.AdamW``, stepped together.

    One set of parameter groups and one state, so that schedules, clipping, saving and resuming see one optimizer.
    Muon's updates are matched to AdamW's in root mean square (Liu et al. 2025, arXiv 2502.16982), so that both take the
    same learning rate and weight decay. Sharded matrices are dealt over the processes
    (:mod:`~calque.models.training.dealt_muon`).

    Parameters
    ----------
    muon, adamw : list of dict
        Parameter groups of each; those of Muon hold matrices only.
    momentum : float
        Of Muon, in Nesterov's form.
    betas : (float, float)
        Of AdamW.
    """

    def __init__(
        self, muon: list[dict[str, Any]], adamw: list[dict[str, Any]], *, momentum: float, betas: tuple[float, float]
    ) -> None:
        self.muon = torch.optim.Muon(muon, momentum=momentum, adjust_lr_fn="match_rms_adamw")
        self.adamw = torch.optim.AdamW(adamw, betas=betas, fused=True)
        super().__init__([*self.muon.param_groups, *self.adamw.param_groups], {})
        self.n_muon = len(self.muon.param_groups)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Take one step of each; ``closure``, when given, computes the loss again and is called once."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        parts: list[tuple[torch.optim.Optimizer, list[dict[str, Any]]]] = [
            (self.muon, self.param_groups[: self.n_muon]), (self.adamw, self.param_groups[self.n_muon :]),
        ]  # fmt: skip
        for part, groups in parts:  # loading a state replaces groups and state: the parts must see the new ones
            part.param_groups, part.state = groups, self.state
            if part is self.muon and isinstance(groups[0]["params"][0], DTensor):
                step_dealt(groups, self.state)
            else:
                part.step()
        return loss
