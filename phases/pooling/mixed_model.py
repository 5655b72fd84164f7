"""A second estimate for pooled pairs: crossed random effects of source and target by REML (statsmodels MixedLM)."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np

from calque.data.quantities import plural
from calque.phases.pooling.imputation import Components, impute
from calque.phases.pooling.pairs import FEWEST_LANGUAGES, MOST_CENSORED, PairTimes
from calque.phases.results import Outcome
from calque.phases.stats.jackknife import Array, Interval, t_interval


@dataclass(frozen=True)
class MixedEffects:
    """The fixed mean and the standard deviations of log times between sources, between targets and within pairs."""

    outcome: Outcome
    reason: str
    interval: Interval | None = None
    source_sd: float | None = None
    target_sd: float | None = None
    residual_sd: float | None = None


def pool_mixed(pairs: PairTimes, level: float = 0.95, seed: int = 0) -> MixedEffects:
    """Fit ``y = m + source + target + e`` with independent normal effects.

    The interval is m -+ t(L-1) se with L languages. A language's effects as source and as target are assumed to be
    independent, which they rarely are: the jackknife does not need that. Censored times, which MixedLM does not
    support, are imputed.

    Parameters
    ----------
    pairs : PairTimes
        Log times of the pairs of one run.
    level : float
        Confidence level.
    seed : int
        Seed of the imputations.
    """
    censored = pairs.low != pairs.high
    if censored.sum() > MOST_CENSORED * len(censored):
        return MixedEffects(Outcome.CENSORED, f"{int(censored.sum())} of {plural(len(censored), 'pair')} censored")
    n_languages = len(pairs.languages)
    if min(len(np.unique(pairs.source)), len(np.unique(pairs.target))) < FEWEST_LANGUAGES:
        return MixedEffects(Outcome.TOO_FEW_POINTS, f"fewer than {FEWEST_LANGUAGES} sources or targets")
    if float(np.ptp(pairs.low[~censored])) == 0:
        return MixedEffects(Outcome.NOT_CONVERGED, "all times are equal: there is no variance to divide")
    if censored.any():
        fits = impute(pairs, _fit, seed)
        imputed = f", censored times imputed {len(fits)} times"
    else:
        fits, imputed = [_fit(pairs, pairs.low)], ""
    failed = next((f for f in fits if isinstance(f, str)), None)
    if failed is not None:
        return MixedEffects(Outcome.NOT_CONVERGED, failed)
    good = [f for f in fits if not isinstance(f, str)]
    means = np.array([f.mean for f in good])
    # Rubin (1987): within the imputations, and between them
    between = (1 + 1 / len(good)) * means.var(ddof=1) if len(good) > 1 else 0.0
    variance = float(np.mean([f.se**2 for f in good])) + float(between)
    reason = "source and target as crossed random effects, taken to be independent" + imputed
    source, target, rest = (float(np.mean([getattr(f, n) for f in good])) for n in ("source", "target", "rest"))
    if min(source, target) < 1e-3 * rest:
        reason += "; a variance is estimated at its boundary of 0"
    interval = t_interval(float(means.mean()), variance, n_languages - 1, level)
    return MixedEffects(Outcome.FOUND, reason, interval, source, target, rest)


def _fit(pairs: PairTimes, y: Array) -> Components | str:
    """Return the fit of known times by restricted likelihood, or why there is none."""
    import pandas as pd
    from statsmodels.regression.mixed_linear_model import MixedLM

    frame = pd.DataFrame({"y": y, "source": pairs.source, "target": pairs.target, "one": 1})
    model = MixedLM.from_formula(
        "y ~ 1", groups="one", vc_formula={"source": "0 + C(source)", "target": "0 + C(target)"}, data=frame
    )
    why = "MixedLM did not converge"
    # an optimiser may stop early or meet a singular matrix as a variance goes to 0, each on other data: the first that
    # converges is used. MixedLM warns in these cases; its warning becomes the reason instead.
    for method in ("lbfgs", "powell", "bfgs", "nm"):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                fit = model.fit(reml=True, method=method)
                se = float(fit.bse_fe.iloc[0])
            except (np.linalg.LinAlgError, ValueError) as error:
                why = f"MixedLM failed: {error}"
                continue
        if fit.converged and np.isfinite(se):
            break
        why = "MixedLM did not converge" + (f": {caught[0].message}" if caught else "")
    else:
        return why
    sds = dict(zip(model.exog_vc.names, np.sqrt(np.maximum(fit.vcomp, 0.0)), strict=True))
    return Components(
        float(fit.fe_params.iloc[0]), se, float(sds["source"]), float(sds["target"]), float(np.sqrt(fit.scale))
    )
