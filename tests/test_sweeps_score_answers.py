"""``--limit``, ``--tasks``, ``--log-answers`` and ``--dry-run`` of ``sweeps score``."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from typer.testing import CliRunner

from calque.data import cube
from calque.data.answers import AnswersFile, read_answers
from calque.data.errors import UserError
from calque.models.scoring.selection import Selection
from calque.models.scoring.words import WordScorer
from calque.sweeps.api.score import ScoredCheckpoints, score
from calque.sweeps.cli import app
from calque.sweeps.score.notes import TASKS, selection_note
from calque.sweeps.score.plan import ScoringPlan
from tests.huggingface_models import save

QUICK: dict[str, Any] = {
    "languages": "en,de", "shots": 1, "concepts": 4, "minimal_pairs": 3, "heldout_tokens": 300, "pattern": "*-{step}",
    "tokens_per_step": 1000,
}  # fmt: skip


@pytest.fixture(scope="module")
def trainer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a Trainer leaves: checkpoints, the final model beside them, and a folder with settings alone."""
    root = tmp_path_factory.mktemp("trainer") / "out"
    for seed, step in enumerate((500, 1000)):
        save(root / f"checkpoint-{step}", "llama", seed)
    save(root, "llama", 7)
    (root / "1_Pooling").mkdir()
    (root / "1_Pooling" / "config.json").write_text("{}")
    return root


def scored(model: Path, output: Path, **more: Any) -> ScoredCheckpoints:
    found = score(model, output=output, **{**QUICK, **more})
    assert isinstance(found, ScoredCheckpoints)
    return found


def test_a_trainers_checkpoints_are_scored_and_the_final_model_where_it_is_placed(
    trainer: Path, tmp_path: Path
) -> None:
    found = scored(trainer, tmp_path / "r.nc", tasks="nonce")
    assert found.cube["revision"].values.tolist() == [["checkpoint-500", "checkpoint-1000"]]
    (line,) = [line for line in found.doubts() if "left out" in line]
    assert "'out' is the final model in the folder itself: give its position in `positions`" in line
    (tmp_path / "where.csv").write_text("revision,tokens\nout,2M\n")
    found = scored(trainer, tmp_path / "r.nc", tasks="nonce", positions=tmp_path / "where.csv")
    assert found.cube["revision"].values.tolist() == [["checkpoint-500", "checkpoint-1000", "out"]]
    np.testing.assert_array_equal(found.cube["tokens"], [[5e5, 1e6, 2e6]])


def test_a_scoring_without_loss_says_so_in_a_sentence() -> None:
    def note(**asked: list[int]) -> list[str]:
        counts = {task: [9, 9] for task in TASKS} | asked
        return selection_note(xr.Dataset(coords={"items_json": ("run", [json.dumps(counts)])}))

    assert note(loss=[0, 0]) == ["no loss is measured"]
    assert note() == []
    assert note(loss=[0, 0], words=[5, 16]) == [
        "asked at every checkpoint, the same ones: 5 of 16 word questions", "no loss is measured",
    ]  # fmt: skip


def test_a_limit_asks_the_same_items_at_every_checkpoint_with_the_same_answers(trainer: Path, tmp_path: Path) -> None:
    whole = scored(trainer, tmp_path / "whole.nc").cube
    found = scored(trainer, tmp_path / "part.nc", limit=5, sample_seed=3)
    part = found.cube
    asked = part["translation_outcome"].values[0] >= 0
    assert (asked.sum((1, 2, 3)) == 5).all()
    assert (asked[0] == asked[1]).all()
    for name in ("translation_outcome", "translation_logprob", "copy_logprob"):
        np.testing.assert_allclose(part[name].values[0][asked], whole[name].values[0][asked], rtol=1e-5)
    assert (part["nonce_total"].sum("language") == 5).all()
    assert (part["minimal_pair_total"].sum(("language", "phenomenon")) == 5).all()
    np.testing.assert_array_equal(part["loss"], whole["loss"])
    assert json.loads(part["questions_json"].item())["limit"] == 5
    assert json.loads(part["items_json"].item())["words"] == [5, 16]
    assert any("the same ones: 5 of 16 word questions, 5 of 24 invented words" in line for line in found.doubts())
    assert "limit" not in json.loads(whole["questions_json"].item()), "older cubes go on"
    other = scored(trainer, tmp_path / "other.nc", limit=5, sample_seed=4).cube
    assert ((other["translation_outcome"].values >= 0) != (part["translation_outcome"].values >= 0)).any()


@pytest.mark.parametrize("task", ["words", "nonce", "minimal_pairs", "loss"])
def test_a_task_alone(task: str, trainer: Path, tmp_path: Path) -> None:
    found = scored(trainer, tmp_path / "r.nc", tasks=[task], revisions="checkpoint-500").cube.isel(run=0, checkpoint=0)
    there = {
        "words": bool((found["translation_outcome"] >= 0).any()), "nonce": bool(found["nonce_total"].notnull().any()),
        "minimal_pairs": bool(found["minimal_pair_total"].notnull().any()), "loss": bool(found["loss"].notnull().any()),
    }  # fmt: skip
    assert [name for name, is_there in there.items() if is_there] == [task]
    assert found["checkpoint_flags"] == 0, "what is not asked is no doubt"


def test_impossible_choices_are_refused(trainer: Path, tmp_path: Path) -> None:
    for what, message in (
        ({"tasks": "words,nonces"}, "`tasks` names 'nonces'.*did you mean 'nonce'"),
        ({"tasks": " , "}, "`tasks` is empty"),
        ({"limit": 0}, "`limit` is 0"),
        ({"sample_seed": -1}, "`sample_seed` is -1"),
        ({"log_answers": "some"}, "`log_answers` is 'some'; expected a number of answers a task, 1 or more, or all"),
        ({"log_answers": 0}, "`log_answers` is '0'"),
        ({"dry_run": True, "flops_per_second": 0.0}, "`flops_per_second` is 0"),
    ):
        with pytest.raises(UserError, match=message):
            score(trainer, output=tmp_path / "r.nc", **{**QUICK, **what})


def test_answers_are_kept_also_by_a_scoring_that_goes_on(
    trainer: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    whole = WordScorer.__call__
    monkeypatch.setattr(WordScorer, "__call__", lambda *given, **how: asked.append(1) or whole(*given, **how))
    first = scored(trainer, tmp_path / "r.nc", log_answers="all").cube
    found = read_answers(tmp_path / "r.nc")
    each = found.groupby(["revision", "task"], observed=True).size().unstack()
    assert each.loc["checkpoint-500"].to_dict() == {"minimal_pairs": 6, "nonce": 24, "words": 16}
    assert each.nunique().eq(1).all()
    words = found[found["task"] == "words"].set_index(["step", "source", "target", "concept"])
    for (step, source, target, concept), row in words.iterrows():
        at = first.isel(run=0, checkpoint=[500, 1000].index(step)).sel(source=source, target=target, concept=concept)
        assert ("wrong", "translated", "copied", "other_language")[int(at["translation_outcome"])] == row["outcome"]
        np.testing.assert_allclose(at["translation_logprob"], row["expected_logprob"], rtol=1e-6)
        assert row["prompt"].endswith('"') and isinstance(row["answer"], str) and len(row["expected"])
    pairs = found[found["task"] == "minimal_pairs"]
    correct = pairs["expected_logprob"] > pairs["other_logprob"]
    assert (correct == (pairs["outcome"] == "correct")).all()
    assert correct.sum() == first["minimal_pair_correct"].sum()
    shutil.copytree(trainer / "checkpoint-500", tmp_path / "m" / "checkpoint-9")
    kept = (tmp_path / "r.answers.parquet").read_bytes()
    scored(trainer, tmp_path / "r.nc", log_answers="all")
    assert len(asked) == 2, "nothing is asked again"
    assert (tmp_path / "r.answers.parquet").read_bytes() == kept
    (tmp_path / "r.answers.parquet").unlink()
    again = scored(trainer, tmp_path / "r.nc", log_answers="all").cube
    assert len(asked) == 4, "answers that are gone are asked for again"
    pd.testing.assert_frame_equal(read_answers(tmp_path / "r.nc"), found)
    np.testing.assert_array_equal(again["translation_logprob"], first["translation_logprob"])
    with pytest.raises(UserError, match="answers of another run or to other items"):
        scored(trainer, tmp_path / "r.nc", log_answers=2)


def test_a_sample_of_answers_is_the_same_at_every_checkpoint_and_follows_a_move(trainer: Path, tmp_path: Path) -> None:
    scored(trainer, tmp_path / "r.nc", log_answers=2, tasks="words,nonce", revisions="checkpoint-500")
    scored(trainer, tmp_path / "r.nc", log_answers=2, tasks="words,nonce")
    scored(trainer, tmp_path / "r.nc", tasks="words,nonce", tokens_per_step=2000)
    found = read_answers(tmp_path / "r.nc")
    assert sorted(set(found["tokens"])) == [1_000_000, 2_000_000]
    one, other = (found[found["step"] == step].drop(columns="step") for step in (500, 1000))
    assert one["prompt"].tolist() == other["prompt"].tolist()
    assert one["task"].tolist() == ["nonce"] * 2 + ["words"] * 2


def test_a_kill_between_answers_and_row_loses_neither(
    trainer: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    whole = AnswersFile.put

    def put(self: AnswersFile, revision: str, *given: Any, **how: Any) -> None:
        whole(self, revision, *given, **how)
        if revision == "checkpoint-1000":
            raise Killed

    monkeypatch.setattr(AnswersFile, "put", put)
    with pytest.raises(Killed):
        scored(trainer, tmp_path / "r.nc", log_answers=2, tasks="nonce")
    assert cube.read(tmp_path / "r.nc").sizes["checkpoint"] == 1
    monkeypatch.undo()
    scored(trainer, tmp_path / "r.nc", log_answers=2, tasks="nonce")
    assert read_answers(tmp_path / "r.nc")["step"].tolist() == [500, 500, 1000, 1000]


def test_a_plan_counts_what_a_scoring_reads(trainer: Path, tmp_path: Path) -> None:
    plan = score(trainer, output=tmp_path / "r.nc", dry_run=True, flops_per_second=1e9, **QUICK)
    assert isinstance(plan, ScoringPlan)
    assert (plan.checkpoints, plan.to_score, plan.basis, plan.left_out) == (2, 2, "stated", ("out",))
    assert plan.questions["words"] == [16, 16] and plan.questions["nonce"] == [24, 24]
    assert plan.n_params == 15_520 + 16_384 and plan.flops == pytest.approx(plan.seconds * 1e9)
    assert not (tmp_path / "r.nc").exists()
    assert "time: " in plan.summary() and "16 of 16 word questions" in plan.summary()
    scored(trainer, tmp_path / "r.nc", revisions="checkpoint-500")
    went_on = score(trainer, output=tmp_path / "r.nc", dry_run=True, **QUICK)
    assert isinstance(went_on, ScoringPlan)
    assert (went_on.to_score, went_on.basis) == (1, "measured")
    words = [word for k, v in QUICK.items() for word in (f"--{k.replace('_', '-')}", str(v))]
    typed = CliRunner().invoke(app, ["score", str(trainer), "-o", str(tmp_path / "n.nc"), "--dry-run", *words])
    assert typed.exit_code == 0 and "state --flops-per-second" in typed.stdout


def test_a_selection_is_drawn_by_its_seed_alone() -> None:
    one = Selection(limit=4, seed=1)
    assert one.pick("words", 100) == Selection(limit=4, seed=1, tasks=("words", "nonce")).pick("words", 100)
    assert one.pick("words", 100) != one.pick("nonce", 100)
    assert one.pick("words", 3) == [0, 1, 2]
    assert Selection(tasks=("loss",)).pick("words", 9) == []
