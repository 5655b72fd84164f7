"""``sweeps plan`` tells of values that are possible but that nobody means, with the value and the runs."""

from __future__ import annotations

from pathlib import Path

import pytest

import calque
from calque.sweeps.plan.doubts import doubts
from calque.sweeps.study.study import Study, read_study
from tests.readme import ROOT

STUDY = """study: odd
base: world-cpu
defaults: {{training: {{{training}}}}}
runs: {{micro: {{seeds: [0, 1]}}, nano: {{size: nano}}}}
"""


def study(folder: Path, training: str) -> Study:
    (folder / "odd.yaml").write_text(STUDY.format(training=training))
    return read_study(folder / "odd.yaml")


@pytest.mark.parametrize(
    ("training", "words"),
    [
        ("learning_rate: 1.0e9", "training.learning_rate is 1e+09; usual is 1e-06 to 0.1 (all runs)"),
        ("learning_rate: 1.0e-12", "training.learning_rate is 1e-12; usual is"),
        ("weight_decay: 50", "training.weight_decay is 50; usual is 0 to 1"),
        ("beta2: 0.1", "training.beta2 is 0.1; usual is 0.8 to 1"),
        ("epsilon: 1", "training.epsilon is 1; usual is"),
        ("gradient_clip: 1.0e-9", "training.gradient_clip is 1e-09; usual is 0.01 to 100"),
        ("batch_size: 1024", "training has "),
        ("warmup_tokens: 4M", "% of training.tokens; usual is 50% at most"),
        ("context: 4", "training.context is 4; usual is 16 to"),
    ],
)
def test_odd_values_are_told(training: str, words: str, tmp_path: Path) -> None:
    found = doubts(study(tmp_path, training).runs, True, cores=2)
    assert any(words in sentence for sentence in found), found


def test_threads_are_held_to_the_cores_of_this_machine(tmp_path: Path) -> None:
    runs = study(tmp_path, "threads: 640").runs
    (said,) = doubts(runs, True, cores=2)
    assert "is 640 threads, and this machine has 2 cores: at most 4 a core are started here (all runs)" in said
    (said,) = doubts(study(tmp_path, "threads: 3").runs, True, cores=2)
    assert "is 3 threads, and this machine has 2 cores: they share its cores" in said
    assert doubts(runs, False, cores=2) == () and doubts(runs, True, cores=640) == ()


def test_a_size_far_too_large_for_its_tokens_is_told_with_its_run(tmp_path: Path) -> None:
    text = "study: odd\nbase: world-cpu\nruns: {micro: {}, large: {size: 1.7b}}\n"
    (tmp_path / "odd.yaml").write_text(text)
    (said,) = doubts(read_study(tmp_path / "odd.yaml").runs, False)
    assert said.startswith("training.tokens is ") and "non-embedding parameters" in said and said.endswith("(large)")


def test_the_plan_says_so_in_the_terminal_and_in_json(tmp_path: Path) -> None:
    study(tmp_path, "learning_rate: 1.0e9")
    made = calque.plan(tmp_path / "odd.yaml")
    words = "training.learning_rate is 1e+09"
    assert any(words in one for one in made.to_dict()["doubts"]) and f"odd: {words}" in made.summary()


@pytest.mark.parametrize("name", ["quick", "seeds", "mix", "medium", "full"])
def test_nothing_of_the_studies_that_are_shipped_is_odd(name: str) -> None:
    assert doubts(read_study(ROOT / "sweeps" / f"{name}.yaml").runs, True, cores=16) == ()
