"""The initial weights of a decoder whose matrices may be sharded already: each process draws all and keeps its part."""

from __future__ import annotations

from torch import Tensor, nn
from torch.distributed.tensor import DTensor, distribute_tensor

from calque.models.decoder.decoder import Decoder


def draw_initial_weights(decoder: Decoder, seed: int) -> None:
    """Draw the weights of ``decoder`` as :meth:`Decoder.initialise` does, wherever they are.

    Parameters
    ----------
    decoder : Decoder
    seed : int
    """
    decoder.initialise(seed, _part)


def _part(whole: Tensor, parameter: nn.Parameter) -> Tensor:
    """Return what this process holds of the ``whole`` of a parameter."""
    if not isinstance(parameter, DTensor):
        return whole
    return distribute_tensor(
        whole.to(parameter.device), parameter.device_mesh, parameter.placements, src_data_rank=None
    )
