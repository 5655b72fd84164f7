"""What sets the runs of a study apart, beyond size, mix and seeds."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from calque.sweeps.study.run_config import RunConfig

BY_LANGUAGE = ("mix", "text_bytes", "datasets")
"""Keys whose mapping is one value."""
TOLD_ELSEWHERE = ("name", "size", "mix", "corpus", "init_seed", "data_seed", "training.tokens")


def differences(runs: Iterable[RunConfig]) -> dict[str, dict[str, Any]]:
    """Return, by run, the keys of its study file in which it is unlike most runs of its corpus, with their values.

    Where no value is the commoner one, the first run's counts as the usual.
    """
    runs = list(runs)
    designs = {run.name: run.design() for run in runs}
    counts = Counter(designs.values())
    first = {designs[run.name]: run for run in reversed(runs)}
    flat = {design: (first[design].corpus, _flat(first[design].to_dict())) for design in counts}
    usual: dict[str, dict[str, str]] = {}
    for corpus in {corpus for corpus, _ in flat.values()}:
        alike = [(counts[design], flat[design][1]) for design in counts if flat[design][0] == corpus]
        keys = [key for key in dict.fromkeys(k for _, values in alike for k in values) if key not in TOLD_ELSEWHERE]
        usual[corpus] = {key: _most_common((_text(values.get(key)), n) for n, values in alike) for key in keys}
    apart = {
        design: {key: values.get(key) for key, value in usual[corpus].items() if _text(values.get(key)) != value}
        for design, (corpus, values) in flat.items()
    }
    return {name: apart[design] for name, design in designs.items()}


def _most_common(counted: Iterable[tuple[str, int]]) -> str:
    totals: Counter[str] = Counter()
    for text, n in counted:
        totals[text] += n
    return totals.most_common(1)[0][0]


def differences_text(differs: Mapping[str, Any]) -> str:
    """Return differences in a few words, keys without their section.

    Parameters
    ----------
    differs : mapping of str to value
        By dotted key of the study file.
    """
    return ", ".join(f"{key.rpartition('.')[2]}={_short(value)}" for key, value in differs.items())


def _flat(values: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in values.items():
        section = isinstance(value, dict) and key not in BY_LANGUAGE
        found |= _flat(value, f"{above}{key}.") if section else {above + key: value}
    return found


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def _short(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "none", True: "yes", False: "no"}[value]
    if isinstance(value, dict):
        return " ".join(f"{key}:{_short(inner)}" for key, inner in value.items())
    if isinstance(value, list):
        return " ".join(map(_short, value))
    return f"{value:g}" if isinstance(value, float) else f"{value}"
