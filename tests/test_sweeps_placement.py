"""What runs ask of a cluster, in which order they start, and what is said where a cluster is too small."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from calque.data.errors import LONGEST_MESSAGE, UserError
from calque.sweeps.cli import app
from calque.sweeps.plan import placement
from calque.sweeps.plan.makespan import timetable
from calque.sweeps.plan.placement import Node, ResourceRequest, check_by_hand
from calque.sweeps.study.study import read_study

FOLDER = Path(__file__).parent.parent / "sweeps"
GPUS = [Node(cpus=64, gpus=8)] * 2


def test_the_longest_run_starts_first_and_what_does_not_fit_waits() -> None:
    runs = read_study(FOLDER / "full.yaml").runs
    order = [run.name for run in placement.longest_first(runs)]
    assert order[0] == "1.7b-s0"
    assert order[-3:] == ["69m-s0", "69m-s1", "69m-s2"]
    at = placement.first_wave(runs, GPUS)
    assert at["1.7b-s0"] == (0,) * 8
    assert [at[name] for name in order[1:9]] == [(1,)] * 8
    assert {at[name] for name in order[9:]} == {()}


def test_small_models_leave_the_gpus_to_others() -> None:
    mixed = read_study(FOLDER / "mix.yaml").runs
    asked = placement.check(mixed, GPUS)
    assert asked["world-s0"] == ResourceRequest(cpus=1, gpus=0)
    assert asked["romanised-s0"] == ResourceRequest(cpus=1, gpus=1)


def test_a_cluster_without_gpus_is_refused_for_a_long_run_and_named() -> None:
    with pytest.raises(UserError, match=r"run '1\.7b-s0' needs a GPU .* the cluster has none \(4 x \(32 CPU cores\)\)"):
        placement.check(read_study(FOLDER / "full.yaml").runs, [Node(cpus=32)] * 4)
    quick = read_study(FOLDER / "quick.yaml").runs
    assert set(placement.check(quick, [Node(cpus=2)]).values()) == {ResourceRequest(cpus=1)}


def test_a_run_that_fits_no_node_is_named_with_what_it_lacks(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text("study: s\nruns:\n  a: {}\n  wide: {training: {threads: 6}}\n")
    runs = read_study(path).runs
    with pytest.raises(UserError, match=r"run 'wide' asks for 6 CPU cores, .* has 2 x \(4 CPU cores\)"):
        placement.check(runs, [Node(cpus=4)] * 2)  # eight cores in all do not help
    assert placement.check(runs, [Node(cpus=8)])["wide"] == ResourceRequest(cpus=6)


def test_a_run_of_many_devices_is_packed_and_may_span_nodes(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    wide = "{base: debian-gpu, training: {devices: 8, threads: 4}}"
    path.write_text(f"study: s\nruns:\n  a: {{base: debian-gpu}}\n  wide: {wide}\n")
    runs = read_study(path).runs
    assert placement.check(runs, GPUS)["wide"] == ResourceRequest(cpus=4, gpus=1, processes=8)
    assert placement.first_wave(runs, GPUS) == {"a": (0,), "wide": (1,) * 8}
    four = [Node(cpus=64, gpus=4)] * 2
    assert placement.first_wave(runs[1:], four)["wide"] == (0,) * 4 + (1,) * 4
    with pytest.raises(UserError, match=r"'wide' asks for 8 x \(4 CPU cores and 1 GPU\), .* lower training.devices"):
        placement.check(runs, [Node(cpus=64, gpus=4)])
    with pytest.raises(UserError, match="'wide'"):
        placement.check(runs, [Node(cpus=16, gpus=8)])  # cores for four


@pytest.mark.parametrize(
    ("text", "nodes"),
    [
        ("2x8gpu64cpu", [Node(cpus=64, gpus=8)] * 2),
        ("1x4gpu, 2x16cpu", [Node(cpus=32, gpus=4), Node(cpus=16), Node(cpus=16)]),
    ],
)
def test_a_cluster_is_read_from_words(text: str, nodes: list[Node]) -> None:
    assert placement.parse_nodes(text) == nodes


@pytest.mark.parametrize("text", ["8gpu", "2x", "x8gpu", "0x8gpu", "2x8tpu", "", "99999x8gpu"])
def test_other_words_are_refused_in_one_line(text: str) -> None:
    with pytest.raises(UserError, match="expected COUNTxGPUSgpuCPUScpu"):
        placement.parse_nodes(text)


def test_this_machines_gpus_are_those_that_may_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert placement.this_machine(3) == [Node(cpus=3, gpus=0)]


def test_a_dry_run_says_what_would_start_and_writes_nothing(tmp_path: Path) -> None:
    words = ["run", str(FOLDER / "full.yaml"), "--dry-run", "--nodes", "2x8gpu64cpu", "--results", str(tmp_path / "r")]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    assert "9 would start at once" in done.stdout
    assert not (tmp_path / "r").exists()
    answer = json.loads(CliRunner().invoke(app, [*words, "--json", "-"]).stdout)
    assert len(answer["runs"]) == 58
    assert answer["warnings"] == [] and max(answer["runs"][-1]["epochs"].values()) < 1
    assert answer["runs"][0].pop("epochs").keys() >= {"en", "id"}
    assert answer["runs"][0] == {
        "run": "1.7b-s0", "flops": answer["runs"][0]["flops"], "nodes": [0] * 8, "cpus": 1, "gpus": 1,
        "processes": 8, "one_node": False,
    }  # fmt: skip


def test_a_run_of_many_devices_whose_results_go_to_an_address_stands_on_one_node() -> None:
    runs = [run for run in read_study(FOLDER / "full.yaml").runs if run.training.devices == 8]
    asked = placement.check(runs, GPUS, at_address=True)
    assert asked["1.7b-s0"].one_node
    half_taken = [Node(cpus=64, gpus=4), Node(cpus=64, gpus=8)]
    assert placement.first_wave(runs, half_taken, asked)["1.7b-s0"] == (1,) * 8
    four = [Node(cpus=64, gpus=4)] * 2
    assert placement.first_wave(runs, four)["1.7b-s0"] == (0,) * 4 + (1,) * 4, "a folder that every node sees"
    assert placement.take(asked["1.7b-s0"], list(four)) == ()
    with pytest.raises(UserError, match="all of one node because results go to an address") as caught:
        placement.check(runs, four, at_address=True)
    assert len(str(caught.value)) <= LONGEST_MESSAGE
    with pytest.raises(UserError, match="each of one node, and the cluster has .*; lower training.devices"):
        placement.check(runs, four[:1], at_address=True)  # too few, wherever the results go
    assert timetable(runs, {"1.7b-s0": 1.0}, GPUS, asked).hours == 1.0


def test_a_dry_run_for_an_address_says_what_a_launch_says(tmp_path: Path) -> None:
    words = ["run", str(FOLDER / "full.yaml"), "--dry-run", "--results", f"file://{tmp_path}/bucket", "--nodes"]
    done = CliRunner().invoke(app, [*words, "2x8gpu64cpu", "--json", "-"])
    assert done.exit_code == 0, done.output
    first = json.loads(done.stdout)["runs"][0]
    assert (first["run"], first["one_node"], first["nodes"]) == ("1.7b-s0", True, [0] * 8)
    refused = CliRunner().invoke(app, [*words, "8x4gpu64cpu"])
    assert "all of one node because results go to an address" in str(refused.exception)


def test_a_dry_run_on_too_small_a_cluster_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    words = ["run", str(FOLDER / "full.yaml"), "--dry-run", "--nodes", "1x8cpu", "--results", str(tmp_path / "r")]
    result = CliRunner().invoke(app, words)
    assert isinstance(result.exception, UserError)
    assert "needs a GPU" in str(result.exception)
    words = ["run", str(FOLDER / "quick.yaml"), "--nodes", "1x8cpu"]
    assert "--dry-run" in str(CliRunner().invoke(app, words).exception)


def test_a_run_by_hand_of_far_more_threads_than_cores_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "wide.yaml"
    path.write_text("study: wide\nruns:\n  a: {training: {threads: 4, devices: 2}}\n")
    run = read_study(path).runs[0]
    check_by_hand(run, cores=2)
    with pytest.raises(UserError, match="run 'a' has 2 x 4 threads .* this machine 1 core; expected at most 4 a core"):
        check_by_hand(run, cores=1)
