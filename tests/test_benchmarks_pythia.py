"""The benchmark on Pythia's published evaluations, run on an imitation of their layout."""

import json

import pytest

from tests.benchmarks import pythia
from tests.test_phases_import_published import folder as published

folder = published


def test_takeoffs_and_roll_outs_of_a_published_layout(folder, tmp_path, capsys):
    out = tmp_path / "found.json"
    assert pythia.main([str(folder), "--replicates", "19", "-o", str(out)]) == 0
    found = json.loads(out.read_text())
    rows = found["takeoffs"]
    assert [r["run"].rpartition("-v1.1-")[2] for r in rows] == ["70m", "160m", "410m", "1b-bf16", "1.4b"]
    assert {r["metric"] for r in rows} == {"lambada_openai/acc"} and all(
        r["low"] < r["tokens"] < r["high"] for r in rows
    )
    assert all(r["delayed_start"] == "found" and r["p_adjusted"] >= r["p"] for r in rows)
    assert {r["checkpoints"] for r in rows} <= {22, 23}, "five-shot results are other runs"
    assert rows[0]["tokens"] > rows[-1]["tokens"], "larger sizes take off earlier"
    assert found["rollouts"] and {r["law"] for r in found["rollouts"]} >= {"power"}
    held = [r for r in found["rollouts"] if r["law"] == "power"]
    assert all(r["n"] in pythia.PARAMETERS.values() and 0.1 < r["forecast"] / r["tokens"] < 10 for r in held)
    text = out.with_suffix(".md").read_text()
    assert text.strip() in capsys.readouterr().out and "5 of 5 delayed starts found" in text and "| power | " in text


def test_the_folder_of_sizes_alone_is_read_and_anything_else_refused(folder, tmp_path, capsys):
    assert pythia.results_of(folder / "evals" / "pythia-v1") == folder / "evals" / "pythia-v1"
    with pytest.raises(SystemExit) as caught:
        pythia.main([str(tmp_path)])
    assert caught.value.code == 2 and "expected the folder evals/pythia-v1" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("run", "deduped"),
    [("EleutherAI/pythia-70m", False), ("pythia-v1.1-1b-bf16", False), ("EleutherAI/pythia-v1.1-1b-deduped", True)],
)
def test_models_of_a_suite_are_known_by_name(run, deduped, xarray_runs):
    assert pythia.suite(xarray_runs(run), deduped) and not pythia.suite(xarray_runs(run), not deduped)


@pytest.mark.parametrize("run", ["EleutherAI/intervention-pythia-v1.1-1b-deduped-long", "pythia-70m-x", "gpt-neo-1b"])
def test_other_models_are_left_out(run, xarray_runs):
    assert not pythia.suite(xarray_runs(run), True) and not pythia.suite(xarray_runs(run), False)


@pytest.fixture
def xarray_runs():
    """Make a cube that holds names of runs alone."""
    import xarray as xr

    return lambda *names: xr.Dataset(coords={"run": list(names)})
