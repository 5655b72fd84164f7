"""The HTML report: what it shows of a cube besides transitions."""

import numpy as np
import xarray as xr

from phases.detect import detect
from phases.report import render
from phases.settings import Settings
from tests import phases_simulation as sim

TOKENS = np.arange(1, 31) * sim.END / 30


def cube(fertility):
    rng = np.random.default_rng(1)
    score = np.stack([sim.counts(rng, sim.onset(0.3 * sim.END, 0.2)(TOKENS), 100) / 100 for _ in range(2)])
    made = xr.Dataset(
        {
            "tokens": (("run", "checkpoint"), np.tile(TOKENS, (2, 1))),
            "score": (("run", "checkpoint"), score, {"metric_kind": "proportion", "trials": 100}),
        },
        coords={"run": ["text", "world"], "language": ["en", "zh"]},
        attrs={"calque_schema": 1},
    )
    for name, values in fertility.items():
        made[name] = (("run", "language"), values)
    return made


def page(made):
    return render(detect(made, Settings(metrics=("score",), boot=19)), made)


def test_fertility_is_shown_of_runs_that_have_one():
    nan = np.nan
    shown = page(cube({"tokens_per_word": [[1.307, nan], [nan, nan]], "bytes_per_token": [[4.444, nan], [nan, nan]]}))
    assert "<h2>Tokenizer</h2>" in shown and "<th>en</th><th>zh</th>" in shown
    assert "<tr><td>text</td><td>1.31 / 4.44</td><td>–</td></tr>" in shown and "<td>world</td><td>–" not in shown


def test_without_fertility_there_is_no_table():
    assert "Tokenizer" not in page(cube({}))
    nothing = np.full((2, 2), np.nan)
    assert "Tokenizer" not in page(cube({"tokens_per_word": nothing, "bytes_per_token": nothing}))
