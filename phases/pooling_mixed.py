"""Second opinion on pooled pairs: crossed random effects of source and target by restricted likelihood (MixedLM)."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np

from phases.jackknife import Interval, t_interval
from phases.pooling import FEWEST_LANGUAGES, PairTimes
from phases.results import Outcome


@dataclass(frozen=True)
class MixedEffects:
    """The fixed mean and the standard deviations of log times between sources, between targets and within pairs."""

    outcome: Outcome
    reason: str
    interval: Interval | None = None
    source_sd: float | None = None
    target_sd: float | None = None
    residual_sd: float | None = None


def pool_mixed(pairs: PairTimes, level: float = 0.95) -> MixedEffects:
    """Fit ``y = m + source + target + e`` with independent normal effects.

    The interval is m -+ t(L-1) se. A language's effects as source and as target are taken to be independent, which
    they rarely are: the jackknife does not need that. Censored pairs cannot enter, and leaving them out would bias m.
    """
    if np.any(pairs.low != pairs.high):
        return MixedEffects(Outcome.CENSORED, "some pairs are censored, which MixedLM cannot take")
    n_languages = len(pairs.languages)
    if min(len(np.unique(pairs.source)), len(np.unique(pairs.target))) < FEWEST_LANGUAGES:
        return MixedEffects(Outcome.TOO_FEW_POINTS, f"fewer than {FEWEST_LANGUAGES} sources or targets")
    if float(np.ptp(pairs.low)) == 0:
        return MixedEffects(Outcome.NOT_CONVERGED, "all times are equal: there is no variance to divide")
    import pandas as pd
    from statsmodels.regression.mixed_linear_model import MixedLM

    frame = pd.DataFrame({"y": pairs.low, "source": pairs.source, "target": pairs.target, "one": 1})
    said: list[str] = []
    # MixedLM warns on every way to a boundary; what it says becomes part of the outcome instead
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            model = MixedLM.from_formula(
                "y ~ 1", groups="one", vc_formula={"source": "0 + C(source)", "target": "0 + C(target)"}, data=frame
            )
            fit = model.fit(reml=True)
        except (np.linalg.LinAlgError, ValueError) as error:
            return MixedEffects(Outcome.NOT_CONVERGED, f"MixedLM failed: {error}")
        said = [str(w.message) for w in caught]
        se = float(fit.bse_fe.iloc[0])
        names = model.exog_vc.names
        sds = dict(zip(names, np.sqrt(np.maximum(fit.vcomp, 0.0)), strict=True))
    if not fit.converged or not np.isfinite(se):
        return MixedEffects(Outcome.NOT_CONVERGED, "MixedLM did not converge" + (f": {said[0]}" if said else ""))
    edge = any("boundary" in s for s in said)
    reason = "source and target as crossed random effects, taken to be independent"
    if edge:
        reason += "; a variance is estimated at its boundary of 0"
    interval = t_interval(float(fit.fe_params.iloc[0]), se**2, n_languages - 1, level)
    return MixedEffects(
        Outcome.FOUND, reason, interval, float(sds["source"]), float(sds["target"]), float(np.sqrt(fit.scale))
    )
