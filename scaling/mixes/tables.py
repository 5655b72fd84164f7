"""Tables of ``scaling mixes``."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from calque.phases.detection.terms import takeoff_meant
from calque.scaling.laws.share import ShareFit
from calque.scaling.mixes.contrast import Contrast
from calque.scaling.mixes.mixed_model import MixedContrast
from calque.scaling.mixes.result import MixComparison


def comparison_parts(result: MixComparison) -> list[RenderableType]:
    """Return the contrasts of runs and, where they were made, those of languages, the mixed model and the shares.

    Parameters
    ----------
    result : MixComparison
        What is shown.
    """
    out = contrast_parts(result.contrasts)
    if result.by_language is not None:
        out += contrast_parts(result.by_language.contrasts)
        out += mixed_parts(result.by_language.mixed_model)
        out += [_sentence(note) for note in result.notes]
        out += share_parts(result.by_language.shares)
    return [*out, *map(_sentence, result.repetition), Text(takeoff_meant(result.rise))]


def contrast_parts(found: Sequence[Contrast]) -> list[RenderableType]:
    """Return contrasts as ratios of tokens.

    Parameters
    ----------
    found : sequence of Contrast
        What is shown.
    """
    split = any(c.language for c in found)
    level = f"{found[0].level:.0%}"
    table = Table(
        *(("language",) if split else ()), "mix", "against", "ratio", f"{level} low", "high", "p", "adjusted", "runs"
    )
    for c in found:
        cells = (*_ratio(c.log_ratio, c.low, c.high), _p(c.p_value), _p(c.p_adjusted), f"{c.runs[1]} : {c.runs[0]}")
        table.add_row(*((c.language,) if split else ()), c.second, c.first, *cells)
    told = dict.fromkeys(c.reason if split else c.sentence for c in found if not split or c.outcome != "found")
    return [table, *map(_sentence, told)]


def mixed_parts(found: Sequence[MixedContrast]) -> list[RenderableType]:
    """Return the mixed model's contrasts.

    Parameters
    ----------
    found : sequence of MixedContrast
        What is shown.
    """
    table = Table("mixed model over languages", "against", "ratio", "low", "high", "run SD")
    for c in found:
        sd = "-" if c.run_sd is None else f"{c.run_sd:.3f}"
        table.add_row(c.second, c.first, *_ratio(c.log_ratio, c.low, c.high), sd)
    return [table, *map(_sentence, dict.fromkeys(c.reason for c in found))]


def share_parts(fitted: ShareFit) -> list[RenderableType]:
    """Return the law in shares.

    Parameters
    ----------
    fitted : ShareFit
        What is shown.
    """
    out: list[RenderableType] = []
    if fitted.parameters:
        table = Table(fitted.formula, "estimate", f"{fitted.level:.0%} low", "high")
        for name, value in fitted.parameters.items():
            table.add_row(name, *(f"{v:.4g}" for v in (value, *fitted.intervals[name])))
        out.append(table)
    return [*out, Text(f"Law in shares: {fitted.outcome}: {fitted.reason}.")]


def _sentence(words: str) -> Text:
    return Text(f"{words[:1].upper()}{words[1:]}.")


def _ratio(*values: float | None) -> tuple[str, ...]:
    return tuple("-" if v is None else f"{math.exp(v):.3f}" for v in values)


def _p(value: float | None) -> str:
    return "-" if value is None else f"{value:.2g}"
