"""Layouts as they are published: the folders of Pythia's evaluations, and the documented commands for them."""

import json
import re
import shlex

import numpy as np
import pytest

import calque
from tests.readme import ROOT
from tests.test_phases_cli import phases

ITEMS = 5153
STEPS = (0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1000, 3000, 13000, 23000, 33000, 43000, 63000, 83000, 103000, 123000,
         143000)  # fmt: skip
SIZES = {"70m": 900.0, "160m": 800.0, "410m": 700.0, "1b-bf16": 650.0, "1.4b": 600.0, "1b-deduped": 650.0}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Small results in the folders and under the names of ``evals/pythia-v1``."""
    top = tmp_path_factory.mktemp("pythia")
    rng = np.random.default_rng(0)

    def write(name, model, step, middle, shots):
        p = rng.binomial(ITEMS, 0.6 / (1 + (middle / max(step, 1)) ** 3)) / ITEMS
        path = top / "evals" / "pythia-v1" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({
            "results": {"lambada_openai": {"ppl": 9.0, "acc": p, "acc_stderr": (p * (1 - p) / (ITEMS - 1)) ** 0.5}},
            "versions": {"lambada_openai": 0},
            "config": {"model": "hf-causal", "num_fewshot": shots, "limit": None,
                       "model_args": f"use_accelerate=True,pretrained=EleutherAI/{model},revision=step{step}"},
        }))  # fmt: skip

    for size, middle in SIZES.items():
        for step in STEPS:
            write(f"pythia-{size}/zero-shot/{size}_step{step}.json", f"pythia-v1.1-{size}", step, middle, 0)
        for step in STEPS[12::3]:
            short = size.removesuffix("-bf16")
            write(f"pythia-{size}/five-shot/{short}-5shot_step{step}.json", f"pythia-v1.1-{size}", step, middle, 5)
    for step in (126000, 133000):
        write(f"pythia-1b-deduped/baseline/baseline-1b-deduped_step{step}.json", "pythia-v1.1-1b-deduped", step, 650, 0)
        write(f"pythia-1b-deduped/intervention/intervention-1b-deduped-long_step{step}.json",
              "intervention-pythia-v1.1-1b-deduped-long", step, 650, 0)  # fmt: skip
    write("pythia-1b-bf16/zero-shot/1b-bf16-5shot_step2000.json", "pythia-v1.1-1b-bf16", 2000, 650, 0)
    return top


def documented():
    """The commands of docs/SCALING.md for these files, as lists of words."""
    text = (ROOT / "docs" / "SCALING.md").read_text()
    block = text[text.index("## Published evaluations of Pythia") :].split("```")[1].partition("\n")[2]
    return [shlex.split(line) for line in block.replace("\\\n", " ").strip().split("\n")]


def test_the_documented_commands_hold_for_the_published_layout(folder, monkeypatch):
    """As documented, but with fewer replicates: import, detect, forecast."""
    monkeypatch.chdir(folder)
    imported, detect, forecast = documented()
    done = phases(*imported[1:])
    assert done.returncode == 0, done.stderr
    runs = {str(r): int(n) for r, n in zip(*_runs(folder / imported[imported.index("-o") + 1]), strict=True)}
    expected = {f"EleutherAI/pythia-v1.1-{size}": len(STEPS) for size in SIZES}
    expected["EleutherAI/pythia-v1.1-1b-deduped"] += 2
    expected["EleutherAI/pythia-v1.1-1b-bf16"] += 1
    assert runs == expected | {"EleutherAI/intervention-pythia-v1.1-1b-deduped-long": 2}
    done = phases(*detect[1:], "--boot", 19, "--json", "-", "-q")
    assert done.returncode == 0, done.stderr
    rows = [t for t in json.loads(done.stdout)["transitions"] if t["estimand"] == "takeoff"]
    assert {t["metric"] for t in rows} == {"lambada_openai/acc"}
    assert {t["run"] for t in rows if t["outcome"] == "found"} == {f"EleutherAI/pythia-v1.1-{size}" for size in SIZES}
    params = [word for word in forecast if re.fullmatch(r"EleutherAI/.*=\d+", word)]
    assert {word.partition("=")[0] for word in params} <= set(runs) and len(params) >= 5
    pattern = forecast[forecast.index("--size") + 1]
    result = calque.forecast(folder / "pythia.nc", metric="lambada_openai/acc", size=pattern, boot=19, params=params)
    assert result.to_dict()["metric"] == "lambada_openai/acc"


def _runs(path):
    cube = calque.read(path)
    return cube["run"].values, cube["tokens"].notnull().sum("checkpoint").values


def test_without_a_number_of_shots_each_is_a_run(folder):
    made = calque.import_log(folder / "evals" / "pythia-v1" / "pythia-70m", metric="lambada_openai/acc",
                             tokens_per_step=2097152)  # fmt: skip
    assert sorted(made.cube["run"].values) == [f"EleutherAI/pythia-v1.1-70m/{n}-shot" for n in (0, 5)]
    assert made.cube["lambada_openai.acc"].trials == ITEMS


@pytest.mark.parametrize(
    "name,run,step",
    [
        ("suite-12b-0shot-global_step1000_eval_results_12-16-2022-10-15-05.json", "suite-12b-0shot", 1000),
        (
            "intervention-1.3b-deduped-step67000_eval_results_01-21-2023-20-16-29.json",
            "intervention-1.3b-deduped",
            67000,
        ),
        ("run_2024-05-05T10-07-23_step20.json", "run", 20),
        ("160m_step1000.json", "160m", 1000),
    ],
)
def test_dates_are_no_part_of_a_runs_name(name, run, step, tmp_path):
    whole = {
        "results": {"q": {"acc": 0.5}},
        "versions": {"q": 0},
        "config": {"model": "neox", "model_args": {"seed": 1}},
    }
    (tmp_path / name).write_text(json.dumps(whole))
    cube = calque.import_log(tmp_path, metric="q/acc", tokens_per_step=1).cube
    assert cube["run"].values.tolist() == [run] and cube["tokens"].values.tolist() == [[step]]
