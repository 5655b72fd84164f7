"""Attribution by language of the training text: its definition by differences, sums, and what it leaves alone."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from calque.data.errors import UserError
from calque.models.ablations.weights import components
from calque.models.attribution.language_attribution import DECAY, REST
from calque.models.attribution.pair_losses import PairLosses
from calque.models.config.attribution import AttributionConfig
from calque.models.decoder.decoder import Decoder
from calque.models.decoder.loss import Objective
from calque.models.decoder.targets import IGNORED
from calque.models.reading.families import model_parts
from calque.models.scoring.words import WordScorer
from calque.models.training.train_step import TrainStep
from tests.attributed_training import PAIRS, STEPS, Text, config, observer, trained
from tests.test_models_layers import LANGUAGES, TASK, Letters

NODES = np.polynomial.legendre.leggauss(5)
EPSILON, BETA2 = 1e-4, 0.98
SCORER = WordScorer(TASK, Letters(), 6)  # type: ignore[arg-type]


def probe_losses(weights: dict[str, torch.Tensor], decoder: Decoder) -> np.ndarray:
    """Return the loss of each pair, without padding or gradients."""
    found = []
    for pair in PAIRS:
        items = [item for item in SCORER.items if "-".join(LANGUAGES[i] for i in item.place[:2]) == pair]
        rows, begin = torch.tensor([[*item.prompt, *item.targets[0]] for item in items]), len(items[0].prompt)
        with torch.no_grad():
            logprob = torch.func.functional_call(decoder, weights, (rows[:, :-1],)).log_softmax(-1)
        value = -logprob[:, begin - 1 :].gather(-1, rows[:, begin:, None]).sum((1, 2)).numpy()
        found.append(np.mean([value[c::2].mean() for c in range(2)]))
    return np.array(found)


class History:
    """Gradients of each class by masked targets of the whole batch, and their moments, beside training."""

    def __init__(self, training: TrainStep) -> None:
        self.moments = [[torch.zeros_like(p) for p in training.parameters] for _ in Text.streams]

    def gradients(self, training: TrainStep, step: int) -> list[list[torch.Tensor]]:
        batch = torch.from_numpy(Text().batch(step))
        classes, found = torch.tensor(Text().row_streams(step)), []
        given, scale = training.loss_tokens.choose(batch)
        begins = (60,) if training.config.attention == "document" else ()
        objective = Objective(training.decoder, training.config.z_loss, begins)
        for k in range(len(Text.streams)):
            targets = (batch[:, 1:] if given is None else given).masked_fill((classes != k)[:, None], IGNORED)
            goal, _ = objective(batch, targets)
            found.append(list(torch.autograd.grad(goal * scale, training.parameters)))
        norm = torch.stack([sum(parts).norm() for parts in zip(*found, strict=True)]).norm()  # type: ignore[arg-type]
        factor = min(1.0, training.config.gradient_clip / (float(norm) + 1e-6))
        return [[factor * g for g in one] for one in found]


def scaled_update(
    training: TrainStep, before: Any, gradients: Any, moments: Any, k: int, epsilon: float
) -> dict[str, torch.Tensor]:
    """Return the weights after torch's own AdamW step with class ``k`` of gradient and momentum scaled by 1 + epsilon.

    The second moment after the step is that of the step as it was: it is shared.
    """
    decoder = copy.deepcopy(training.decoder)
    decoder.load_state_dict(before["weights"])
    made = torch.optim.AdamW([
        {**{n: g[n] for n in ("lr", "weight_decay", "eps", "betas")},
         "params": [dict(decoder.named_parameters())[before["names"][id(p)]] for p in g["params"]]}
        for g in training.optimizer.param_groups
    ], foreach=False)  # fmt: skip
    named = dict(decoder.named_parameters())
    for i, p in enumerate(training.parameters):
        now, mine = training.optimizer.state[p], named[before["names"][id(p)]]
        mine.grad = sum(g[i] for g in gradients) + epsilon * gradients[k][i]
        made.state[mine] = {
            "step": now["step"] - 1, "exp_avg": sum(m[i] for m in moments) + epsilon * moments[k][i],
            "exp_avg_sq": (now["exp_avg_sq"] - (1 - BETA2) * mine.grad**2) / BETA2,
        }  # fmt: skip
    made.step()
    return {name: value.detach().clone() for name, value in decoder.state_dict().items()}


def stepped(settings: Any, seen: Any, last: int = 4) -> tuple[TrainStep, dict[str, Any], Any, History]:
    """Train up to step ``last``; return the training, what was before that step, its gradients, and the moments."""
    history: History | None = None
    before: dict[str, Any] = {}
    gradients: Any = None
    for step, training in trained(settings, seen):
        assert training.optimizer.param_groups[0]["betas"] == (0.9, BETA2)
        history = history or History(training)
        if step == last:
            seen.at_checkpoint()
            return training, before, gradients, history
        if step:
            seen.at_checkpoint()
            for moment, gradient in zip(history.moments, gradients, strict=True):
                for m, g in zip(moment, gradient, strict=True):
                    m.mul_(0.9).add_(0.1 * g)
        gradients = history.gradients(training, step)
        before = {
            "weights": {n: v.detach().clone() for n, v in training.decoder.state_dict().items()},
            "names": {id(p): n for n, p in training.decoder.named_parameters()},
        }
    raise AssertionError


@pytest.mark.parametrize(
    "fields", [{}, {"loss": "hapax", "micro_batch_size": 2}, {"z_loss": 1e-2, "attention": "document"}]
)
def test_it_is_what_scaling_one_class_in_a_step_does(fields: dict[str, Any]) -> None:
    """Differences of the losses, along the segment, by torch's own step: all classes, components and pairs."""
    settings = config(**fields)
    exact = replace(settings.attribution, tolerance=1e-6)
    seen = observer(replace(settings, attribution=exact))
    training, before, gradients, history = stepped(settings, seen)
    after = {n: v.detach().clone() for n, v in training.decoder.state_dict().items()}
    held, table = components(model_parts(training.decoder)), seen.table
    assert table is not None and set(Text().row_streams(3)) == {0, 1}, "of the third class there is momentum alone"
    for k, name in enumerate(Text.streams):
        ends = [scaled_update(training, before, gradients, history.moments, k, e) for e in (EPSILON, -EPSILON)]
        for component in held if not fields else list(held)[1:2]:
            expected = np.zeros(len(PAIRS))
            for node, weight in zip(*NODES, strict=True):
                losses = []
                for other in ends:
                    at = {n: v + (node + 1) / 2 * (after[n] - v) for n, v in before["weights"].items()}
                    at |= {n: at[n] + other[n] - after[n] for n in held[component]}
                    losses.append(probe_losses(at, training.decoder))
                expected += weight / 2 * (losses[0] - losses[1]) / (2 * EPSILON)
            got = table["attribution"].sel(trained_on=name, component=component).values
            np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-7)


def test_parts_sum_to_the_change_at_every_step() -> None:
    """By the scorer's own losses; nothing is left over, and weight decay is a part where there is some."""
    settings, said = config(), []
    seen = observer(settings)
    for step, training in trained(settings, seen):
        now = probe_losses(training.decoder.state_dict(), training.decoder)
        if step:
            seen.at_checkpoint()
            assert seen.table is not None
            change = now - said[-1]
            np.testing.assert_allclose(seen.table["whole"], change, rtol=1e-6, atol=1e-9)
            total = seen.table["attribution"].sum(("component", "trained_on")).values
            assert (np.abs(total - change) <= 0.01 * np.maximum(np.abs(change), 1e-6)).all()
            assert (seen.table["gap"] <= 0.01).all() and float(seen.table["segments"]) == 1
            rest = seen.table["attribution"].sel(trained_on=REST)
            assert float(np.abs(rest).max()) < 1e-12
            decay = np.abs(seen.table["attribution"].sel(trained_on=DECAY))
            assert float(decay.sel(component="block.0.mlp").max()) > 0 == float(decay.sel(component="norm").max())
        said.append(now)


def test_segments_of_several_steps_sum_to_the_same_change() -> None:
    one, several = (observer(config(attribution=replace(config().attribution, every=n))) for n in (1, 4))
    for seen, segments in ((one, STEPS), (several, 3)):
        for _ in trained(config(), seen):
            pass
        seen.at_checkpoint()
        assert float(seen.table["segments"]) == segments
    np.testing.assert_allclose(one.table["whole"], several.table["whole"], rtol=1e-9)
    for seen in (one, several):
        total = seen.table["attribution"].sum(("component", "trained_on")).values
        np.testing.assert_allclose(
            total, seen.table["whole"], rtol=0.02, atol=1e-2 * float(np.abs(seen.table["whole"]).max())
        )


def test_it_observes_and_changes_nothing() -> None:
    ends: list[TrainStep] = []
    for seen in (None, observer(config())):
        ends.append([training for _, training in trained(config(), seen)][-1])
    for one, other in zip(*(end.parameters for end in ends), strict=True):
        assert torch.equal(one, other)
        for key in ("exp_avg", "exp_avg_sq"):
            assert torch.equal(ends[0].optimizer.state[one][key], ends[1].optimizer.state[other][key])


class Poisoned(Text):
    """One batch has a token whose embedding is infinite."""

    def batch(self, step: int) -> Any:
        return np.full_like(super().batch(step), 59) if step == 5 else super().batch(step)


def test_a_step_that_is_skipped_is_no_part() -> None:
    settings = config(skip_spikes=3.0, spike_history=4)
    seen, skipped = observer(settings), 0
    moments = torch.zeros(0)
    for step, _ in trained(settings, seen, Poisoned()):
        if step == 5:
            moments = seen.moments.moments.clone()
            seen.at_checkpoint()
        if step == 6:
            seen.at_checkpoint()
            skipped = int(seen.table is None)
            assert torch.equal(seen.moments.moments, moments)
    assert skipped


def test_intervals_are_over_clusters_and_what_lacks_questions_is_left_out() -> None:
    settings = config(attribution=AttributionConfig(concepts=6, clusters=3, every=STEPS))
    seen = observer(settings)
    for _ in trained(settings, seen):
        pass
    seen.at_checkpoint()
    assert list(seen.table["pair"].values) == [f"{a}-{b}" for a in LANGUAGES for b in LANGUAGES]
    by = seen.table["attribution_by_cluster"]
    np.testing.assert_allclose(by.mean("cluster"), seen.table["attribution"])
    half = 4.302653 * by.std("cluster", ddof=1) / 3**0.5
    np.testing.assert_allclose(seen.table["attribution_high"] - seen.table["attribution"], half, rtol=1e-5)


def test_impossible_settings_are_refused_in_a_line() -> None:
    for call, said in (
        (lambda: config(optimizer="muon"), "training.attribution needs training.optimizer adamw, and it is muon"),
        (lambda: config(precision="bf16-mixed"), "needs training.precision 32-true, and it is bf16-mixed"),
        (lambda: config(devices=2), "needs training.devices 1, and it is 2"),
        (lambda: AttributionConfig(every=0), "`every` is 0; expected 1 or more"),
        (lambda: AttributionConfig(clusters=1), "`clusters` is 1; expected 2 or more"),
        (lambda: AttributionConfig(concepts=3, clusters=4), "`clusters` is 4; expected at most `concepts`, 3"),
        (lambda: AttributionConfig(pairs=()), "`pairs` is \\[\\]; expected translation, copying, or pairs such as"),
        (lambda: AttributionConfig(tolerance=0.0), "`tolerance` is 0; expected more than 0"),
        (lambda: AttributionConfig(pairs=("de-en", "en-xx")).places(LANGUAGES), "`pairs` has 'en-xx'; expected tr"),
        (lambda: PairLosses(SCORER, {"de-en": True}, 7), "has 'de-en' with 6 questions .* expected at least 7"),
        (lambda: PairLosses(SCORER, {"de-en": False}, 7), "no pair of `pairs` has at least 7 questions"),
    ):
        with pytest.raises(UserError, match=said) as error:
            call()
        assert len(str(error.value)) <= 300 and "\n" not in str(error.value)
