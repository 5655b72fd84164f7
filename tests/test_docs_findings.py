"""The tables of findings, held to what the committed cubes give."""

import re

import calque
from tests.readme import ROOT

PAGE = (ROOT / "docs/findings/copying.md").read_text(encoding="utf-8")


def test_the_pooled_table_of_the_copying_study_is_that_of_its_cube() -> None:
    text = " ".join(calque.pool(ROOT / "docs/findings/copying.nc", over="seed").summary().split())
    found = dict(re.findall(r"micro world (\S+), translation: (?:[^;]*; )?takeoff located in (\d) of 6 runs", text))
    rows = dict(re.findall(r"^\| `([a-z-]+)`[^|]* \| (\d) of 6 \|", PAGE, re.M))
    assert len(rows) == 9 and rows == found
