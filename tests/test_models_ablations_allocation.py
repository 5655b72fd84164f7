"""Loss-change allocation: closed forms of a linear network, parts that sum to the whole, a model put back as it was."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy import integrate, stats

from calque.data.errors import UserError
from calque.models.ablations.allocation import allocation, own_parameters
from calque.models.ablations.weights import components
from calque.models.ablations.word_losses import WordLosses
from calque.models.reading.families import model_parts
from calque.models.scoring.word_logprobs import word_logprobs
from calque.models.scoring.words import WordScorer
from tests.reading_models import reading_model
from tests.test_models_ablations_heads import digest
from tests.test_models_layers import TASK, Letters


class Linear(torch.nn.Module):
    """Two linear maps, one after the other."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.a, self.b = (torch.nn.Parameter(torch.randn(3, 3, generator=generator).double()) for _ in range(2))


def weights(seed: int) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {name: torch.randn(3, 3, generator=generator).double() for name in "ab"}


X = torch.randn(2, 5, 3, generator=torch.Generator().manual_seed(9)).double()
Y = torch.randn(2, 5, 3, generator=torch.Generator().manual_seed(8)).double()


def test_simpson_is_exact_on_a_linear_network_with_squared_loss() -> None:
    """Its slope along a segment is a cubic: three points are enough; against quadrature of the derivative."""
    made, before, after = Linear(), weights(1), weights(2)

    def losses(cluster: int) -> Any:
        yield ((X[cluster] @ made.a @ made.b - Y[cluster]) ** 2).sum()

    kept = digest(made)
    found = allocation(made, before, after, {"a": ["a"], "b": ["b"]}, losses, 2, tolerance=1e-9)
    assert digest(made) == kept and made.a.grad is None and int(found.points) == 3 and float(found.gap) < 1e-12

    def slope(t: float, name: str, cluster: int) -> float:
        x, y = X[cluster].numpy(), Y[cluster].numpy()
        a, b = (before[n].numpy() + t * (after[n] - before[n]).numpy() for n in "ab")
        error = 2 * (x @ a @ b - y)
        gradient = {"a": x.T @ error @ b.T, "b": (x @ a).T @ error}[name]
        return float((gradient * (after[name] - before[name]).numpy()).sum())

    for c, name in enumerate("ab"):
        by_cluster = [integrate.quad(slope, 0, 1, args=(name, cluster))[0] for cluster in range(2)]
        np.testing.assert_allclose(found.allocation_by_cluster[c], by_cluster, rtol=1e-9)
        np.testing.assert_allclose(found.allocation[c], np.mean(by_cluster), rtol=1e-9)
        low, high = stats.ttest_1samp(by_cluster, 0).confidence_interval()
        np.testing.assert_allclose([found.allocation_low[c], found.allocation_high[c]], [low, high], rtol=1e-6)
    assert np.sign(found.allocation[0]) != 0 and not np.allclose(found.allocation[0], found.allocation[1])


@pytest.mark.parametrize("name", ["multiplied", "gpt_neox"])
def test_parts_sum_to_the_change_of_the_words_loss(name: str) -> None:
    with torch.inference_mode():  # as models of transformers are loaded
        made = reading_model(name)
    parts, scorer = model_parts(made), WordScorer(TASK, Letters(), 6)  # type: ignore[arg-type]
    before = {n: p.detach().clone() for n, p in made.named_parameters()}
    generator = torch.Generator().manual_seed(4)
    after = {n: p + 0.05 * torch.randn(p.shape, generator=generator, dtype=p.dtype) for n, p in before.items()}
    held, kept = components(parts), digest(made)
    losses = WordLosses(scorer, "copying", 3)
    found = allocation(made, before, after, held, losses.of(parts), 3)
    assert digest(made) == kept and float(found.gap) <= 0.01 and found["component"].values.tolist() == list(held)
    np.testing.assert_allclose(float(found.allocation.sum()), float(found.whole), rtol=0.01)
    same = [i for i, item in enumerate(scorer.items) if item.place[0] == item.place[1]]

    def loss() -> float:
        logprob = word_logprobs(_model(made), scorer.items, scorer.prompts)[same, 0]
        concept = np.array([scorer.items[i].place[2] for i in same]) % 3
        return float(-np.mean([logprob[concept == c].mean() for c in range(3)]))

    start = loss()
    with torch.inference_mode():
        for n, p in made.named_parameters():
            p.copy_(after[n])
    np.testing.assert_allclose(float(found.whole), loss() - start, rtol=1e-4)


def _model(made: Any) -> Any:
    from calque.models.decoder.decoder import Decoder
    from calque.models.huggingface.transformers_model import TransformersModel

    return made if isinstance(made, Decoder) else TransformersModel(made)


def test_what_does_not_fit_is_refused_and_the_model_is_put_back() -> None:
    made, two = Linear(), [weights(1), weights(2)]

    def waves(cluster: int) -> Any:
        yield torch.sin(200 * made.a.sum()) + 0 * made.b.sum()

    before = made.a
    for call, said in (
        (lambda: allocation(made, *two, {"a": ["a"]}, waves, 2), "`components` has 1 parameters; expected all"),
        (lambda: allocation(made, *two, {"a": ["a"], "b": ["b"]}, waves, 1), "`clusters` is 1"),
        (lambda: allocation(made, *two, {"a": ["a"], "b": ["b"]}, waves, 2, most=4), "the parts sum to .* 5 points"),
        (lambda: WordLosses(WordScorer(TASK, Letters(), 1), "copying", 3), "leaves 1 with a question of copying"),  # type: ignore[arg-type]
    ):
        with pytest.raises(UserError, match=said):
            call()
    assert made.a is before
    with pytest.raises(RuntimeError, match="broken"), own_parameters(made) as own:
        assert own["a"] is not before
        raise RuntimeError("broken")
    assert made.a is before
