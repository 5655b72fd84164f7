"""What a node copies to the address, and what it removes there."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import fsspec
import pytest

from calque.models.checkpoints.digests import digest_file
from calque.models.checkpoints.weights import drop_weights, weights_path
from calque.models.config import retention
from calque.sweeps.results.mirror import Mirror
from calque.sweeps.results.remote import RemoteFolder


@pytest.fixture(params=["file", "memory"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    yield f"file://{tmp_path}/bucket/small" if request.param == "file" else "memory://bucket/small"
    fsspec.filesystem("memory").store.clear()


def test_the_log_of_steps_goes_before_the_states_and_only_with_something_else(address: str, tmp_path: Path) -> None:
    order: list[str] = []
    remote, local = RemoteFolder(address), tmp_path / "run"
    put = remote.put
    remote.put = lambda path, name: (order.append(name), put(path, name))[1]  # type: ignore[assignment, func-returns-value]
    for name in ("states/step-1.ckpt", "steps.csv", "progress.json"):
        (local / name).parent.mkdir(parents=True, exist_ok=True)
        (local / name).write_text(name)
    mirror = Mirror(local, remote)
    mirror.push()
    assert order == ["steps.csv", "states/step-1.ckpt", "progress.json"]
    (local / "steps.csv").write_text("more")
    (local / "progress.json").write_text("more")
    mirror.push()
    assert order[3:] == ["progress.json"], "it grows all the time"
    (local / "states" / "step-2.ckpt").write_text("2")
    mirror.push()
    assert order[4:] == ["steps.csv", "states/step-2.ckpt"]
    other = Mirror(tmp_path / "other", remote)
    assert other.fetch() and (tmp_path / "other" / "steps.csv").read_text() == "more"


def test_weights_of_another_node_go_when_the_retention_lets_them_go(address: str, tmp_path: Path) -> None:
    """``every:4+last:2``: the run began on one node, and goes on on another, which never had its first weights."""
    planned, remote = tuple(range(0, 90, 10)), RemoteFolder(address)

    def node(name: str) -> Mirror:
        (tmp_path / name).mkdir()
        keeps = partial(retention.kept_steps, "every:4+last:2", planned=planned)
        return Mirror(tmp_path / name, remote, keeps=keeps)

    def write(mirror: Mirror, *steps: int) -> None:
        for step in steps:
            path = weights_path(mirror.local, step)
            path.parent.mkdir(exist_ok=True)
            path.touch()
            digest_file(path).touch()
        drop_weights(mirror.local, "every:4+last:2", planned, steps[-1])
        mirror.push()

    def there() -> list[int]:
        names = [name for name in remote.names() if name.endswith(".safetensors")]
        assert all(f"{name}.sha256" in remote.names() for name in names)
        assert len(remote.names()) == 2 * len(names), "no sum is left alone"
        return sorted(int(Path(name).stem.removeprefix("step-")) for name in names)

    first = node("first")
    write(first, 0, 10, 20, 30)
    assert there() == [0, 20, 30]
    second = node("second")
    second.fetch()
    write(second, 40)
    assert there() == [0, 30, 40]
    write(second, 50, 60)
    assert there() == [0, 40, 50, 60]
