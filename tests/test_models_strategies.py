"""One numerical policy: every strategy, precision and way to save memory computes the same function."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch.distributed.device_mesh import init_device_mesh
from torch.nn.parallel import DistributedDataParallel

from calque.models.config.memory import WHOLE_LOGITS
from calque.models.config.training import PRECISIONS, STRATEGIES
from calque.models.decoder.decoder import Decoder
from calque.models.decoder.loss import Objective
from calque.models.training import compiling
from calque.models.training.precision import compute_as, computed_in
from calque.models.training.strategy import _shard
from calque.models.training.workers import launch
from tests import distributed_training as small

pytestmark = pytest.mark.xdist_group("processes")
FIRST_STEP, LATER_STEPS = 2e-6, 2e-2
"""Most difference (nats/token): of the same function of the same weights, and after steps that round differently."""


@pytest.fixture(autouse=True)
def whole_logits_as_before() -> Iterator[None]:
    before = dict(WHOLE_LOGITS)
    yield
    WHOLE_LOGITS.update(before)


def losses(folder: Path) -> dict[int, float]:
    return {int(step): loss for step, loss in json.loads((folder / "losses.json").read_text()).items()}


def alone(folder: Path, **fields: Any) -> dict[int, float]:
    folder.mkdir()
    small.run(small.config(**fields), folder)
    return losses(folder)


def together(folder: Path, chunked: bool = False, **fields: Any) -> dict[int, float]:
    folder.mkdir()
    settings = small.config(**fields)
    launch(small.run_in_chunks if chunked else small.run, settings.devices, settings, folder, restarts=0)
    return losses(folder)


def same(found: dict[int, float], expected: dict[int, float], later: float = LATER_STEPS) -> None:
    assert len(found) == small.STEPS and expected[50] < expected[1] - 0.5
    assert found[1] == pytest.approx(expected[1], abs=FIRST_STEP)
    assert found == pytest.approx(expected, abs=later)


@pytest.mark.parametrize("chunked", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_sharded_mixed_precision_is_that_of_one_device(tmp_path: Path, chunked: bool) -> None:
    expected = alone(tmp_path / "alone", precision="bf16-mixed")
    same(together(tmp_path / "sharded", chunked, precision="bf16-mixed", devices=2, strategy="fsdp2"), expected)


@pytest.mark.parametrize("precision", ["bf16-mixed", "bf16-true"])
def test_the_model_in_training_is_the_one_that_is_stored(precision: str, tmp_path: Path) -> None:
    """Its weights rounded to bfloat16 give the loss of the training step, to the bit."""
    decoder, tokens = Decoder(small.SHAPE, seed=0), torch.from_numpy(small.Cycle().batch(0))
    stored = Decoder(small.SHAPE, seed=0).to(torch.bfloat16)
    if precision == "bf16-mixed":
        decoder.compute_in(torch.bfloat16)
    else:
        decoder.to(torch.bfloat16)
    in_training = Objective(decoder)(tokens)[1]
    assert torch.equal(Objective(stored)(tokens)[1], in_training)
    exact = Objective(Decoder(small.SHAPE, seed=0))(tokens)[1]
    assert in_training != exact and in_training.item() == pytest.approx(exact.item(), abs=1e-2)
    assert decoder.residuals(tokens).dtype == torch.float32
    assert decoder.hidden(tokens)[1][0][0].dtype == torch.bfloat16, "keys"


WAYS: dict[str, dict[str, Any]] = {
    "bf16-mixed": {"precision": "bf16-mixed"},
    "micro-batches": {"precision": "bf16-mixed", "micro_batch_size": 1},
    "compiled": {"compile": "always"},
    "selective": {"activation_checkpointing": "selective"},
    "Muon": {"optimizer": "muon"},
    "float8": {"precision": "float8-mixed"},
}


def test_four_processes_with_all_at_once_give_the_losses_of_one(tmp_path: Path) -> None:
    """The short form of what follows."""
    at_once = {"precision": "bf16-mixed", "activation_checkpointing": "selective", "optimizer": "muon"}
    expected = alone(tmp_path / "alone", **at_once)
    same(together(tmp_path / "together", True, devices=4, strategy="fsdp2", micro_batch_size=1, **at_once), expected)


@pytest.fixture
def group_of_one(tmp_path: Path) -> Iterator[None]:
    store = dist.FileStore(str(tmp_path / "store"), 1)
    dist.init_process_group("gloo", store=store, rank=0, world_size=1)
    yield
    dist.destroy_process_group()


@pytest.mark.filterwarnings("ignore:.*(deprecated|should not be instantiated):DeprecationWarning")  # in the compiler
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning")  # likewise
@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("precision", PRECISIONS)
def test_blocks_compile_without_a_break_under_every_strategy(
    precision: str, strategy: str, group_of_one: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Compiled block by block, as with several devices; a break of a graph is an error here."""
    whole = partial(torch.compile, fullgraph=True, backend="aot_eager")
    monkeypatch.setattr(compiling.torch, "compile", whole)
    settings = small.config(precision=precision, devices=2, strategy=strategy)
    tokens, found = torch.from_numpy(small.Cycle().batch(0)), []
    for compiled in (False, True):
        decoder = Decoder(small.SHAPE, seed=0).to(torch.bfloat16 if precision == "bf16-true" else torch.float32)
        compute_as(settings, decoder, torch.device("cpu"))
        objective: Any = Objective(decoder, 1e-3)
        decoder.positions(0, 16)
        if compiled:
            compiling.compile_step(objective, alone=False)
        if strategy == "ddp":
            objective = DistributedDataParallel(objective)
        else:
            _shard(objective, init_device_mesh("cpu", (1,), mesh_dim_names=("data_parallel",)), computed_in(settings))
        loss = objective(tokens)[0]
        loss.backward()
        found.append(loss.item())
        assert all(p.grad is not None for p in decoder.parameters())
    assert found[1] == pytest.approx(found[0], rel=1e-2 if precision == "bf16-true" else 1e-5)


@pytest.fixture(scope="module")
def one_process(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], dict[int, float]]:
    """Losses of one process that takes each batch whole and uncompiled, by the way of the others."""
    folder, found = tmp_path_factory.mktemp("one"), {}

    def of(way: str) -> dict[int, float]:
        fields = {name: value for name, value in WAYS[way].items() if name not in ("micro_batch_size", "compile")}
        key = json.dumps(fields)
        if key not in found:
            found[key] = alone(folder / str(len(found)), **fields)
        return found[key]

    return of


@pytest.fixture(scope="module", params=["ddp", "fsdp2"])
def four_processes(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of every way, trained one after the other by the same four processes."""
    folder = tmp_path_factory.mktemp(request.param)
    runs = {way: small.config(devices=4, strategy=request.param, **fields) for way, fields in WAYS.items()}
    launch(small.run_several_in_chunks, 4, runs, folder, restarts=0)
    return folder


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*deprecated:DeprecationWarning")  # within torch's compiler
@pytest.mark.parametrize("way", WAYS)
def test_four_processes_give_the_losses_of_one(
    one_process: Callable[[str], dict[int, float]], four_processes: Path, way: str
) -> None:
    exact = "precision" not in WAYS[way] and way != "Muon"  # Muon iterates in bfloat16
    same(losses(four_processes / way), one_process(way), 1e-5 if exact else LATER_STEPS)
