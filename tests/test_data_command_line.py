"""Options that are no numbers are refused by every command; answers are strict JSON."""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

import calque.phases.cli
import calque.scaling.cli
import calque.sweeps.cli
from calque.data.command_line.command import Command
from calque.data.command_line.output import emit_json
from calque.data.errors import UserError, guard
from calque.data.version import code_version

APPS = {"phases": calque.phases.cli.app, "scaling": calque.scaling.cli.app, "sweeps": calque.sweeps.cli.app}


@pytest.mark.parametrize("value", ["inf", "-inf", "nan", "1e999"])
@pytest.mark.parametrize("many", [False, True])
def test_an_option_that_is_not_finite_is_refused_by_name(value: str, many: bool) -> None:
    app = typer.Typer()

    @app.command(cls=Command)
    def command(share: float = 1.0, each: list[float] | None = None) -> None:
        print(share, each)

    words = ["--each", "1", "--each", value] if many else ["--share", value]
    done = CliRunner().invoke(app, words)
    name = "--each" if many else "--share"
    assert isinstance(done.exception, UserError)
    assert str(done.exception) == f"{name} is {float(value)}; expected a finite number"
    assert CliRunner().invoke(app, ["--share", "0.5"]).output == "0.5 None\n"


def test_an_option_that_stands_where_a_value_is_expected_is_not_taken_for_it() -> None:
    app = typer.Typer()

    @app.command(cls=Command)
    def command(percent: list[str] | None = None, trials: str = "", loud: bool = False) -> None:
        print(percent, trials, loud)

    for words in (["--percent", "--trials", "200"], ["--trials", "--loud"], ["--trials", "--no-loud"]):
        error = CliRunner().invoke(app, words).exception
        assert isinstance(error, UserError)
        assert str(error) == f"{words[0]} is followed by {words[1]}; expected its value between them (see --help)"
    assert CliRunner().invoke(app, ["--percent", "-1", "--trials=--loud", "--loud"]).output == "['-1'] --loud True\n"


def test_json_is_strict_and_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answer = {"a": [1.5, math.nan, (math.inf,)], "b": {"é": None}}
    assert not emit_json(None, answer) and not emit_json(str(tmp_path / "a.json"), answer)
    assert capsys.readouterr().out == ""
    assert emit_json("-", answer)
    out = capsys.readouterr().out
    assert out == (tmp_path / "a.json").read_text() and "é" in out
    assert json.loads(out) == {"a": [1.5, None, [None]], "b": {"é": None}}
    with pytest.raises(UserError, match="cannot write .*: Is a directory; choose another file"):
        emit_json(str(tmp_path), answer)


@pytest.mark.contract
@pytest.mark.parametrize("program", APPS)
def test_every_command_of_a_program_is_one_of_these(program: str) -> None:
    commands = typer.main.get_command(APPS[program]).commands  # type: ignore[attr-defined]
    assert commands and all(isinstance(command, Command) for command in commands.values())


@pytest.mark.parametrize(
    ("program", "words", "said"),
    [
        ("sweeps", ["plan", "sweeps/quick.yaml", "--flops", "inf"], "--flops is inf; expected a finite number"),
        ("sweeps", ["plan", "sweeps/quick.yaml", "--flops", "-3"], "--flops is -3; expected the peak FLOP/s"),
        ("sweeps", ["plan", "sweeps/quick.yaml", "--flops", "1e-300"], "--flops is 1e-300; expected the peak"),
        ("phases", ["detect", "none.nc", "--rise", "nan"], "--rise is nan; expected a finite number"),
        ("phases", ["pool", "none.nc", "--level", "inf"], "--level is inf; expected a finite number"),
        ("scaling", ["plan", "--budget", "nan"], "--budget is nan"),
        ("scaling", ["plan", "--budget", "0"], "--budget is 0 h200-hours; expected more than 0, such as 1600"),
        ("scaling", ["plan", "--budget", "9", "--margin", "1"], "--margin is 1; expected more than 1"),
        ("scaling", ["plan", "--budget", "9", "--t0", "0", "--c", "0"], "--t0 is 0 and --c is 0"),
        ("scaling", ["plan", "--budget", "9", "--gamma", "-1"], "--gamma is -1"),
        ("scaling", ["plan", "--budget", "9", "--seed-sd", "1e300"], "--seed-sd is 1e+300"),
        ("scaling", ["calibrate", "--factor", "1e300"], "--factor is 1e+300"),
        ("scaling", ["calibrate", "--seed-sd", "-1"], "--seed-sd is -1"),
        ("scaling", ["calibrate", "--measurement-sd", "-1"], "--measurement-sd is -1"),
        ("scaling", ["loss", "none.csv", "--delta", "inf"], "--delta is inf"),
        ("scaling", ["power", "sweeps/quick.yaml", "--target", "inf"], "--target is inf"),
        ("scaling", ["forecast", "none.nc", "--size", "1e400"], "--size '1e400' is no size"),
    ],
)
def test_amounts_that_cannot_be_are_said(program: str, words: list[str], said: str) -> None:
    done = CliRunner().invoke(APPS[program], words)
    assert isinstance(done.exception, UserError), done.output
    assert said in str(done.exception)


def test_parameters_in_backticks_become_flags_of_the_command() -> None:
    app = typer.Typer()

    @app.command(cls=Command)
    def refuse(
        cube: Annotated[str, typer.Argument(metavar="CUBE")],
        metric: Annotated[list[str] | None, typer.Option("--metric")] = None,
        json_file: Annotated[str | None, typer.Option("--json")] = None,
        tokens_per_step: int = 1,
        tokenizer: bool = True,
    ) -> None:
        raise UserError("`metrics` of `cube`, and not `other`: give `json_file`, `tokens_per_step`, `tokenizer=False`")

    error = CliRunner().invoke(app, ["x.nc"]).exception
    assert str(error) == "--metric of CUBE, and not `other`: give --json, --tokens-per-step, --no-tokenizer"


@pytest.mark.contract
def test_an_option_of_one_name_is_explained_in_one_way() -> None:
    # of another meaning, or default
    own = {
        ("scaling", "loss", "--boot"), ("scaling", "calibrate", "--jobs"), ("phases", "acquisition", "--boot"),
        ("sweeps", "probe", "--seed"),
    }  # fmt: skip
    texts: dict[str, set[str | None]] = {}
    for program, app in APPS.items():
        for name, command in typer.main.get_command(app).commands.items():  # type: ignore[attr-defined]
            for option in command.params:
                flag = option.opts[0]
                if flag in ("--json", "--seed", "--level", "--boot", "--rise", "--scale", "--jobs", "--quiet"):
                    if (program, name, flag) not in own:
                        texts.setdefault(flag, set()).add(option.help)
    assert len(texts) == 8 and all(len(said) == 1 for said in texts.values()), texts


@pytest.mark.parametrize("program", APPS)
def test_version_names_the_program(program: str) -> None:
    done = CliRunner().invoke(APPS[program], ["--version"], prog_name=program, catch_exceptions=False)
    assert done.exit_code == 0 and done.output == f"{program} {code_version()} (calque)\n"


def test_help_breaks_no_line_within_a_paragraph() -> None:
    app = typer.Typer()

    @app.command(cls=Command)
    def command() -> None:
        """First line.

        One sentence of the ``second`` paragraph
        that goes on here.
        """

    shown = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "100"}).output
    assert "One sentence of the 'second' paragraph that goes on here." in shown


@pytest.mark.parametrize(("typed", "offered"), [("phases de", "detect"), ("phases detect --fam", "--family"),
                                                ("scaling fore", "forecast")])  # fmt: skip
def test_the_shell_completes_commands_and_options(typed: str, offered: str, tmp_path: Path) -> None:
    """The script that --show-completion prints works in bash, and in its installed form."""
    program, bin_folder = typed.split()[0], str(Path(sys.executable).parent)
    path = {"PATH": f"{bin_folder}:{os.environ['PATH']}", "HOME": str(tmp_path)}
    script = CliRunner().invoke(APPS[program], ["--show-completion", "bash"], prog_name=program).output
    last = len(typed.split()) - 1
    bash = f"""{script}
COMP_WORDS=({typed}); COMP_CWORD={last}; _{program}_completion {program}; printf '%s\n' "${{COMPREPLY[@]}}" """
    done = subprocess.run(["bash", "-c", bash], env=path, capture_output=True, text=True, check=True)
    assert offered in done.stdout.split(), done.stderr


def test_zsh_completes_what_bash_does(tmp_path: Path) -> None:
    """What the script for zsh asks the program, and the script itself where there is a zsh to read it."""
    path = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "HOME": str(tmp_path)}
    asked = {"_PHASES_COMPLETE": "complete_zsh", "_TYPER_COMPLETE_ARGS": "phases de"}
    done = subprocess.run(["phases"], env={**path, **asked}, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("_arguments") and '"detect"' in done.stdout, done.stdout
    named = {**path, "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}  # else the shell that the tests run in
    words = ["phases", "--show-completion", "zsh"]
    script = subprocess.run(words, env=named, capture_output=True, text=True, check=True).stdout
    assert script.startswith("#compdef phases") and "_PHASES_COMPLETE=complete_zsh" in script
    if shutil.which("zsh"):
        subprocess.run(["zsh", "-n", "-c", script], env=path, check=True)


@pytest.mark.parametrize("inside", [False, True], ids=["in Python", "in compiled code"])
def test_ctrl_c_is_one_line_and_exit_130(inside: bool, capsys: pytest.CaptureFixture[str]) -> None:
    app = typer.Typer()

    @app.command(cls=Command)
    def command() -> None:
        if inside:
            raise SystemError("returned a result with an exception set") from KeyboardInterrupt()
        raise KeyboardInterrupt

    with pytest.raises(SystemExit) as end:
        guard("phases", lambda: app([]))
    assert end.value.code == 130 and capsys.readouterr().err == "phases: stopped by Ctrl-C\n"


@pytest.mark.parametrize("words", [["--at", "1", "--at", "2"], ["--at=1", "--at", "2"], ["-a", "1", "--at", "2"]])
def test_an_option_of_one_value_is_not_given_twice(words: list[str]) -> None:
    app = typer.Typer()

    @app.command(cls=Command)
    def command(
        at: Annotated[int, typer.Option("--at", "-a")] = 0, each: list[int] | None = None, on: bool = False
    ) -> None:
        print(at, each, on)

    done = CliRunner().invoke(app, words)
    assert isinstance(done.exception, UserError) and str(done.exception) == "--at is given twice; expected it once"
    assert CliRunner().invoke(app, ["--each", "1", "--each", "2", "--on", "--on"]).output == "0 [1, 2] True\n"


@pytest.mark.parametrize(
    ("words", "means"),
    [
        (["in.csv", "--output", "in.csv"], "--output is in.csv, which is read; expected another file"),
        (["in.csv", "--json", "./in.csv"], "--json is ./in.csv, which is read"),
        (["x", "--coords", "in.csv", "--output", "link.csv"], "--output is link.csv, which is read"),
        (["x", "--output", "new", "--json", "new"], "--output and --json are both new; expected two files"),
    ],
)
def test_no_file_that_is_read_is_written_over(
    words: list[str], means: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("in.csv").write_text("kept")
    Path("link.csv").symlink_to("in.csv")
    app = typer.Typer()

    @app.command(cls=Command)
    def command(source: Path, output: str | None = None, json: str | None = None, coords: Path | None = None) -> None:
        for name in filter(None, (output, json)):
            Path(name).write_text("lost")

    done = CliRunner().invoke(app, words)
    assert isinstance(done.exception, UserError) and means in str(done.exception)
    assert Path("in.csv").read_text() == "kept"
    assert CliRunner().invoke(app, ["in.csv", "--output", "out.csv"]).exit_code == 0


MISTYPED = [
    ("phases", "detect x.nc --axis step",
     "--axis is 'step'; expected one of tokens, steps, cumulative_lr; did you mean 'steps'?"),
    ("phases", "detect x.nc --boot 1.5", "--boot is '1.5'; expected a whole number"),
    ("phases", "detect x.nc --level high", "--level is 'high'; expected a number"),
    ("phases", "detect x.nc --seed -1", "--seed is '-1'; expected 0 or more"),
    ("phases", "detect x.nc --metrik acc", "there is no option --metrik; did you mean '--metric'?"),
    ("sweeps", "plan x.yaml --wrong", "there is no option --wrong; see 'sweeps plan --help'"),
    ("phases", "detect", "CUBE is missing; see 'phases detect --help'"),
    ("phases", "detect x.nc y.nc", "got unexpected extra argument(s) (y.nc); see 'phases detect --help'"),
    ("phases", "detect x.nc --boot", "option '--boot' requires an argument"),
    ("scaling", "--wrong", "there is no option --wrong; see 'scaling --help'"),
    ("phases", "detct x.nc",
     "there is no command 'detct'; expected one of detect, compare, cite, calibrate, import, edit, pool, acquisition, "
     "explore; did you mean 'detect'?"),
]  # fmt: skip


@pytest.mark.parametrize(("program", "words", "said"), MISTYPED)
def test_what_is_mistyped_is_one_line_and_exit_code_2(
    program: str, words: str, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", [program, *words.split()])
    with pytest.raises(SystemExit) as end:
        guard(program, APPS[program])
    assert end.value.code == 2
    assert capsys.readouterr().err == f"{program}: {said}\n"


@pytest.mark.contract
@pytest.mark.parametrize("program", APPS)
def test_no_option_answers_a_wrong_value_in_the_words_of_a_library(program: str) -> None:
    commands = typer.main.get_command(APPS[program]).commands  # type: ignore[attr-defined]
    refused = 0
    for word, command in commands.items():
        needed = [
            text for one in command.params if one.required
            for text in ((one.opts[0], "1") if one.param_type_name == "option" else ("x",))
        ]  # fmt: skip
        for option in command.params:
            if option.param_type_name != "option" or getattr(option, "is_flag", False) or option.opts[0] in needed:
                continue
            try:
                command.make_context(word, [*needed, option.opts[0], "€"])
            except UserError as error:
                refused += 1
                assert re.match(rf"{option.opts[0]} is '€'; expected (a whole number|a number|one of )", str(error))
    assert refused > 5
