"""Positions, flags and sources of ``sweeps score``, one by one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from calque.data import cube
from calque.data.errors import UserError
from calque.sweeps.score.flags import DUPLICATE, NOT_FINITE, OUTLIER, SHARED, Evidence, flag_messages, flags
from calque.sweeps.score.positions import PatternPositions, Position, TablePositions, place_revisions
from calque.sweeps.score.sources import CacheSource, FolderSource, choose_revisions, open_source
from tests.huggingface_models import save


def test_patterns_read_positions() -> None:
    steps = PatternPositions("step{step}", 2_097_152)
    assert steps.of("step1000") == Position(tokens=2_097_152_000, step=1000)
    assert steps.of("main") is steps.of("step1000-old") is steps.of("step") is None
    both = PatternPositions("*step{step}-tokens{tokens}")
    assert both.of("stage1-step1000-tokens4B") == Position(tokens=4_000_000_000, step=1000)
    exact = PatternPositions("*step{step}-tokens{tokens}", 4_194_304)
    assert exact.of("stage1-step1000-tokens4B") == Position(tokens=4_194_304_000, step=1000)
    assert PatternPositions("{tokens}").of("1.5T") == Position(tokens=1_500_000_000_000)
    assert PatternPositions("a.b{tokens}").of("axb5") is None, "a dot is a dot"


@pytest.mark.parametrize(
    ("pattern", "per_step", "message"),
    [
        ("step", None, "expected {step} or {tokens} in it"),
        ("step{stp}", 5, "expected {step} or {tokens} in it"),
        ("{step}{step}", 5, "each once"),
        ("step{step}", None, "give the tokens of a step: `tokens_per_step`"),
        ("step{step}", 0, "`tokens_per_step` is 0"),
        ("t{tokens}", 5, "`tokens_per_step` needs {step}"),
    ],
)
def test_impossible_patterns_are_refused(pattern: str, per_step: int | None, message: str) -> None:
    with pytest.raises(UserError) as found:
        PatternPositions(pattern, per_step)
    assert message in str(found.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("revision;tokens\na;5\n", "expected revision,tokens"),
        ("revision,tokens\na,many\n", "where.csv:2: tokens is 'many'"),
        ("revision,tokens\na,5\na,6\n", "where.csv:3: revision 'a' comes twice"),
        ("revision,tokens\na\n", "where.csv:2: tokens is 'None'"),
    ],
)
def test_impossible_tables_are_refused(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "where.csv").write_text(text)
    with pytest.raises(UserError) as found:
        TablePositions(tmp_path / "where.csv")
    assert message in str(found.value)


def test_revisions_come_in_the_order_of_training() -> None:
    order, left_out = place_revisions(["step10", "step9", "main"], PatternPositions("step{step}", 5), named=False)
    assert list(order) == ["step9", "step10"]
    assert left_out == ["main"]
    with pytest.raises(UserError, match="how many training tokens 'main' has seen"):
        place_revisions(["step10", "main"], PatternPositions("step{step}", 5), named=True)
    with pytest.raises(UserError, match="'a-1' and 'b-1' are both at 5 tokens"):
        place_revisions(["a-1", "b-1"], PatternPositions("*-{step}", 5), named=False)


def evidence(digests: Sequence[str], scores: Sequence[float]) -> list[Evidence]:
    return [Evidence(sha256=sha256, score=score) for sha256, score in zip(digests, scores, strict=True)]


def test_flags_tell_duplicates_outliers_and_numbers_that_are_none() -> None:
    rng = np.random.default_rng(0)
    scores = 4 * np.exp(-np.arange(40) / 6) + 2 + 0.02 * rng.standard_normal(40)
    digests = [str(i) for i in range(40)]
    assert not flags(evidence(digests, scores)).any(), "a steep fall is none"
    scores[17] += 1.5
    digests[5] = digests[21]
    scores[21] = 9
    whole = evidence(digests, scores)
    whole[30] = replace(whole[30], finite=False)
    found = flags(whole)
    assert found[17] == OUTLIER
    assert found[30] == NOT_FINITE
    assert found[5] == found[21] == DUPLICATE
    assert np.flatnonzero(found).tolist() == [5, 17, 21, 30]
    lines = flag_messages([f"s{i}" for i in range(40)], whole, found)
    assert lines[0].startswith("2 of 40 checkpoints have the weights of another (s5 = s21): flagged duplicate_weights")
    assert lines[1] == "1 of 40 checkpoints score out of line with their neighbours (s17): flagged outlier"
    assert lines[2] == (
        "1 of 40 checkpoints gave numbers that are not finite, which are missing in the cube (s30): flagged not_finite"
    )


def test_flags_of_curves_without_noise_and_of_few_points() -> None:
    assert not flags(evidence("abcdefgh", [8, 4, 2, 1, 0.5, 0.25, 0.12, 0.06])).any()
    assert not flags(evidence("abc", [1, 9, 1])).any(), "too few to tell"
    assert not flags(evidence("abc", [np.nan] * 3)).any(), "a checkpoint without loss and words is none to doubt"
    assert flags(evidence("abcdefgh", [8, 4, 2, 9, 0.5, 0.25, 0.12, 0.06]))[3] == OUTLIER
    hundred = evidence(["x"] * 100 + ["y"], np.zeros(101))
    one = flags(hundred)
    assert (one[:100] == DUPLICATE).all()
    assert one[100] == 0
    (line,) = flag_messages([f"r{i}" for i in range(101)], hundred, one)
    assert "100 of 101" in line
    assert "r0 = r1 = r2 = 97 more" in line


@pytest.mark.parametrize(
    ("files", "flagged"),
    [
        (["a1 b1", "a2 b2", "a1 b3"], [SHARED, 0, SHARED]),
        (["a1 b1", "a1 b1", "a2 b2"], [DUPLICATE, DUPLICATE, 0]),
        (["a1 b1", "a1 b1", "a1 b2"], [DUPLICATE | SHARED, DUPLICATE | SHARED, SHARED]),
        (["a1 b1", "b1 c1", "c1 d1"], [SHARED, SHARED, SHARED]),
        (["", "", ""], [0, 0, 0]),
    ],
)
def test_a_file_in_several_checkpoints_is_flagged(files: list[str], flagged: list[int]) -> None:
    whole = [
        Evidence(sha256=names or str(i), files=frozenset(names.split()), score=1.0) for i, names in enumerate(files)
    ]
    found = flags(whole)
    assert found.tolist() == flagged
    lines = [line for line in flag_messages(["r0", "r1", "r2"], whole, found) if "shared_file" in line]
    assert len(lines) == any(flag & SHARED for flag in flagged)


def test_cubes_of_several_models_are_joined(tmp_path: Path) -> None:
    def scored(name: str, checkpoints: int) -> xr.Dataset:
        dims = ("run", "checkpoint")
        tokens = np.arange(1.0, checkpoints + 1)[None]
        revisions = np.array([[f"step{i}" for i in range(checkpoints)]], object)
        coords = {
            "run": [name],
            "revision": (dims, revisions),
            "checkpoint_flags": (dims, np.ones((1, checkpoints), np.int8)),
        }
        return cube.describe(xr.Dataset({"tokens": (dims, tokens), "loss": (dims, tokens)}, coords=coords))

    cube.write(cube.concat([scored("small", 3), scored("large", 2)]), tmp_path / "suite.nc")
    joined = cube.read(tmp_path / "suite.nc")
    assert joined["run"].values.tolist() == ["small", "large"]
    assert joined["revision"].values.tolist() == [["step0", "step1", "step2"], ["step0", "step1", ""]]
    np.testing.assert_array_equal(joined["checkpoint_flags"], [[1, 1, 1], [1, 1, 0]])
    assert joined["checkpoint_flags"].dtype == np.int8


def test_folders_are_read_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for name in ("checkpoint-10", "checkpoint-9", "best"):
        save(tmp_path / "m" / name, "llama")
    (tmp_path / "m" / "logs").mkdir()
    source = open_source(str(tmp_path / "m"))
    assert isinstance(source, FolderSource)
    assert list(source.revisions) == ["best", "checkpoint-9", "checkpoint-10"]
    assert choose_revisions(source, None) == (["best", "checkpoint-9", "checkpoint-10"], False)
    assert choose_revisions(source, "checkpoint-*") == (["checkpoint-9", "checkpoint-10"], False)
    assert choose_revisions(source, "checkpoint-10, best") == (["best", "checkpoint-10"], True)
    with pytest.raises(UserError, match="`revisions` is empty"):
        choose_revisions(source, " , ")


def test_a_cache_names_branches_tags_and_lone_commits(tmp_path: Path) -> None:
    root = tmp_path / "models--o--n"
    for commit in ("a" * 40, "b" * 40):
        (root / "snapshots" / commit).mkdir(parents=True)
    (root / "refs" / "pr").mkdir(parents=True)
    (root / "refs" / "pr" / "1").write_text("a" * 40)
    (root / "refs" / "gone").write_text("c" * 40)
    source = CacheSource(root)
    assert source.name == "o/n"
    assert source.revisions == {"pr/1": "a" * 40, "b" * 40: "b" * 40}
