"""Bugs that instruments are known for, planted one at a time: each turns a test red that is green without it."""

from __future__ import annotations
import __future__

import inspect
import sys
import textwrap
from collections.abc import Callable
from typing import Any

import pytest

from calque.models.ablations import allocation, simpson, swaps, weights
from calque.models.attribution.moments import ClassMoments
from calque.models.components import frozen_norm, prefix_matching
from calque.models.layers import lens, linear, similarity
from calque.models.patching import function_vectors, patched_heads
from calque.models.reading import gpt_neox, hooks, replacing
from calque.models.reading.parts import ModelParts
from calque.models.word_ablations import co_ablation
from calque.models.word_ablations.word_ablation import WordAblation
from tests import test_models_ablations_allocation as of_allocation
from tests import test_models_ablations_weights as of_weights
from tests import test_models_attribution as of_attribution
from tests import test_models_co_ablation as of_co_ablation
from tests import test_models_components as of_components
from tests import test_models_function_vectors as of_function_vectors
from tests import test_models_layers as of_layers
from tests import test_models_reading as of_reading
from tests import test_models_word_ablation as of_word_ablation

Check = Callable[[], Any]
BUGS: dict[str, tuple[Any, str, str, str, Check]] = {
    "heads of a group in the wrong order": (
        ModelParts, "value_weights", "as_float32(weight).repeat_interleave(group, 0)",
        "as_float32(weight).repeat(group, 1, 1)",
        lambda: of_reading.test_heads_are_their_patterns_of_their_values("grouped"),
    ),
    "the final norm left out of the lens": (
        lens, "lens_logprobs", "parts.norm(residual.to(parts.embedding.weight.dtype))", "residual",
        lambda: of_layers.test_the_lens_at_the_last_depth_is_the_model("plain"),
    ),
    "induction looks one position too far back": (
        prefix_matching, "prefix_matching", "- length + 1", "- length",
        lambda: of_components.test_an_ideal_induction_circuit_has_its_closed_form("grouped", 1),
    ),
    "queries and keys exchanged": (
        gpt_neox, "_split", "query, key, _ =", "key, query, _ =",
        lambda: of_reading.test_what_is_read_is_what_transformers_says("gpt_neox"),
    ),
    "the residual multiplier left out": (
        hooks, "_hook_block", 'stored("mlp", factor=parts.residual_multiplier)', 'stored("mlp")',
        lambda: of_reading.test_the_parts_add_up_to_the_residual_and_the_residual_to_the_logits("multiplied"),
    ),
    "keys that are not rotated": (
        hooks, "_hook_attention", "_rotated(key, cos, sin)", "key",
        lambda: of_reading.test_what_is_read_is_what_transformers_says("llama"),
    ),
    "the scale of a norm left out": (
        frozen_norm, "pulled_back", "weighted / scale, constant", "weighted, constant",
        lambda: of_components.test_the_parts_of_an_attribution_sum_to_the_difference_of_the_log_probabilities("llama"),
    ),
    "weights that are not put back": (
        weights, "weights_replaced", "in kept.items():", "in ():",
        lambda: of_weights.test_swap_with_itself_and_scaling_by_one_are_identical_and_by_zero_initial("multiplied"),
    ),
    "a hybrid that is its own counterpart": (
        swaps, "grid_table", "hybrids + hybrids.swapaxes(0, 1)", "2 * hybrids",
        of_weights.test_a_grid_of_hybrids_has_its_closed_form,
    ),
    "weights changed in place": (
        allocation, "own_parameters", "parameter.detach().clone()", "parameter.detach()",
        of_allocation.test_simpson_is_exact_on_a_linear_network_with_squared_loss,
    ),
    "the weights of Simpson's rule exchanged": (
        simpson, "_simpson", "= 4, 2", "= 2, 4",
        of_allocation.test_simpson_is_exact_on_a_linear_network_with_squared_loss,
    ),
    "clipping left out of the parts of an update": (
        ClassMoments, "take", "gradient * factor", "gradient",
        of_attribution.test_parts_sum_to_the_change_at_every_step,
    ),
    "a class whose momentum stands still where a batch lacks it": (
        ClassMoments, "take", "self.moments *= beta1", "self.moments[list(gradients)] *= beta1",
        of_attribution.test_parts_sum_to_the_change_at_every_step,
    ),
    "the diagonal kept in a debiased Gram matrix": (
        similarity, "u_centred", "np.fill_diagonal(gram, 0)", "pass",
        of_layers.test_chance_levels_and_closed_forms_of_similarity,
    ),
    "control labels permuted alike in every language": (
        linear, "linear_probes", "np.concatenate([generator.permutation(concepts) for _ in range(languages)])",
        "np.tile(generator.permutation(concepts), languages)",
        of_layers.test_linear_probes_read_what_is_there_and_controls_do_not,
    ),
    "answers of the control that are not shuffled": (
        function_vectors, "_in_context", "for shift in (0, 1)", "for shift in (0, 0)",
        lambda: of_function_vectors.test_a_planted_head_has_its_closed_form_and_is_found_alone(
            "grouped", of_function_vectors.word_scorer()
        ),
    ),
    "a head that is patched at every position": (
        patched_heads, "heads_patched", "last=True", "last=False",
        lambda: of_function_vectors.test_an_effect_is_that_of_the_mean_output_at_the_last_position(
            of_function_vectors.word_scorer()
        ),
    ),
    "the residual multiplier left out of a replaced part": (
        replacing, "parts_replaced", "out / parts.residual_multiplier", "out",
        lambda: of_word_ablation.test_its_own_output_changes_nothing_and_a_block_is_what_it_adds("multiplied"),
    ),
    "outputs given by the same concept": (
        WordAblation, "_chunks", "concepts[:, None] != concepts", "concepts[:, None] == concepts",
        lambda: of_word_ablation.test_a_change_is_that_of_the_outputs_by_hand(
            of_word_ablation.some_parts(), of_word_ablation.some_words(), "mean"
        ),
    ),
    "the head's own effect left in the interaction": (
        co_ablation, "co_ablated", "changes[s] - alone[h]", "changes[s]",
        of_co_ablation.test_a_planted_backup_head_has_its_closed_form,
    ),
}  # fmt: skip
"""By what is wrong: where it is planted, the text and what it becomes, and the test that must go red."""


def plant(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, old: str, new: str) -> None:
    """Put a changed function in the place of one, wherever it was imported."""
    original = getattr(owner, name)
    source = textwrap.dedent(inspect.getsource(inspect.unwrap(original)))
    assert source.count(old) == 1, f"{name} has {source.count(old)} times {old!r}"
    scope = inspect.unwrap(original).__globals__
    found: dict[str, Any] = {}
    flags = __future__.annotations.compiler_flag
    exec(compile(source.replace(old, new), f"<{name}>", "exec", flags, dont_inherit=True), scope, found)
    if inspect.isclass(owner):
        monkeypatch.setattr(owner, name, found[name])
        return
    ours = [module for key, module in list(sys.modules.items()) if key.startswith(("calque.", "tests."))]
    for module in ours:
        if vars(module).get(name) is original:
            monkeypatch.setattr(module, name, found[name])


@pytest.mark.parametrize("bug", BUGS)
def test_a_planted_bug_turns_its_test_red(bug: str, monkeypatch: pytest.MonkeyPatch) -> None:
    owner, name, old, new, check = BUGS[bug]
    plant(monkeypatch, owner, name, old, new)
    with pytest.raises((Exception, pytest.fail.Exception)):  # a test may go red in any way
        check()


def test_a_planted_function_that_is_the_same_is_green(monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch, lens, "lens_logprobs", "parts.output_multiplier", "(parts.output_multiplier)")
    of_layers.test_the_lens_at_the_last_depth_is_the_model("multiplied")
