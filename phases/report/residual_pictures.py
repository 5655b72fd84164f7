"""Whether the models fit, in the report: a row a series, and a picture of its residuals for those that fit worst."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from calque.data.quantities import format_p
from calque.phases.diagnosis import Diagnosis, FamilyWeight
from calque.phases.diagnostics.checks import autocorrelations, lags_of
from calque.phases.report.figures import STYLE, figures, label, svg, token_axis
from calque.phases.wording import series_words
from calque.phases.wording_of_fits import misfit_words

PICTURES = 12
"""Series whose residuals are drawn: those of the smallest p-values."""
LEAST_WEIGHT = 0.05
"""Weight of a family that is named."""
ROWS = 400
"""Series in the table, the smallest p-values first; the JSON has all."""


def fits(diagnostics: Sequence[Diagnosis]) -> dict[str, Any] | None:
    """Return what the report's template shows of the fits; None where no series was fitted.

    Parameters
    ----------
    diagnostics : sequence of Diagnosis
        Of the fitted series.
    """
    if not diagnostics:
        return None
    worst = sorted(diagnostics, key=lambda d: d.p_value)
    rows = [
        {
            "name": series_words(d.run, d.group, d.metric), "p": format_p(d.p_value), "misfit": d.misfit,
            "checks": [format_p(p) for p in (d.autocorrelation_p, d.variance_p, d.outlier_p, d.tails_p)]
            + ["–" if d.dispersion_p is None else format_p(d.dispersion_p)],
            "noise": f"ρ {d.rho:.2f}, sd {d.sd:.2g}", "trend": f"{d.trend:+.0f}" if d.trend else "–",
            "items": "–" if d.n_items is None else f"{d.n_items:.6g}", "families": families_words(d.families),
        }
        for d in worst[:ROWS]
    ]  # fmt: skip
    pictures = [
        {
            "name": series_words(d.run, d.group, d.metric),
            "picture": residual_picture(d),
            "words": misfit_words(d) if d.misfit else "",
        }
        for d in worst[:PICTURES]
    ]
    return {
        "rows": rows, "pictures": pictures, "failed": sum(d.misfit for d in diagnostics), "all": len(diagnostics),
        "left_out": max(0, len(worst) - ROWS),
    }  # fmt: skip


def families_words(families: Sequence[FamilyWeight]) -> str:
    """Return the families of shapes that count, with their weights and, behind the best, their excess.

    Parameters
    ----------
    families : sequence of FamilyWeight
        Of one series, the largest weight first.
    """
    counted = [one for one in families if one.weight >= LEAST_WEIGHT] or list(families[:1])
    parts = [f"{one.family.replace('_', ' ')} {100 * one.weight:.0f} % (+{one.excess:.1f})" for one in counted]
    rest = 1.0 - sum(one.weight for one in counted)
    return ", ".join([*parts, *([f"others {100 * rest:.0f} %"] if rest >= 0.005 else [])])


def residual_picture(d: Diagnosis) -> str:
    """Return the whitened residuals of a series over tokens, and their autocorrelation.

    Parameters
    ----------
    d : Diagnosis
        Of the series.

    Returns
    -------
    str
        An SVG element.
    """
    import matplotlib as mpl

    n, lags = len(d.residuals), lags_of(len(d.residuals))
    r = autocorrelations(d.residuals[:, None], lags)[:, 0]
    with mpl.rc_context(STYLE):
        made, (left, right) = figures(2.2, (3.0, 1.0))
        left.axhline(0.0, lw=0.7, color="#888888")
        for bound in (-2.0, 2.0):
            left.axhline(bound, lw=0.7, ls=":", color="#888888")
        left.plot(d.tokens, d.residuals, "o", ms=2.6, color="#2f86e0")
        left.set_ylabel("residual, sd")
        token_axis(left)
        right.axhline(0.0, lw=0.7, color="#888888")
        for bound in (-1.96, 1.96):
            right.axhline(bound / np.sqrt(n), lw=0.7, ls=":", color="#888888")
        right.vlines(np.arange(1, lags + 1), 0.0, r, lw=2.4, color="#2f86e0")
        right.set_ylim(-1, 1)
        right.set_xlabel("lag")
        right.set_ylabel("autocorrelation")
        left.set_title(label(series_words(d.run, d.group, d.metric)), fontsize=9.5, loc="left")
        return svg(made, f"residuals {d.run} {d.group} {d.metric}")
