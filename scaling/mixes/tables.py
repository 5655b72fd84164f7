"""Tables of ``scaling mixes``."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.table import Table

from calque.data.command_line.command import console
from calque.scaling.laws.share import ShareFit
from calque.scaling.mixes.contrast import Contrast
from calque.scaling.mixes.mixed_model import MixedContrast
from calque.scaling.mixes.result import MixComparison


def print_comparison(result: MixComparison) -> None:
    """Print the contrasts of runs and, where they were made, those of languages, the mixed model and the shares.

    Parameters
    ----------
    result : MixComparison
        What is printed.
    """
    print_contrasts(result.contrasts)
    if result.by_language is not None:
        print_contrasts(result.by_language.contrasts)
        print_mixed(result.by_language.mixed_model)
        print_shares(result.by_language.shares)


def print_contrasts(found: Sequence[Contrast]) -> None:
    """Print contrasts as ratios of tokens.

    Parameters
    ----------
    found : sequence of Contrast
        What is printed.
    """
    split = any(c.language for c in found)
    level = f"{found[0].level:.0%}"
    table = Table(
        *(("language",) if split else ()), "mix", "against", "ratio", f"{level} low", "high", "p", "adjusted", "runs"
    )
    for c in found:
        cells = (*_ratio(c.log_ratio, c.low, c.high), _p(c.p_value), _p(c.p_adjusted), f"{c.runs[1]} : {c.runs[0]}")
        table.add_row(*((c.language,) if split else ()), c.second, c.first, *cells)
    out = console()
    out.print(table)
    for sentence in dict.fromkeys(
        c.reason if split else c.sentence for c in found if not split or c.outcome != "found"
    ):
        out.print(f"{sentence[:1].upper()}{sentence[1:]}.", soft_wrap=True)


def print_mixed(found: Sequence[MixedContrast]) -> None:
    """Print the mixed model's contrasts.

    Parameters
    ----------
    found : sequence of MixedContrast
        What is printed.
    """
    table = Table("mixed model over languages", "against", "ratio", "low", "high", "run SD")
    for c in found:
        sd = "-" if c.run_sd is None else f"{c.run_sd:.3f}"
        table.add_row(c.second, c.first, *_ratio(c.log_ratio, c.low, c.high), sd)
    out = console()
    out.print(table)
    for reason in dict.fromkeys(c.reason for c in found):
        out.print(f"{reason[:1].upper()}{reason[1:]}.", soft_wrap=True)


def print_shares(fitted: ShareFit) -> None:
    """Print the law in shares.

    Parameters
    ----------
    fitted : ShareFit
        What is printed.
    """
    out = console()
    if fitted.parameters:
        table = Table("T = (T0 + c N^-gamma) p^-eta exp(-kappa overlap)", "estimate", f"{fitted.level:.0%} low", "high")
        for name, value in fitted.parameters.items():
            table.add_row(name, *(f"{v:.4g}" for v in (value, *fitted.intervals[name])))
        out.print(table)
    out.print(f"Law in shares: {fitted.outcome}: {fitted.reason}.", soft_wrap=True)


def _ratio(*values: float | None) -> tuple[str, ...]:
    return tuple("-" if v is None else f"{math.exp(v):.3f}" for v in values)


def _p(value: float | None) -> str:
    return "-" if value is None else f"{value:.2g}"
