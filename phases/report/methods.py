"""The methods of an analysis as a paragraph to paste, with its versions, settings, seeds and references."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from calque.data.quantities import plural

FAMILY_WORDS = {
    "kink": ("segmented regression with a free corner, which presumes that there is one", ("muggeo2003", "davies1987")),
    "level": ("shifts of the mean, which presume that there is one", ("bai1998",)),
    "markov": ("two regimes of growth by a hidden Markov model", ("hamilton1989",)),
    "logistic": ("a logistic growth curve", ()),
    "gompertz": ("a Gompertz growth curve", ()),
}
"""Of the classical models: what was fitted, and the works it is from."""
AXIS_WORDS = {"tokens": "training tokens", "steps": "optimizer steps", "cumulative_lr": "cumulative learning rate"}


@dataclass(frozen=True, kw_only=True)
class Methods:
    """How an analysis was done.

    Attributes
    ----------
    text : str
        A paragraph.
    references : tuple of str
        The works it names, formatted, in the order of their keys.
    bibtex : str
        The same as BibTeX entries.
    """

    text: str
    references: tuple[str, ...]
    bibtex: str


def methods(found: Mapping[str, Any]) -> Methods:
    """Return the methods of an analysis: what was computed, not what came of it.

    Parameters
    ----------
    found : mapping
        What ``phases detect --json`` writes.
    """
    settings, rows = found["settings"], found["transitions"]
    family = settings.get("family", "dictionary")
    if family == "dictionary":
        body, keys = _dictionary(found)
    else:
        words, keys = FAMILY_WORDS[family]
        body = [f"Each series was fitted with {words}, with intervals at {_percent(settings['level'])} from "
                f"{settings['boot']} bootstrap replicates (seed {settings['seed']})."]  # fmt: skip
    series = {(row["run"], row["group"], row["metric"]) for row in rows}
    counts = [row["n_checkpoints"] for row in rows] or [0]
    least, most = min(counts), max(counts)
    checkpoints = plural(most, "checkpoint") if least == most else f"{least} to {plural(most, 'checkpoint')}"
    names = ", ".join(dict.fromkeys(row["metric"].replace("_", " ") for row in rows))
    runs = plural(len({row["run"] for row in rows}), "run")
    axis = AXIS_WORDS[settings.get("axis", "tokens")]
    opening = (
        f"Transitions were analysed with Calque {_version(found)} (phases detect): "
        f"{plural(len(series), 'series', 'series')} ({names}) of {runs}, at {checkpoints} each, over "
        f"{axis}."
    )
    keys = ("calque", *keys)
    entries = _entries()
    return Methods(
        text=" ".join([opening, *body, *_versions(found)]),
        references=tuple(_formatted(entries[key]) for key in keys),
        bibtex="\n".join(entries[key] for key in keys) + "\n",
    )


def _dictionary(found: Mapping[str, Any]) -> tuple[list[str], tuple[str, ...]]:
    settings = found["settings"]
    scale = "log tokens" if settings.get("scale", "log") == "log" else "tokens"
    boot = settings["boot"]
    sentences = [
        f"Takeoff is where the expected score stands {100 * settings['rise']:g} points above its floor (for continuous "
        "scores: this share of the whole rise). It was read off a dictionary of growth shapes in "
        f"{scale}, fitted with noise that is overdispersed and autocorrelated along training (restricted maximum "
        f"likelihood; Patterson & Thompson 1971). Its {_percent(settings['level'])} interval is the range of takeoffs "
        f"over all curves that the data do not reject, with a threshold from {boot} parametric bootstrap replicates "
        f"(seed {settings['seed']}).",
        "A delayed start rejects that the curve is a floor plus a nondecreasing concave function of tokens, that is, "
        "constant or diminishing returns from the first token on, by a test between cones of shapes (Meyer 2003) with "
        f"simulated p-values (Besag & Clifford 1991), at the {_percent(1 - settings['level'])} level.",
    ]
    keys = ["besag1991", "meyer2003", "patterson1971"]
    roles = [row.get("role") for row in found["transitions"] if row.get("role")]
    primary = list(dict.fromkeys(r["metric"] for r in found["transitions"] if r.get("role") == "primary"))
    if primary:
        sentences.append(f"The one primary test of each run was that of {', '.join(primary).replace('_', ' ')}.")
    exploratory = roles.count("exploratory")
    if exploratory:
        keys.insert(0, "benjamini2001")
        sentences.append(
            f"{plural(exploratory, 'exploratory test was', 'exploratory tests were')} adjusted for dependent tests "
            "(Benjamini & Yekutieli 2001)."
        )
    if found["lags"]:
        sentences.append("Lags are ratios of two takeoffs of the same run, with one joint interval.")
    return sentences, tuple(keys)


def _version(found: Mapping[str, Any]) -> str:
    return str(found.get("versions", {}).get("calque", "of a version that its file does not name"))


def _versions(found: Mapping[str, Any]) -> list[str]:
    others = {name: text for name, text in found.get("versions", {}).items() if name != "calque"}
    return [f"Computed with {', '.join(f'{name} {text}' for name, text in others.items())}."] if others else []


def _percent(level: float) -> str:
    return f"{100 * level:.3g} %"


@cache
def _entries() -> dict[str, str]:
    """Return BibTeX entries by key."""
    text = files("calque.phases.report").joinpath("methods.bib").read_text(encoding="utf-8")
    return {line.partition("{")[2].partition(",")[0]: line for line in text.splitlines() if line.startswith("@")}


def _formatted(entry: str) -> str:
    """Return an entry as a reference list has it."""
    fields = dict(re.findall(r"(\w+) = \{((?:[^{}]|\{[^{}]*\})*)\}", entry))
    plain = {name: text.replace("{", "").replace("}", "") for name, text in fields.items()}
    place = f" {plain['journal']}." if "journal" in plain else ""
    authors = " & ".join(plain["author"].split(" and "))
    return f"{authors}{'' if authors.endswith('.') else '.'} {plain['year']}. {plain['title']}.{place}"
