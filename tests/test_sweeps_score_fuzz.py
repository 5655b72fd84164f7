"""The fuzz of models, in short: every spoiler on two architectures, from fixed seeds."""

from __future__ import annotations

import numpy as np
import pytest

from tests.fuzz import models
from tests.fuzz.frame import within
from tests.fuzz.models import SPOILERS

NUMBERS = range(3)


@pytest.mark.parametrize("name", sorted(SPOILERS))
@pytest.mark.parametrize("number", NUMBERS)
def test_a_spoilt_model_is_refused_or_scored_without_fault(
    name: str, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models, "SPOILERS", {name: SPOILERS[name]})
    monkeypatch.setattr(models, "KINDS", ("llama", "gpt_neox"))
    one = models.make(np.random.default_rng([11, number]))
    assert within(one) is None, one.label
