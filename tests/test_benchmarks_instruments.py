"""The benchmark of the instruments: what it compares is the same, and its memory is that of the budget."""

from __future__ import annotations

import importlib.util

import pytest

from tests.benchmarks.instruments import SHAPE, costs, markdown, memory

SMALL = {
    "vocab_size": 512,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
}


def test_what_the_reading_layer_states_is_above_what_is_counted() -> None:
    held = memory("nano", 4096)
    for name, row in held["rows"].items():
        assert 0.2 * row["stated"] < row["counted"] <= row["stated"] <= held["budget"], name
    said = markdown({"memory": held})
    assert said.count("not measured") == 2 and "| layers: residual at the last position |" in said


@pytest.mark.skipif(importlib.util.find_spec("transformer_lens") is None, reason="needs the extra `oracle`")
@pytest.mark.filterwarnings("ignore")
def test_both_compute_the_same_quantities(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    found = costs({**SHAPE, **SMALL, "num_key_value_heads": 2}, 2)
    assert len(found["rows"]) == 4
    for name, row in found["rows"].items():
        assert row["difference"] < 1e-4, name
        assert len(row["ratios"]) == 2
    assert "not measured" not in markdown({"cost": found}).split("Memory")[0]
