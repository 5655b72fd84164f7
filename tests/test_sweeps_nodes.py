"""A cluster of two nodes with declared GPUs: seats of runs, their environment, and a node that dies."""

from __future__ import annotations

import json
import os
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest

from calque.data import cube
from calque.sweeps.launch.environment import forwarded
from calque.sweeps.launch.installed import Installed, installed
from calque.sweeps.launch.request import LaunchRequest
from calque.sweeps.launch.tune import launch
from calque.sweeps.launch.worker import run_alone
from calque.sweeps.plan.placement import ResourceRequest
from calque.sweeps.results.claim import claim
from calque.sweeps.results.progress import read_progress
from calque.sweeps.results.remote import RemoteFolder
from calque.sweeps.results.root import ResultsRoot
from calque.sweeps.study.study import read_study
from tests.conftest import SMALL_STUDY
from tests.object_store import ObjectStore
from tests.sweeps_processes import comes_true, commands, descendants, sweeps

pytestmark = [pytest.mark.ray, pytest.mark.xdist_group("ray")]
ON_A_GPU = "size: 152m, training: {tokens: 6k, context: 32, batch_size: 4, warmup_tokens: 1k, precision: 32-true}"
"""More than 10M parameters, so that it asks for a GPU where there is one; few steps."""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Two nodes, each with two declared GPUs and a folder of its own for data."""
    from ray.cluster_utils import Cluster

    made = Cluster(
        initialize_head=True,
        head_node_args={"num_cpus": 0, "object_store_memory": 80 << 20, "include_dashboard": False},
    )
    try:
        for name in ("one", "two"):
            own = {"CALQUE_HOME": str(tmp_path_factory.getbasetemp() / name)}
            made.add_node(num_cpus=3, num_gpus=2, object_store_memory=80 << 20, env_vars=own)
        yield made
    finally:
        made.shutdown()


def files_with(text: bytes, *folders: Path) -> list[Path]:
    paths = [path for folder in folders for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    return [path for path in paths if text in path.read_bytes()]


def test_each_run_has_gpus_of_its_own_and_what_the_launch_had_set(
    cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = f"hf_{secrets.token_hex(16)}"
    for name, value in {"HF_TOKEN": secret, "CALQUE_SHARDS": "s3://shards", "WANDB_PROJECT": "ours"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("RAY_ADDRESS", cluster.address)
    monkeypatch.setenv("OF_THE_LAUNCH", "alone")
    path, seen = tmp_path / "s.yaml", tmp_path / "seen"
    seen.mkdir()
    path.write_text(f"study: s\nruns:\n  a: {{{ON_A_GPU}, seeds: [0, 1, 2, 3]}}\n")
    wanted = ("HF_TOKEN", "CALQUE_SHARDS", "WANDB_PROJECT", "CALQUE_HOME", "CUDA_VISIBLE_DEVICES", "OF_THE_LAUNCH")

    def work(request: Any) -> None:
        import sys

        import ray

        found = {name: os.environ.get(name) for name in wanted}
        assert secret not in repr(request)
        found |= {"node": ray.get_runtime_context().get_node_id(), "early": "huggingface_hub" in sys.modules}
        found["HF_TOKEN"] = str(found["HF_TOKEN"] == secret)  # the token itself is written nowhere
        (seen / request.run.name).write_text(json.dumps(found))
        until = time.monotonic() + 300
        while len(list(seen.iterdir())) < 4 and time.monotonic() < until:  # all four have a seat at once
            time.sleep(0.02)

    assert launch(read_study(path).runs, str(tmp_path / "r"), "", work=work) is None
    found = [json.loads(file.read_text()) for file in sorted(seen.iterdir())]
    assert len(found) == 4
    assert len({(each["node"], each["CUDA_VISIBLE_DEVICES"]) for each in found}) == 4
    assert {each["CUDA_VISIBLE_DEVICES"] for each in found} == {"0", "1"}
    for each in found:
        assert (each["HF_TOKEN"], each["CALQUE_SHARDS"], each["WANDB_PROJECT"]) == ("True", "s3://shards", "ours")
        assert each["OF_THE_LAUNCH"] is None, "what is not named stays where it is"
        assert not each["early"], "the hub's library reads some of these when it is imported"
    assert {Path(each["CALQUE_HOME"]).name for each in found} == {"one", "two"}, "a node keeps its own disk"
    session = Path(cluster.head_node.get_session_dir_path())
    assert list(session.glob("logs/*")), "there is something to look through"
    assert files_with(b"s3://shards", session, tmp_path / "r") == files_with(secret.encode(), session) == []


def processes_on(cluster: Any, name: bytes) -> dict[Any, int]:
    """How many processes of Ray of this name each node has, nodes without any left out."""
    found = {
        node: sum(
            name in command for command in commands(descendants(node.all_processes["raylet"][0].process.pid)).values()
        )
        for node in cluster.worker_nodes
    }
    return {node: count for node, count in found.items() if count}


def test_several_devices_of_one_node_copy_to_an_object_store_and_go_on_on_another_node(
    cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "small.yaml"
    wide = SMALL_STUDY.partition("  first-s1")[0].replace(
        "seeds: [0]", "size: 152m, training: {devices: 2, tokens: 2k, warmup_tokens: 1k}"
    )
    path.write_text(wide.replace("every: 8k, log_spaced: 3, first: 1k", "every: 1k, initial: no"))
    study = read_study(path)
    with ObjectStore().open() as store:
        for name, value in store.environment.items():
            monkeypatch.setenv(name, value)
        files = fsspec.filesystem("s3", skip_instance_cache=True)
        files.mkdir("bucket")
        # the run cannot end: where it stands is not taken, from nobody
        store.door = lambda method, path: "403 Forbidden" if method != "GET" and "progress.json" in path else None
        process = sweeps("run", path, "--results", "s3://bucket/small", RAY_ADDRESS=cluster.address)
        assert comes_true(lambda: sum(processes_on(cluster, b"ray::RankActor").values()) == 2, 600)
        assert list(processes_on(cluster, b"ray::RankActor").values()) == [2], "both stand on one node"
        there = RemoteFolder("s3://bucket/small/runs/first")
        assert comes_true(lambda: there.get("run.nc", tmp_path / "before.nc"), 600)
        (node,) = processes_on(cluster, b"ray::ResourceTrainable")
        cluster.remove_node(node, allow_graceful=False)
        store.door = lambda method, path: None
        out, err = process.communicate(timeout=900)
        assert process.returncode == 0, err
        root = ResultsRoot("s3://bucket/small")
        root.refresh(study.runs, cubes=True)
    assert "1 of 1 run done" in out and "its process died" in err
    made, timing = cube.read_with(root.folder / "runs" / "first" / "run.nc", "timing")
    assert list(made["step"].values[0]) == list(study.run("first").checkpoint_steps())
    _, before = cube.read_with(tmp_path / "before.nc", "timing")
    assert timing is not None and before is not None
    scored = [timed["scoring_seconds"].values[0, 0] for timed in (before, timing)]
    assert scored[0] == scored[1], "the row that the other node had copied stays"


def test_a_node_with_other_code_is_refused(small_study: Path, tmp_path: Path) -> None:
    study = read_study(small_study)
    claim(tmp_path / "results", study)
    run = study.run("first-s0")
    request = LaunchRequest(
        run=run, place=str(tmp_path / "results"), study_yaml="", launch_id="one", resources=ResourceRequest(cpus=1),
        code=Installed("0.0.1", None),
    )  # fmt: skip
    run_alone(request)
    standing = read_progress(tmp_path / "results", run)
    assert standing.state == "failed" and "the launch Calque 0.0.1; install the same on every node" in standing.message
    here = installed()
    assert here.difference(here) is None
    assert Installed(here.version, "abc").difference(Installed(here.version, None)) is None, "not known is not other"
    assert "at commit abd" in str(Installed("1", "abc").difference(Installed("1", "abd")))


def test_what_is_taken_along_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HF_TOKEN", "AWS_SECRET_ACCESS_KEY", "CALQUE_ANY", "HOME", "SSH_AUTH_SOCK", "GITHUB_TOKEN"):
        monkeypatch.setenv(name, "x")
    found = {name for name, value in forwarded().items() if value == "x"}
    assert found == {"HF_TOKEN", "AWS_SECRET_ACCESS_KEY", "CALQUE_ANY"}
