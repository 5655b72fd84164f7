"""Errors of files: what could not be read or written, the remedy for the reason, and the exit code."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from calque.data import cube, errors
from calque.data.errors import DiskError, UserError, about, file_error, guard, nearest
from calque.sweeps.study.study import read_study


def os_error(code: int, path: object = None) -> OSError:
    return OSError(code, os.strerror(code), *([] if path is None else [str(path)]))


def said(capsys: pytest.CaptureFixture[str], error: Exception) -> tuple[object, str]:
    def call() -> None:
        raise error

    with pytest.raises(SystemExit) as stopped:
        guard("phases", call)
    return stopped.value.code, capsys.readouterr().err


@pytest.mark.parametrize(
    ("code", "exit_code", "words"),
    [
        (errno.ENOSPC, 1, "cannot write {}: No space left on device; free some space and run the same command again"),
        (errno.EDQUOT, 1, "cannot write {}: Disk quota exceeded; free some space and run the same command again"),
        (errno.EIO, 1, "cannot read or write {}: Input/output error; repair the disk or choose another, and run"),
        (errno.EROFS, 2, "cannot write {}: Read-only file system; choose a folder that can be written"),
        (errno.EACCES, 2, "cannot read or write {}: Permission denied; change its permissions or choose another place"),
    ],
)
def test_a_command_says_what_failed_and_exits_by_whose_fault_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], code: int, exit_code: int, words: str
) -> None:
    path = tmp_path / "a.json"
    got, text = said(capsys, os_error(code, path))
    assert text.startswith(f"phases: {words.format(path)}") and text.count("\n") == 1, text
    assert got == exit_code


@pytest.mark.parametrize(("lacking", "verb"), [(os.R_OK, "read"), (os.W_OK, "write")])
def test_missing_permission_is_told_by_what_the_file_does_not_allow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], lacking: int, verb: str
) -> None:
    path = tmp_path / "a"
    path.touch()
    monkeypatch.setattr(errors.os, "access", lambda _, mode: mode != lacking)  # tests may run as root
    code, text = said(capsys, os_error(errno.EACCES, path))
    assert code == 2 and text.startswith(f"phases: cannot {verb} {path}: Permission denied; change its permissions")


def test_other_errors_of_the_system_are_no_mistake_of_the_user(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(FileNotFoundError):
        guard("phases", lambda: Path("/none/such").read_text())


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (errno.EACCES, "Permission denied; change its permissions or choose another file"),
        (errno.EIO, "Input/output error; repair the disk"),
        (errno.ENOENT, "No such file or directory; expected a study file"),
    ],
)
def test_a_study_that_cannot_be_read_is_not_said_to_be_unwritable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, words: str
) -> None:
    path = tmp_path / "study.yaml"
    path.write_text("study: s\nruns: {a: {}}\n")

    def refuse(self: Path, *args: object, **kwargs: object) -> str:
        raise os_error(code, self)

    monkeypatch.setattr(Path, "read_text", refuse)
    with pytest.raises(UserError) as caught:
        read_study(path)
    assert str(caught.value).startswith(f"cannot read {path}: {words}")
    assert caught.value.exit_code == (1 if code == errno.EIO else 2)


def test_a_cube_that_may_not_be_read_is_not_said_to_be_truncated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "results.nc"
    path.touch()

    def refuse(*args: object, **kwargs: object) -> None:
        raise os_error(errno.EACCES, path)

    monkeypatch.setattr("netCDF4.Dataset", refuse)
    with pytest.raises(UserError, match="^cannot read .*results.nc: Permission denied; change its permissions"):
        cube.read(path)


@pytest.mark.parametrize(("target", "code"), [("full", 1), ("folder", 2)])
def test_a_command_whose_answer_cannot_be_written_exits_by_the_reason(tmp_path: Path, target: str, code: int) -> None:
    program = (
        "import sys, errno, os\nfrom calque.data import files\nfrom calque.data.command_line.output import emit_json\n"
        "from calque.data.errors import guard\n"
        "def full(handle): raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))\n"
        "if sys.argv[1] == 'full': files.os.fsync = full\n"
        "guard('phases', lambda: emit_json(sys.argv[2], {'a': 1}))"
    )
    path = tmp_path / "answer.json"
    if target == "folder":
        path.mkdir()
    done = subprocess.run([sys.executable, "-c", program, target, path], capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    assert done.stderr.startswith(f"phases: cannot write {path}: ") and done.stderr.count("\n") == 1


def test_an_error_says_where_in_a_configuration_it_belongs() -> None:
    with pytest.raises(UserError) as outer, about("mix"):
        raise UserError("mix is odd")
    with pytest.raises(UserError) as inner, about("checkpoints"):
        raise UserError("budget is 0").at("checkpoints", "adaptive", "budget")
    assert outer.value.place == ("mix",) and inner.value.place == ("checkpoints", "adaptive", "budget")
    assert UserError("x").place == () and isinstance(file_error(os_error(errno.ENOSPC)), DiskError)


def test_several_names_with_commas_are_asked_for_one_by_one():
    assert nearest("acc,loss", ["acc", "loss", "step"]) == "; these are 2 names: give each by itself"
    assert nearest("acc, los", ["acc", "loss"]) == "; did you mean 'acc'?"
    assert nearest("a,b", ["a,c", "x"]) == "; did you mean 'a,c'?"


def test_a_name_of_which_the_word_is_a_part_is_nearest():
    runs = ["nano-s2", "micro-s0", "micro-s1"]
    assert nearest("s0", runs) == "; did you mean 'micro-s0'?"
    assert nearest("micro", runs) == "; did you mean 'micro-s0'?" and nearest("x", runs) == ""
