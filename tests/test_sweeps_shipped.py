"""The studies that come with Calque: each is a command, can be planned, and is what its issue says."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from calque.models.config.sizes import LADDER
from calque.sweeps.cli import app
from calque.sweeps.study.run_config import RunConfig
from calque.sweeps.study.study import read_study

FOLDER = Path(__file__).parent.parent / "sweeps"


def runs(name: str) -> dict[str, RunConfig]:
    return {run.name: run for run in read_study(FOLDER / name).runs}


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.yaml")), ids=lambda path: path.name)
def test_each_is_a_command_and_prints_its_bill(path: Path) -> None:
    assert path.read_text().startswith("#!/usr/bin/env -S sweeps run\n")
    assert os.access(path, os.X_OK)
    done = CliRunner().invoke(app, ["plan", str(path)])
    assert done.exit_code == 0, done.output
    assert f"{len(read_study(path).runs)} runs" in done.stdout


def test_full_has_the_large_run_its_siblings_and_six_mixes() -> None:
    found = runs("full.yaml")
    main = found["1.7b-s0"]
    assert main.decoder(main.vocab_size()).n_params == 1_669_433_344
    assert main.training.tokens == 37_000_000_000
    per_step = main.training.tokens_per_step
    even = {min(round(k * 185_000_000 / per_step), main.training.steps) for k in range(1, 201)}
    assert even <= set(main.checkpoint_steps())
    assert sum(step < min(even) for step in main.checkpoint_steps()) >= 15
    assert {run.training.tokens_per_step for run in found.values()} == {per_step}
    seeds = Counter((LADDER[run.size], run.parsed_mix().name) for run in found.values())
    siblings = {width: count for (width, mix), count in seeds.items() if mix == "uniform"}
    assert siblings == {256: 3, 512: 3, 768: 3, 1024: 3, 1280: 2, 1536: 1, 2048: 1}
    mixes = {mix for _, mix in seeds} - {"uniform"}
    assert len(mixes) == 6
    for mix in mixes:
        assert {width: count for (width, name), count in seeds.items() if name == mix} == {512: 3, 768: 3, 1024: 1}


def test_mix_has_the_controls_of_the_world_with_seeds_enough() -> None:
    found = runs("mix.yaml")
    world = [run for run in found.values() if run.corpus == "world"]
    assert {run.world.shuffled for run in world} == {True, False}
    assert {run.world.glossary_share for run in world} == {0.12, 0.24, 0.48, 1.0}
    for dial in ("cognate_rate", "coverage"):
        assert len({getattr(run.world, dial) for run in world}) == 3, dial
    designs = Counter(run.name.rpartition("-s")[0] for run in world)
    assert set(designs.values()) == {6}
    real = {run.parsed_mix().name.split(":")[0] for run in found.values() if run.corpus == "debian"}
    assert real == {"uniform", "temperature", "drop", "only", "parallel", "disjoint", "romanised"}


def test_glossaries_only_is_compared_at_the_same_tokens_of_glossaries() -> None:
    found = runs("mix.yaml")
    whole, only = found["world-s0"], found["glossaries-only-s0"]
    share = whole.world.glossary_share
    assert only.training.tokens == pytest.approx(share * whole.training.tokens)
    whole_steps, only_steps = whole.checkpoint_steps(), only.checkpoint_steps()
    matched = [min(abs(share * step - other) for other in only_steps) <= 1 for step in whole_steps]
    assert all(matched)


def test_copying_has_nine_arms_with_the_same_six_seeds_of_everything() -> None:
    arms: dict[str, list[RunConfig]] = {}
    for name, run in runs("copying.yaml").items():
        arms.setdefault(name.rpartition("-s")[0], []).append(run)
    seeds = [(s, s, s) for s in range(1, 7)]
    assert all([(r.init_seed, r.data_seed, r.world.world_seed) for r in arm] == seeds for arm in arms.values())
    assert len(arms) == 9 and len({arm[0].run_id for arm in arms.values()}) == 9
    base = arms["base"][0]
    hapax = arms["hapax"][0]
    assert replace(hapax, name="base-s1", training=replace(hapax.training, loss="all")) == base
    assert {name for name, arm in arms.items() if arm[0].training == base.training} == {
        "base", "nothing", "cognates", "names", "no-copying-first", "shuffled",
    }  # fmt: skip
    first = arms["copying-first"][0]
    assert first.training.tokens - first.world.copying_first == base.training.tokens
    decays = [run.training.decay_fraction * run.training.tokens for run in (first, base)]
    assert decays[0] == pytest.approx(decays[1], rel=1e-4), "the rest is trained at the same learning rates"
    glossaries = arms["glossaries-only"][0]
    assert glossaries.training.tokens == round(base.world.glossary_share * base.training.tokens)
    assert glossaries.checkpoints.every == base.world.glossary_share * base.checkpoints.every
