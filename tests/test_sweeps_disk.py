"""What a study takes on disk: shards and copies in the plan, and copies that are removed once they are elsewhere."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from calque.data import cube
from calque.models.config.retention import kept_steps, passing, stays
from calque.models.config.sizes import ladder
from calque.sweeps.cli import app
from calque.sweeps.prepare.known_text import data_sets, texts
from calque.sweeps.prepare.prepare import make_shards
from calque.sweeps.results.mirror import Mirror
from calque.sweeps.results.progress import read_progress
from calque.sweeps.results.remote import RemoteFolder
from calque.sweeps.results.root import ResultsRoot
from calque.sweeps.running import run_one
from calque.sweeps.study.study import read_study

FULL = Path(__file__).parent.parent / "sweeps" / "full.yaml"


def planned(path: Path, *words: str) -> dict:
    done = CliRunner().invoke(app, ["plan", str(path), "--json", "-", *words])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_a_plan_counts_shards_and_copies_beside_an_address(tmp_path: Path) -> None:
    bill = planned(FULL, "--results", "s3://bucket/full")
    main, romanised = bill["data_sets"]
    assert (main["runs"], romanised["runs"], main["measured"]) == (51, 7, False)
    assert 400e9 < main["shard_bytes"] < 450e9
    assert bill["total"]["shard_bytes"] == main["shard_bytes"] + romanised["shard_bytes"]
    large = bill["runs"][0]
    n = ladder(2048, 131_072).n_params
    assert large["local_bytes"] == 2 * 12 * n + 2 * 2 * n, "two states, and the two newest weights in bfloat16"
    said = CliRunner().invoke(app, ["plan", str(FULL), "--results", "s3://bucket/full"]).stdout
    assert "token shards: 661 GB for 2 data sets on each node" in said
    assert "takes up to 46.7 GB (1.7b-s0) on its node, until it is done" in said
    here = planned(FULL, "--results", str(tmp_path))
    assert here["total"]["local_bytes"] == 0 and not here["at_address"]


def test_shards_that_are_there_are_measured(small_study: Path) -> None:
    runs = read_study(small_study).runs
    shards = make_shards(runs[0])
    (found,) = data_sets(runs, texts(runs))
    assert found.measured and found.runs == 2 and found.name == shards.folder.name
    held = [shard for split in (shards.train, shards.heldout) for shard in split.values()]
    assert found.shard_bytes == sum(shard.tokens * np.dtype(shard.dtype).itemsize for shard in held)


@pytest.mark.parametrize("policy", ["all", "last:3", "every:4", "every:4+last:3", "every:3+every:5"])
def test_what_stays_is_what_is_kept_whatever_comes_after(policy: str) -> None:
    steps = list(range(0, 330, 10))
    kept = {step: [step in kept_steps(policy, steps[: i + 1], steps) for i in range(len(steps))] for step in steps}
    for i, step in enumerate(steps[:-3]):  # the last three are no longer followed by as many
        assert stays(policy, step, steps) == all(kept[step][i:]), step
    assert passing(policy) == (3 if "last" in policy else 0)


@pytest.mark.parametrize(
    ("policy", "here"), [("every:1", [8, 9]), ("last:9", list(range(10))), ("every:4", [1, 2, 3, 5, 6, 7, 8, 9])]
)
def test_weights_that_stay_there_go_here(tmp_path: Path, policy: str, here: list[int]) -> None:
    local, remote = tmp_path / "run", RemoteFolder(f"file://{tmp_path}/bucket")
    (local / "weights").mkdir(parents=True)
    for step in range(10):
        for end in ("", ".sha256"):
            (local / "weights" / f"step-{step:08d}.safetensors{end}").write_text(str(step))
    mirror = Mirror(local, remote, lambda step: stays(policy, step, range(10)))
    mirror.push()
    mirror.push()
    left = sorted(int(path.stem.removeprefix("step-")) for path in local.glob("weights/*.safetensors"))
    assert left == here
    assert len(remote.names()) == 20, "all of it is there"
    (local / "weights" / "step-00000009.safetensors").unlink()  # the run itself removes one
    mirror.push()
    assert len(remote.names()) == 19


def test_a_run_whose_address_was_removed_begins_anew(small_study: Path, tmp_path: Path) -> None:
    study, address = read_study(small_study), f"file://{tmp_path}/bucket"
    run = study.run("first-s0")
    first, _ = run_one(study, run, address)
    shutil.rmtree(tmp_path / "bucket")
    again, _ = run_one(study, run, address)
    assert (first.state, again.state) == ("done", "done")
    there = RemoteFolder(f"{address}/runs/{run.name}").names()
    assert sum(name.endswith(".safetensors") for name in there) == again.total_checkpoints, "all are made again"


def test_what_was_not_copied_whole_stays(tmp_path: Path) -> None:
    local, remote = tmp_path / "run", RemoteFolder(f"file://{tmp_path}/bucket")
    (local / "weights").mkdir(parents=True)
    mirror = Mirror(local, remote, lambda step: True)
    for step in range(4):
        (local / "weights" / f"step-{step:08d}.safetensors").write_text(str(step))
    mirror.push()
    assert len(list(local.glob("weights/*"))) == 4, "a checkpoint without its digest is not whole yet"


def test_a_run_that_is_done_leaves_no_weights_on_its_node(small_study: Path, tmp_path: Path) -> None:
    study, address = read_study(small_study), f"file://{tmp_path}/bucket"
    run = study.run("first-s0")
    standing, root = run_one(study, run, address)
    assert standing.state == "done"
    folder = root._here / "work" / "runs" / run.name
    assert not (folder / "weights").exists() and not (folder / "states").exists()
    assert read_progress(root._here / "work", run).state == "done", "siblings on this node still see how it went"
    there = RemoteFolder(f"{address}/runs/{run.name}").names()
    assert sum(name.endswith(".safetensors") for name in there) == standing.total_checkpoints
    root = ResultsRoot(address)
    root.refresh(study.runs, cubes=True)
    assert cube.read(root.folder / "runs" / run.name / "run.nc").sizes["checkpoint"] == standing.total_checkpoints
