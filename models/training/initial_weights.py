"""The initial weights of a decoder whose matrices may be sharded already: each process draws all and keeps its part."""

from __future__ import annotations

import torch
from torch.distributed.tensor import DTensor, distribute_tensor

from calque.models.decoder.decoder import Decoder


@torch.no_grad()
def draw_initial_weights(decoder: Decoder, seed: int) -> None:
    """Draw the weights of ``decoder`` as :meth:`Decoder.initialise` does, wherever they are; one matrix at a time.

    Parameters
    ----------
    decoder : Decoder
    seed : int
    """
    for parameter, whole in decoder.initial_weights(seed):
        if isinstance(parameter, DTensor):
            mesh, placements = parameter.device_mesh, parameter.placements
            parameter.copy_(distribute_tensor(whole.to(parameter.device), mesh, placements, src_data_rank=None))
        else:
            parameter.copy_(whole)
