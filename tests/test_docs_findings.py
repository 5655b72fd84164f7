"""The tables of findings, held to what the committed cubes give."""

import re

import calque
from calque.data.cube import read_groups
from calque.phases.series.head_types import of_type
from tests.readme import ROOT

PAGE = (ROOT / "docs/findings/copying.md").read_text(encoding="utf-8")


def test_the_pooled_table_of_the_copying_study_is_that_of_its_cube() -> None:
    text = " ".join(calque.pool(ROOT / "docs/findings/copying.nc", over="seed").summary().split())
    found = dict(re.findall(r"micro world (\S+), translation: (?:[^;]*; )?takeoff located in (\d) of 6 runs", text))
    rows = dict(re.findall(r"^\| `([a-z-]+)`[^|]* \| (\d) of 6 \|", PAGE, re.M))
    assert len(rows) == 9 and rows == found


def test_the_types_of_heads_inside_the_models_are_those_of_their_cube() -> None:
    path = ROOT / "docs/findings/inside.nc"
    runs, heads = calque.read(path)["run"].values, read_groups(path)["components"]
    page = (ROOT / "docs/findings/inside.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(\S+)`(?: \(of 9\))? \| ((?:\d \| ){5}\d) \|$", page, re.M))
    names = ("ov_copying", "source_attention", "token_copying", "previous_token", "concept_copying")
    others = ("prefix_matching", "function_vector")
    for run, name in enumerate(runs.astype(str)):
        of = {score: int(of_type(heads, score, run).sum()) for score in (*names, *others)}
        counts = [*(of[score] for score in names), sum(of[score] for score in others)]
        assert rows[name] == " | ".join(map(str, counts)), name
