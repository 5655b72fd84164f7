"""Contrasts between mixes over languages by a mixed model: ln T ~ mix + size + language + (1 | run)."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import t as student

from calque.data.quantities import plural
from calque.scaling.mixes.estimands import MODEL
from calque.scaling.observations import Observation


@dataclass(frozen=True, kw_only=True)
class MixedContrast:
    """A mix against the first one, over all languages located.

    Attributes
    ----------
    log_ratio, low, high : float or None
        Mean difference of ln T and its interval, Student's t on runs minus mixes minus sizes + 1.
    run_sd : float or None
        SD of ln T between runs, common to a run's languages.
    """

    first: str
    second: str
    outcome: str
    reason: str
    log_ratio: float | None = None
    low: float | None = None
    high: float | None = None
    run_sd: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self) | {"estimand": MODEL}


def mixed_contrasts(observations: Sequence[Observation], *, level: float = 0.95) -> tuple[MixedContrast, ...]:
    """Return every mix against the first; censored times are left out and the reason says how many.

    Parameters
    ----------
    observations : sequence of Observation
        One for each run and language.
    level : float
        Of the intervals.
    """
    import statsmodels.formula.api as smf

    located = [o for o in observations if o.kind == "located" and o.tokens]
    mixes = list(dict.fromkeys(o.mix for o in observations))
    first, others = mixes[0], mixes[1:]
    table = pd.DataFrame(
        {
            "y": [math.log(o.tokens or 1.0) for o in located], "mix": [o.mix for o in located],
            "size": [f"{o.n:.3g}" for o in located], "language": [o.language for o in located],
            "run": [o.run for o in located],
        }
    )  # fmt: skip
    left = len(observations) - len(located)
    note = f"; {left} of {plural(len(observations), 'time')} not located and left out" if left else ""
    runs, sizes = table["run"].nunique(), table["size"].nunique()
    df = runs - table["mix"].nunique() - sizes + 1
    if table["mix"].nunique() < len(mixes) or df < 1:
        reason = (
            f"{plural(runs, 'run')} of {plural(len(mixes), 'mix', 'mixes')} and {plural(sizes, 'size')} leave "
            f"nothing to judge their scatter by{note}"
        )
        return tuple(MixedContrast(first=first, second=m, outcome="too_few_points", reason=reason) for m in others)
    terms = [f"C(mix, Treatment('{first}'))"] + [f"C({c})" for c in ("size", "language") if table[c].nunique() > 1]
    with warnings.catch_warnings():
        # A variance at its edge (runs that do not differ) is an answer here, not a failure.
        warnings.simplefilter("ignore")
        found = smf.mixedlm("y ~ " + " + ".join(terms), table, groups=table["run"]).fit(reml=True)
    quantile = float(student.ppf(0.5 + level / 2, df))
    run_sd = float(np.sqrt(max(float(np.asarray(found.cov_re)[0, 0]), 0.0)))
    result = []
    for mix in others:
        name = f"C(mix, Treatment('{first}'))[T.{mix}]"
        at, error = float(found.params[name]), float(found.bse[name])
        reason = (
            f"{plural(len(located), 'time')} of {plural(runs, 'run')}, "
            f"{plural(table['language'].nunique(), 'language')}{note}"
        )
        result.append(
            MixedContrast(
                first=first, second=mix, outcome="found", reason=reason, log_ratio=at, low=at - quantile * error,
                high=at + quantile * error, run_sd=run_sd,
            )
        )  # fmt: skip
    return tuple(result)
