"""Damaged and hostile revisions: each is named, none ends the scoring of the others, none gives a number unsaid."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.torch import load_file, save_file

from calque.data import cube
from calque.data.answers import read_answers
from calque.data.errors import UserError
from calque.models.huggingface.importing import import_decoder
from calque.models.huggingface.transformers_model import load_transformers_model
from calque.sweeps.api.score import ScoredCheckpoints, score
from calque.sweeps.score.scored_model import HuggingFaceModel
from tests.huggingface_models import save

QUICK: dict[str, Any] = {
    "languages": "en,de", "shots": 0, "limit": 3, "heldout": "none", "pattern": "step{step}", "tokens_per_step": "2k",
}  # fmt: skip
Spoil = Callable[[Path], None]


def scored(model: Path, output: Path, **more: Any) -> ScoredCheckpoints:
    found = score(model, output=output, **{**QUICK, **more})
    assert isinstance(found, ScoredCheckpoints)
    return found


def setting(name: str, value: Any) -> Spoil:
    def spoil(folder: Path) -> None:
        path = folder / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {name: value}))

    return spoil


def part(name: Any) -> Spoil:
    def spoil(folder: Path) -> None:
        (folder / "folder").mkdir()
        (folder / "model.safetensors").rename(folder / "model-1.safetensors")
        (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": name}}))

    return spoil


def header(folder: Path) -> None:
    path = folder / "model.safetensors"
    whole = path.read_bytes()
    (size,) = struct.unpack("<Q", whole[:8])
    path.write_bytes(struct.pack("<Q", 2**60) + whole[8 : 8 + size])


def cut(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-7])


SPOILT: dict[str, Spoil] = {
    "layers": setting("num_hidden_layers", 10**6), "more layers": setting("num_hidden_layers", 10**12),
    "heads": setting("num_attention_heads", 0), "width": setting("hidden_size", 10**12),
    "vocabulary": setting("vocab_size", [512]), "context": setting("max_position_embeddings", "long"),
    "negative": setting("intermediate_size", -48), "half": setting("num_hidden_layers", 1.5),
    "not finite": setting("rms_norm_eps", float("nan")), "tied": setting("tie_word_embeddings", "false"),
    "rope": setting("rope_parameters", [1]), "rope base": setting("rope_theta", 0), "kind": setting("model_type", {}),
    "huge": setting("hidden_size", 10**400), "empty part": part(""), "up": part(".."), "folder": part("folder"),
    "number": part(5), "absent": part("model-2.safetensors"), "elsewhere": part("../step2/model.safetensors"),
    "header": header, "cut": cut,
}  # fmt: skip


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("models")
    return {kind: save(root / kind, kind) for kind in ("llama", "gpt_neox")}


def copy(saved: Path, to: Path) -> Path:
    to.mkdir(parents=True)
    for file in saved.iterdir():
        (to / file.name).write_bytes(file.read_bytes())
    return to


@pytest.mark.parametrize("kind", ["llama", "gpt_neox"])
@pytest.mark.parametrize("name", sorted(SPOILT))
def test_a_spoilt_model_is_refused_in_one_sentence(
    name: str, kind: str, saved: dict[str, Path], tmp_path: Path
) -> None:
    folder = copy(saved[kind], tmp_path / "step1")
    SPOILT[name](folder)
    with pytest.raises(UserError) as found:
        scored(folder, tmp_path / "r.nc")
    text = str(found.value).replace(str(tmp_path), "")
    assert len(text) <= 300 and text.isprintable() and "step1" in text
    assert not (tmp_path / "r.nc").exists()
    for load in (import_decoder, load_transformers_model):
        if kind == "llama" and name not in ("tied", "context"):
            with pytest.raises(UserError):
                load(str(folder))


def test_one_bad_revision_never_ends_the_others(
    saved: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for step, name in ((1, None), (2, "folder"), (3, "layers"), (4, None), (5, None), (6, None)):
        folder = copy(saved["llama"], tmp_path / "m" / f"step{step}")
        setting("bos_token_id", 0)(folder)
        path = folder / "model.safetensors"
        tensors = load_file(path)
        save_file({k: v + step * 1e-3 for k, v in tensors.items()}, path)
        if name is not None:
            SPOILT[name](folder)
    whole = HuggingFaceModel.load

    class PanicException(BaseException):
        """As pyo3 raises it."""

    def load(self: HuggingFaceModel, revision: str, folder: Path) -> Any:
        if revision == "step4":
            raise PanicException("index out of bounds")
        if revision == "step5":
            raise PermissionError(13, "Permission denied", str(folder))
        return whole(self, revision, folder)

    monkeypatch.setattr(HuggingFaceModel, "load", load)
    found = scored(tmp_path / "m", tmp_path / "r.nc")
    assert list(found.failed) == ["step2", "step3", "step4", "step5"]
    assert "PanicException: index out of bounds" in found.failed["step4"]
    assert "cannot read" in found.failed["step5"] and "Traceback" not in found.failed["step5"]
    assert cube.read(tmp_path / "r.nc")["revision"].values.tolist() == [["step1", "step6"]]
    assert sum("was not scored" in line for line in found.doubts()) == 4


def test_nothing_scored_at_all_is_an_error_that_counts(saved: dict[str, Path], tmp_path: Path) -> None:
    for step in (1, 2, 3):
        cut(copy(saved["llama"], tmp_path / "m" / f"step{step}"))
    with pytest.raises(UserError, match=r"'step1' \(and none of 2 others\) was not scored: .*model.safetensors is dam"):
        scored(tmp_path / "m", tmp_path / "r.nc")


@pytest.mark.parametrize("kind", ["llama", "gpt_neox"])
def test_weights_that_are_no_numbers_give_none(kind: str, saved: dict[str, Path], tmp_path: Path) -> None:
    for step in (1, 2):
        folder = copy(saved[kind], tmp_path / "m" / f"step{step}")
        if step == 2:
            path = folder / "model.safetensors"
            tensors = load_file(path)
            next(tensors[name] for name in sorted(tensors) if name.endswith("norm.weight"))[3] = np.nan
            save_file(tensors, path, metadata={"format": "pt"})
    found = scored(tmp_path / "m", tmp_path / "r.nc", heldout="sample", heldout_tokens=300, log_answers="all")
    assert not found.failed
    rows = cube.read(tmp_path / "r.nc").isel(run=0)
    assert rows["checkpoint_flags"].values.tolist() == [0, 4]
    assert int((rows["translation_outcome"][0] >= 0).sum()) == 3
    assert (rows["translation_outcome"][1] == -1).all(), "a model of NaN has not answered"
    for name in ("translation_logprob", "nonce_copied", "nonce_total", "minimal_pair_correct", "loss", "bits_per_byte"):
        assert rows[name][1].isnull().all() and rows[name][0].notnull().any(), name
    assert any("step2): flagged not_finite" in line for line in found.doubts())
    said = read_answers(tmp_path / "r.nc")
    assert set(said.loc[said["revision"] == "step2", "outcome"]) == {"not_finite"}
    again = scored(tmp_path / "m", tmp_path / "r.nc", heldout="sample", heldout_tokens=300, log_answers="all")
    assert again.scored.file.flags().tolist() == [0, 4], "kept with the cube"


def test_an_architecture_that_changes_is_said(tmp_path: Path) -> None:
    save(tmp_path / "m" / "step1", "llama")
    save(tmp_path / "m" / "step2", "llama", 1, num_hidden_layers=3)
    save(tmp_path / "m" / "step3", "llama", 2, num_hidden_layers=3)
    found = scored(tmp_path / "m", tmp_path / "r.nc", tasks="words")
    assert [line for line in found.doubts() if "architecture" in line] == [
        "the architecture changes from 'step1' to 'step2': num_hidden_layers 2, then 3"
    ]
