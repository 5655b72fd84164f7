"""The registry of metrics: every entry keeps the same contract, and a cube answers for what it holds."""

import re

import numpy as np
import pytest
import xarray as xr

from calque.data.cube import ATTRIBUTES, OUTCOMES, validate
from calque.data.errors import UserError
from calque.data.metrics import (
    COLOURS,
    CROSSOVERS,
    HEADLINE,
    ITEM_DIMS,
    LAGS,
    LOGPROB_OF,
    METRICS,
    STANDARD,
    TRIALS_OF,
    VARIABLES,
    Metric,
)
from calque.phases.series.metrics import available, chosen, trajectories

EACH = pytest.mark.parametrize("metric", METRICS.values(), ids=list(METRICS))
SIZES = {"language": 2, "phenomenon": 2, "source": 2, "target": 2, "concept": 5}
CHECKPOINTS = 9


def cube() -> xr.Dataset:
    """A cube with every variable that scoring writes, at 9 checkpoints of one run; half of the items are paired."""
    rng = np.random.default_rng(0)
    data = {"tokens": (("run", "checkpoint"), np.arange(1.0, CHECKPOINTS + 1)[None])}
    for name, dims in VARIABLES.items():
        shape = (1, CHECKPOINTS, *(SIZES[d] for d in dims))
        if name == "translation_outcome":
            values = rng.integers(0, len(OUTCOMES), shape).astype(np.int8)
        elif name in TRIALS_OF:
            values = rng.integers(1, 10, shape).astype(float)
        else:
            values = np.full(shape, 10.0) if name in TRIALS_OF.values() else rng.normal(size=shape)
        data[name] = (("run", "checkpoint", *dims), values, ATTRIBUTES[name])
    items = tuple(SIZES[d] for d in ITEM_DIMS)
    data["overlap"] = (ITEM_DIMS, np.zeros(items, np.int8))
    data["exposure"] = (ITEM_DIMS, (np.arange(5) % 2 * np.ones(items)).astype(np.int8))
    coords = {"run": ["a"], "source": ["en", "de"], "target": ["en", "de"], "language": ["en", "de"]}
    return validate(xr.Dataset(data, coords=coords))


@EACH
def test_an_entry_is_whole(metric: Metric) -> None:
    assert re.fullmatch(r"[a-z_]+", metric.name) and METRICS[metric.name] is metric
    assert re.fullmatch(r"[A-Z][^.]+\.", metric.about), "one sentence"
    assert metric.label and metric.variables and set(metric.variables) <= set(ATTRIBUTES)
    assert metric.colour is None or re.fullmatch(r"#[0-9a-f]{6}", metric.colour)
    assert metric.colour is not None or not metric.standard
    assert metric.success is None or (metric.success in OUTCOMES and metric.items and metric.metric_kind == "count")
    assert any(v in VARIABLES for v in metric.variables), "something scores it"
    if metric.items is None:
        assert len(metric.variables) == (2 if metric.metric_kind == "count" else 1)
        attributes = ATTRIBUTES[metric.variables[0]]
        assert attributes.get("metric_kind", metric.metric_kind) == metric.metric_kind
        assert attributes.get("trials", metric.variables[-1]) == metric.variables[-1]
    else:
        assert all(set(VARIABLES.get(v, ITEM_DIMS)) == set(ITEM_DIMS) for v in metric.variables)


@EACH
def test_what_an_entry_names_exists(metric: Metric) -> None:
    assert {*metric.lag_from, *filter(None, (metric.logprob, metric.overtakes))} <= set(METRICS)
    if metric.logprob is not None:
        other = METRICS[metric.logprob]
        assert other.metric_kind == "continuous" and other.items == metric.items, "the same items, another measure"


@EACH
def test_a_cube_with_its_variables_has_it(metric: Metric) -> None:
    data = cube()
    name = metric.name
    if metric.standard:
        assert name in available(data)
        for variable in metric.variables:
            less = data.drop_vars(variable)
            assert name not in available(less)
            with pytest.raises(UserError, match=f"'{name}', which needs {' and '.join(metric.variables)}"):
                chosen(less, [name])
    series = trajectories(data, [name])
    assert [t.metric for t in series] == [name] and series[0].n == CHECKPOINTS
    assert series[0].counts == (metric.metric_kind == "count")


def test_the_tables_that_follow_from_the_registry() -> None:
    assert chosen(cube(), None) == STANDARD
    assert set(HEADLINE) <= set(STANDARD) <= set(COLOURS)
    assert LOGPROB_OF == {"false_copying": "copy_logprob", "translation": "translation_logprob"}
    assert LAGS == (("copying", "translation"), ("false_copying", "translation"), ("nonce_copying", "translation"))
    assert CROSSOVERS == (("false_copying", "translation"),)
    assert TRIALS_OF == {"nonce_copied": "nonce_total", "minimal_pair_correct": "minimal_pair_total"}
