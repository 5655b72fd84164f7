"""Logged answers: the file beside the cube, its rows, and reading them."""

from __future__ import annotations

from pathlib import Path

import pytest

from calque.data.answers import AnswersFile, LoggedAnswer, answers_path, join_answers, read_answers
from calque.data.errors import UserError

SAMPLE = {"run_id": "abc", "log_answers": 2}


def answer(concept: str, said: str | None = "Hund") -> LoggedAnswer:
    return LoggedAnswer(
        task="words", source="en", target="de", concept=concept, prompt=f"en {concept} de:", expected=("Hund",),
        answer=said, outcome="translated" if said else "not_finite", expected_logprob=-1.5 if said else None,
    )  # fmt: skip


def put(file: AnswersFile, step: int, *concepts: str, sha256: str = "w") -> None:
    file.put(f"step{step}", map(answer, concepts), run="a", step=step, tokens=1000 * step, sha256=sha256)


def test_rows_are_replaced_never_doubled_and_stand_in_the_order_of_training(tmp_path: Path) -> None:
    file = AnswersFile(tmp_path / "r.answers.parquet", SAMPLE)
    put(file, 20, "dog", "cat")
    put(file, 3, "cat", "dog")
    put(file, 20, "dog", "cat", sha256="v")
    again = AnswersFile(tmp_path / "r.answers.parquet", SAMPLE)
    assert again.has("step20", "v") and not again.has("step20", "w") and not again.has("step4", "w")
    put(again, 3, "dog", "cat")
    found = read_answers(tmp_path / "r.nc")
    assert found[["step", "concept"]].values.tolist() == [[3, "cat"], [3, "dog"], [20, "cat"], [20, "dog"]]
    assert found["tokens"].tolist() == [3000, 3000, 20000, 20000]
    assert found["expected"].map(list).tolist() == [["Hund"]] * 4
    assert found["expected_logprob"].tolist() == [-1.5] * 4
    assert not list(tmp_path.glob(".*")), "no partial file is left"


def test_checkpoints_move_and_share_answers(tmp_path: Path) -> None:
    file = AnswersFile(tmp_path / "r.answers.parquet", SAMPLE)
    put(file, 1, "dog")
    put(file, 2, "cat")
    file.copy("again", "step1", step=None, tokens=1500)
    file.place({"step1": (9, 9000), "elsewhere": (1, 1)})
    found = AnswersFile(tmp_path / "r.answers.parquet")
    assert found.has("again", "w")
    table = read_answers(tmp_path / "r.answers.parquet")
    assert table["revision"].tolist() == ["again", "step2", "step1"]
    assert table["tokens"].tolist() == [1500, 2000, 9000]
    assert table["concept"].tolist() == ["dog", "cat", "dog"]


def test_what_is_missing_stays_missing(tmp_path: Path) -> None:
    file = AnswersFile(tmp_path / "r.answers.parquet", SAMPLE)
    file.put("end", [answer("dog", None)], run="a", step=None, tokens=5, sha256="w")
    row = read_answers(tmp_path / "r.nc").iloc[0]
    assert row["outcome"] == "not_finite"
    assert row[["step", "answer", "expected_logprob", "other_logprob", "phenomenon"]].isna().all()


def test_other_samples_and_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "r.answers.parquet"
    with pytest.raises(UserError, match="there are no answers at .*; score with `log_answers`"):
        read_answers(tmp_path / "r.nc")
    put(AnswersFile(path, SAMPLE), 1, "dog")
    with pytest.raises(UserError, match="answers of another run or to other items"):
        AnswersFile(path, {**SAMPLE, "log_answers": 3})
    whole = path.read_bytes()
    for content in (b"", whole[: len(whole) // 2], b"PAR1" + bytes(50)):
        path.write_bytes(content)
        with pytest.raises(UserError, match="is no table of answers"):
            AnswersFile(path, SAMPLE)


def test_the_answers_of_runs_are_joined_and_a_damaged_file_is_named(tmp_path: Path) -> None:
    files = [answers_path(tmp_path / name / "run.nc") for name in ("one", "two", "three")]
    for i, file in enumerate(files):
        file.parent.mkdir()
        put(AnswersFile(file, {"run": i}), i + 1, "dog")
    files[1].write_bytes(b"nothing")
    left_out = join_answers(files, tmp_path / "results.answers.parquet")
    assert list(left_out) == [files[1]]
    assert read_answers(tmp_path / "results.nc")["revision"].tolist() == ["step1", "step3"]
