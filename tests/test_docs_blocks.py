"""Every block of code in the documentation is run as written, or says beside it why not; none is out of date.

Tutorials are executed by ``make docs``, the README by ``test_readme.py``.
"""

from __future__ import annotations

import ast
import json
import re
import shlex
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from jsonschema import Draft7Validator
from typer.testing import CliRunner

import calque
from tests.phases_cube import study
from tests.readme import ROOT
from tests.test_calque_commands import APPS, commands

ELSEWHERE = ("LOG.md", "tutorials", "reference", "benchmarks")
RUN = "sh"
CHECKED = ("yaml",)
FINDINGS = "findings/copying.md"
"""Says in its text that these commands take a night."""
COMMANDS = dict(commands())


class Block(NamedTuple):
    """A block of code; ``reason`` is empty where nothing says that it is not run."""

    page: str
    line: int
    language: str
    text: str
    reason: str


def blocks() -> list[Block]:
    """Return the blocks of the pages that stand under no other test."""
    out = []
    for page in sorted((ROOT / "docs").rglob("*.md")):
        name = page.relative_to(ROOT / "docs")
        if name.parts[0] in ELSEWHERE:
            continue
        text = page.read_text(encoding="utf-8")
        for found in re.finditer(r"(?:^<!-- not run: ([^\n]+) -->\n)?^```([^\n]*)\n(.*?)^```", text, re.M | re.S):
            if found[2].startswith("{"):
                continue
            line = text.count("\n", 0, found.start()) + 1
            out.append(Block(str(name), line, found[2], found[3], found[1] or ""))
    return out


BLOCKS = blocks()


def typed(block: Block) -> list[list[str]]:
    """Return the words of every command of ours in a block; what stands in brackets is a summary, not typed."""
    lines = re.sub(r"\\\n\s*", "", block.text).splitlines()
    words = [shlex.split(line, comments=True) for line in lines if line.startswith(tuple(f"{p} " for p in APPS))]
    return [one for one in words if not any("[" in word or word == "..." for word in one)]


def test_every_block_is_run_or_says_why_not() -> None:
    assert len(BLOCKS) > 30 and len([b for b in BLOCKS if b.language == RUN]) >= 4
    bare = [b[:3] for b in BLOCKS if b.language not in (RUN, *CHECKED) and not b.reason]
    assert [one for one in bare if one[0] != FINDINGS] == []
    assert [b[:3] for b in BLOCKS if b.language == RUN and b.reason] == []


@pytest.mark.parametrize("block", BLOCKS, ids=lambda b: f"{b.page}-{b.line}")
def test_what_is_written_is_known_today(block: Block) -> None:
    """Commands have their options, modules what is imported of them, study files their keys."""
    for program, name, *words in typed(block):
        command = COMMANDS[f"{program} {name}"]
        _, left, _ = command.make_parser(command.context_class(command)).parse_args(words)
        assert left == [], (program, name)
    if block.language == "python":
        tree = ast.parse(block.text)
        for node in tree.body:
            if isinstance(node, ast.Import | ast.ImportFrom):
                exec(compile(ast.Module([node], []), block.page, "exec"), {})
    if block.language == "yaml":
        schema = json.loads((ROOT / "sweeps/study.schema.json").read_text())
        given = yaml.safe_load(block.text)
        whole: dict[str, Any] = {"study": "x", "runs": {"a": {}}, **{k: given[k] for k in given if k in TOP}}
        whole["defaults"] = {**whole.get("defaults", {}), **{k: given[k] for k in given if k not in TOP}}
        assert [error.message for error in Draft7Validator(schema).iter_errors(whole)] == []


TOP = ("study", "about", "base", "defaults", "runs", "search", "sizes", "results")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files that the blocks name."""
    made = tmp_path_factory.mktemp("blocks")
    (made / "docs").mkdir()
    shutil.copytree(ROOT / "docs/examples", made / "docs/examples")
    (made / "sweeps").mkdir()
    shutil.copy(ROOT / "sweeps/full.yaml", made / "sweeps")
    cube, _ = study(runs=1, n=16, languages=4, concepts=8)
    calque.write(cube, made / "results.nc")
    flags = cube["tokens"].astype("int8") * 0
    flags.attrs = {}
    for name in ("seed0", "seed1"):
        (made / name).mkdir()
        calque.write(cube.assign(checkpoint_flags=flags), made / name / "results.nc")
    (made / "runs.csv").write_text("run,optimizer\nfirst,adamw\nseed1,muon\n")
    return made


@pytest.mark.parametrize("block", [b for b in BLOCKS if b.language == RUN], ids=lambda b: f"{b.page}-{b.line}")
def test_a_block_runs_as_typed(block: Block, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    ours = typed(block)
    assert len(ours) == len(block.text.strip().splitlines())
    for program, *words in ours:
        done = CliRunner().invoke(APPS[program], words, catch_exceptions=False)
        assert done.exit_code == 0, f"{program} {' '.join(words)}\n{done.output}"


def test_what_is_translated_in_real_text_is_counted_as_the_page_says(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    [block] = [b for b in BLOCKS if b.page == "findings/real.md" and b.language == "python"]
    exec(block.text, {})
    assert capsys.readouterr().out.splitlines() == ["819 of 820", "20 of 90", "0 of 63"]
