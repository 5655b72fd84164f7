"""Ctrl-C ends the console scripts with one line and exit code 130: in imports, in compiled code, and else."""

from __future__ import annotations

import ast
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.readme import ROOT

IMPORTING = "print('ready', flush=True)\nimport time\ntime.sleep(600)\n"
COMPILED = """
import hashlib
def main():
    print("ready", flush=True)
    hashlib.pbkdf2_hmac("sha256", b"", b"", 2**31 - 1)  # compiled, an hour, other threads may run
"""
PYTHON = """
import time
from calque.data.errors import guard
def main():
    print("ready", flush=True)
    guard("phases", lambda: time.sleep(600))
"""
OWN = """
import signal, time
def main():
    stopped = []
    signal.signal(signal.SIGINT, lambda *_: stopped.append(1))
    print("ready", flush=True)
    while not stopped:
        time.sleep(0.01)
    time.sleep(start.GRACE + 1.0)
    print("ended by itself", flush=True)
from calque.data.command_line import start
"""
CALLBACK = """
import time
class Held:
    def __del__(self):
        print("ready", flush=True)
        time.sleep(600)  # what is raised here Python prints, and goes on
def main():
    Held()
    print("went on")
"""
TYPED = """
import time, typer
from calque.data.command_line.application import application
from calque.data.errors import guard
def slow(text):
    print("ready", flush=True)
    time.sleep(600)
def command(value: str = typer.Option("x", callback=slow)):
    pass
app = application("phases", "Slow.", {"one": command, "two": command})
def main():
    import sys
    sys.argv = ["phases", "one"]
    guard("phases", app)
"""
START = "from calque.data.command_line.start import start; start('phases', 'slow', prompt=True)"
RUN = f"import signal; signal.signal(signal.SIGINT, signal.default_int_handler); {START}"
"""Heard also where the tests themselves run in the background of a shell, which ignores Ctrl-C."""


def interrupted(folder: Path, module: str, code: str = RUN) -> tuple[int, str, str]:
    """Return exit code, output and errors of a program that gets Ctrl-C as soon as it is ready."""
    (folder / "slow.py").write_text(module)
    paths = os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])
    run = subprocess.Popen(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": paths}, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    assert run.stdout is not None
    try:
        assert run.stdout.readline() == "ready\n"
        run.send_signal(signal.SIGINT)
        out, err = run.communicate(timeout=60)
    finally:
        run.kill()
    return run.returncode, out, err


@pytest.mark.parametrize(
    "module", [IMPORTING, COMPILED, PYTHON, CALLBACK, TYPED], ids=["imports", "compiled", "python", "callback", "typed"]
)
def test_ctrl_c_is_one_line_and_130(module: str, tmp_path: Path) -> None:
    assert interrupted(tmp_path, module) == (130, "", "phases: stopped by Ctrl-C\n")


def test_a_command_that_ends_by_itself_takes_its_time(tmp_path: Path) -> None:
    assert interrupted(tmp_path, OWN) == (0, "ended by itself\n", "")


def test_what_ignores_ctrl_c_goes_on(tmp_path: Path) -> None:
    """A job in the background of a shell script ignores Ctrl-C: it is the foreground's."""
    module = "def main():\n    import time\n    print('ready', flush=True)\n    time.sleep(1.0)\n    print('done')\n"
    code = f"import signal; signal.signal(signal.SIGINT, signal.SIG_IGN); {START}"
    assert interrupted(tmp_path, module, code) == (0, "done\n", "")


def test_the_scripts_begin_where_ctrl_c_is_heard_and_import_nothing_before() -> None:
    import tomllib

    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert scripts == {name: f"calque.data.command_line.start:{name}" for name in ("sweeps", "phases", "scaling")}
    # what a script has loaded by then; every further module is time in which Ctrl-C shows a traceback
    code = (
        "import re, sys; before = set(sys.modules)\n"
        "from calque.data.command_line import start; print(*set(sys.modules) - before)"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    others = {name for name in loaded if not name.startswith("calque")}
    assert others <= {
        "signal",
        "typing",
        "_typing",
        "collections.abc",
        "contextlib",
        "importlib.machinery",
        "typing.io",
        "typing.re",
    }


def test_what_waits_for_a_package_is_done_once_and_leaves_nothing(tmp_path: Path) -> None:
    for name, text in (("late", "from late import inner\ndone = True\n"), ("broken", "raise ValueError('no')\n")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(text)
    (tmp_path / "late" / "inner.py").write_text("")
    code = """
import importlib.util, sys, threading
from calque.when_imported import when_imported
told, before = [], list(sys.meta_path)
when_imported("late", lambda: told.append(sys.modules["late"].done))
when_imported("broken", lambda: told.append("broken"))
assert importlib.util.find_spec("late") is not None and importlib.util.find_spec("nowhere") is None
assert not told and "late" not in sys.modules
try:
    import broken
except ValueError:
    pass
threads = [threading.Thread(target=__import__, args=("late",)) for _ in range(4)]
[one.start() for one in threads]
[one.join() for one in threads]
assert told == [True], told
when_imported("late", lambda: told.append("at once"))
assert told == [True, "at once"] and len(sys.meta_path) == len(before) + 1  # broken may still come
"""
    paths = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": paths}, check=True)


def test_compiled_statistics_let_other_threads_run() -> None:
    """Else the thread that ends the program at Ctrl-C would wait for them."""
    kernels = [
        (file.name, decorator)
        for file in sorted((ROOT / "phases").rglob("*.py"))
        for function in ast.walk(ast.parse(file.read_text()))
        if isinstance(function, ast.FunctionDef)
        for decorator in function.decorator_list
        if "njit" in ast.unparse(decorator)
    ]
    assert len(kernels) > 10
    assert not [name for name, decorator in kernels if "nogil=True" not in ast.unparse(decorator)]
