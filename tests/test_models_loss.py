"""The objective: chunks give what the whole gives, memory stays small, the z-loss is its formula."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from calque.models.config.memory import WHOLE_LOGITS
from calque.models.config.sizes import size
from calque.models.decoder import loss
from calque.models.decoder.decoder import Decoder


@pytest.fixture
def case() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    return torch.randn(50, 16), torch.randn(97, 16) / 4, torch.randint(0, 97, (50,))


def gradients(
    case: tuple[torch.Tensor, torch.Tensor, torch.Tensor], z_loss: float
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    residuals, head = (tensor.clone().requires_grad_() for tensor in case[:2])
    goal, crossed = loss.objective(residuals, head, case[2], z_loss)
    goal.backward()
    assert residuals.grad is not None and head.grad is not None and not crossed.requires_grad
    return goal.detach(), crossed, residuals.grad, head.grad


@pytest.mark.parametrize("z_loss", [0.0, 1e-2])
def test_chunks_equal_the_whole_and_the_formula(
    case: tuple[torch.Tensor, torch.Tensor, torch.Tensor], z_loss: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = gradients(case, z_loss)
    monkeypatch.setitem(WHOLE_LOGITS, "cpu", 4 * 97 * 7)  # seven rows a chunk, the last one of one row
    for one, other in zip(whole, gradients(case, z_loss), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-7)
    logits = case[0].double() @ case[1].double().T
    crossed = F.cross_entropy(logits, case[2])
    assert whole[1].item() == pytest.approx(crossed.item(), rel=1e-6)
    wanted = crossed + z_loss * logits.logsumexp(-1).square().mean()
    assert whole[0].item() == pytest.approx(wanted.item(), rel=1e-6)


def test_logits_of_a_wide_vocabulary_never_exist_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(WHOLE_LOGITS, "cpu", 2**16)
    largest = 0

    class Widest(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
            nonlocal largest
            made = func(*args, **(kwargs or {}))
            for tensor in made if isinstance(made, (tuple, list)) else (made,):
                if isinstance(tensor, torch.Tensor):
                    largest = max(largest, tensor.numel())
            return made

    decoder = Decoder(size("tiny", 1000), seed=0)
    tokens = torch.randint(0, 1000, (8, 33))
    with Widest():
        goal, _ = loss.Objective(decoder)(tokens)
        goal.backward()
    assert largest <= max(2**16 // 4, 1000 * 16), "256 tokens x 1000 would be 256,000"


def test_the_reported_loss_is_that_of_the_logits() -> None:
    decoder = Decoder(size("nano", 50), seed=0)
    tokens = torch.randint(0, 50, (3, 17))
    expected = F.cross_entropy(decoder(tokens[:, :-1]).flatten(0, 1), tokens[:, 1:].flatten())
    goal, crossed = loss.Objective(decoder, z_loss=0.1)(tokens)
    assert crossed.item() == pytest.approx(expected.item(), rel=1e-6)
    assert goal.item() > crossed.item()
