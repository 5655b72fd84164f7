"""The tables of findings, held to what the committed cubes give."""

import re

import numpy as np
import xarray as xr

import calque
from calque.data.cube import read_groups
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
        probed = np.flatnonzero(np.isfinite(heads["ov_copying"][run]).any(("layer", "head")))
        last = heads.isel(run=run, checkpoint=int(probed[-1]))

        def count(score: str, last: xr.Dataset = last) -> int:
            above = last[f"{score}_deciding"] - last[f"{score}_control"] >= 0.1
            return int((above & (last[f"{score}_p_adjusted"] < 0.05)).sum())

        assert rows[name] == " | ".join(str(n) for n in (*map(count, names), sum(map(count, others)))), name
