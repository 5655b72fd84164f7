r"""The law with shares and overlap, ``T = (T0 + c N^-gamma) p^-eta exp(-kappa overlap)``, by run and language.

:math:`\ln T_{il} = \mathrm{law}(N_i) - \eta \ln(p_{il}/p_0) - \kappa o_{il} + b_l + r_i + e_{il}` with a language's
:math:`b_l \sim N(0, \tau^2)`, a run's :math:`r_i \sim N(0, \sigma_r^2)` and :math:`e_{il} \sim N(0, se_{il}^2 +
\sigma^2)`; p0 is the geometric mean share. Times not reached, or known between bounds, count by their probability. The
random effects are integrated out by Laplace's approximation, exact where all times are located. SDs have the weak prior
of :mod:`calque.scaling.laws.likelihood` (that of languages: around .15, SD of its log 1). Intervals: the curvature at
the maximum, with Student's t on runs minus the parameters that only runs inform, for kappa and tau on languages.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.stats import t as student

from calque.data.quantities import plural
from calque.scaling.laws.likelihood import LOG_SIGMA
from calque.scaling.laws.registry import law
from calque.scaling.laws.share_likelihood import LOG_TAU, ShareModel, build_model, laplace, objective
from calque.scaling.observations import Observation, sizes

Array = NDArray[np.float64]
WHOLE = "T = (T0 + c N^-gamma) p^-eta exp(-kappa overlap)"
BASES = {"floor": "(T0 + c N^-gamma)", "power": "c N^-gamma", "none": "c"}
"""The part of the formula in size, by the law that was fitted."""


@dataclass(frozen=True, kw_only=True)
class ShareFit:
    """The law fitted to runs and languages.

    Attributes
    ----------
    outcome, reason : str
        ``found``, ``too_few_points``, ``censored`` or ``not_converged``, and a sentence.
    formula : str
        The law that was fitted, without the terms that could not be estimated.
    terms : tuple of str
        Which of ``size``, ``share`` and ``overlap`` vary enough to be estimated.
    parameters, intervals : dict
        Of T0, c, gamma (of a run at the mean share without overlap; c alone with one size), eta, kappa and the SDs
        ``language_sd``, ``run_sd``, ``residual_sd`` of ln T.
    language : dict
        Every language's b, the part of its ln T that share and overlap do not explain.
    """

    outcome: str
    reason: str
    level: float
    data: tuple[Observation, ...]
    formula: str = WHOLE
    terms: tuple[str, ...] = ()
    parameters: dict[str, float] = field(default_factory=dict)
    intervals: dict[str, tuple[float, float]] = field(default_factory=dict)
    language: dict[str, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the fit as plain values for JSON."""
        return {
            "law": "share", "formula": self.formula, "outcome": self.outcome,
            "reason": self.reason, "level": self.level, "terms": list(self.terms),
            "parameters": {
                name: {"estimate": value, "low": self.intervals[name][0], "high": self.intervals[name][1]}
                for name, value in self.parameters.items()
            },
            "languages": self.language, "observations": [o.to_dict() for o in self.data],
        }  # fmt: skip


def fit_shares(observations: Sequence[Observation], *, level: float = 0.9, law_name: str = "floor") -> ShareFit:
    """Fit the law to one time for each run and language.

    Parameters
    ----------
    observations : sequence of Observation
        With ``language``, ``share`` and ``overlap``; those without a share are left out where others have one.
    level : float
        Of the intervals.
    law_name : str
        ``floor`` (four sizes needed) or ``power`` (three); with fewer sizes the law has no size term.
    """
    observations = tuple(observations)
    shared = any(o.share is not None for o in observations)
    used = [o for o in observations if o.kind != "unused" and (o.share is not None or not shared)]
    located = [o for o in used if o.kind == "located"]
    runs = sorted({o.run for o in used})
    common: dict[str, Any] = {"level": level, "data": observations}
    if not located:
        return ShareFit(outcome="censored", reason="no language of any run has a located takeoff", **common)
    problem, terms = build_model(used, runs, law_name)
    count = problem.law_size + problem.covariates.shape[1]
    if len(located) < count + 3 or len(runs) < 2:
        reason = (
            f"{len(located)} located takeoffs of {plural(len(runs), 'run')}; the law needs "
            f"{count + 3} of 2 runs at least"
        )
        return ShareFit(outcome="too_few_points", reason=reason, **common)
    theta, value = _maximise(problem)
    covariance, ok = _curvature(problem, theta)
    run_terms = problem.law_size if len(sizes(located)) > 1 else 1
    by_run, by_language = len(runs) - run_terms, problem.languages - 1 - ("overlap" in terms)
    quantile = [float(student.ppf(0.5 + level / 2, max(df, 1))) for df in (by_run, by_language)]
    parameters, intervals = _public(problem, terms, used, theta, covariance, *quantile)
    effects = laplace(problem, theta)[0][: problem.languages]
    language = dict(zip(sorted({o.language for o in used}), effects.tolist(), strict=True))
    outcome = "found" if ok and math.isfinite(value) else "not_converged"
    factors = {"share": "p^-eta", "overlap": "exp(-kappa overlap)"}
    formula = " ".join([f"T = {BASES[problem.name]}", *(factors[t] for t in terms if t in factors)])
    reason = (
        f"{len(located)} located takeoffs of {len(used)}, {plural(len(runs), 'run')}, "
        f"{plural(problem.languages, 'language')}"
    )
    reason = "; ".join([reason, *_left_out(problem, terms, used, observations, law_name)])
    if outcome != "found":
        reason = "the maximum has no curvature; the parameters are no estimate"
    return ShareFit(
        outcome=outcome, reason=reason, formula=formula, terms=terms, parameters=parameters,
        intervals=intervals, language=language, **common,
    )  # fmt: skip


def _left_out(
    problem: ShareModel, terms: tuple[str, ...], used: list[Observation], observations: tuple[Observation, ...],
    law_name: str,
) -> list[str]:  # fmt: skip
    """Return what the law that was fitted lacks, why, and what that does to the rest."""
    out = []
    count = len(sizes([o for o in used if o.kind == "located"]))
    if problem.name == "none":
        out.append("one size: nothing is said of size, and the time holds for it alone")
    elif problem.name != law_name:
        out.append(
            f"{plural(count, 'size does', 'sizes do')} not tell a floor T0 from a power law ({law(law_name).sizes} "
            "would), so the power law is fitted: where there is a floor, gamma is too near 0, its interval does "
            "not hold, and larger sizes are forecast too early"
        )
    unknown = sum(o.overlap is None for o in used)
    for name, lacking in (("share", sum(o.share is None for o in used)), ("overlap", unknown)):
        if name not in terms and lacking:
            out.append(f"no term of {name}: it is not known of {lacking} of {len(used)} times")
        elif name not in terms:
            out.append(f"no term of {name}: it does not vary enough to be estimated")
    lost = sum(o.kind != "unused" for o in observations) - len(used)
    if lost:
        out.append(f"{plural(lost, 'time')} of languages without a share left out")
    return out


def _maximise(problem: ShareModel) -> tuple[Array, float]:
    level = float(problem.y[problem.located].mean())
    inner = np.array([[level]]) if problem.name == "none" else law(problem.name).starts(level)
    tail = np.r_[np.zeros(problem.covariates.shape[1]), LOG_SIGMA[0], LOG_TAU[0], LOG_SIGMA[0]]
    starts = np.column_stack([inner, np.tile(tail, (len(inner), 1))])
    limits = [(-50.0, 200.0)] if problem.name == "none" else list(law(problem.name).bounds)
    bounds = [*limits, *[(-20.0, 20.0)] * problem.covariates.shape[1], *[(math.log(1e-3), math.log(3.0))] * 3]
    order = np.argsort([objective(s, problem) for s in starts])[:3]
    found = [
        minimize(objective, starts[i], args=(problem,), method="L-BFGS-B", bounds=bounds, options={"maxiter": 200})
        for i in order
    ]
    best = min(found, key=lambda f: f.fun)
    return np.asarray(best.x, float), float(best.fun)


def _curvature(problem: ShareModel, theta: Array) -> tuple[Array, bool]:
    """Return the inverse Hessian by central differences, and whether the maximum is one."""
    k = theta.size
    steps = np.full(k, 1e-3)
    hessian = np.empty((k, k))
    for i in range(k):
        for j in range(i, k):
            total = 0.0
            for a, b, sign in ((1, 1, 1), (1, -1, -1), (-1, 1, -1), (-1, -1, 1)):
                at = theta.copy()
                at[i] += a * steps[i]
                at[j] += b * steps[j]
                total += sign * objective(at, problem)
            hessian[i, j] = hessian[j, i] = total / (4 * steps[i] * steps[j])
    values, vectors = np.linalg.eigh(hessian)
    ok = bool(values.max() > 0 and np.isfinite(values).all())
    values = np.maximum(values, 1e-3)
    return (vectors / values) @ vectors.T, ok


def _public(
    problem: ShareModel,
    terms: tuple[str, ...],
    used: list[Observation],
    theta: Array,
    covariance: Array,
    t: float,
    t_language: float,
) -> tuple[dict[str, float], dict[str, tuple[float, float]]]:
    p = problem.law_size
    reference = max(o.n for o in used if o.kind == "located")
    sd = np.sqrt(np.diag(covariance))
    parameters: dict[str, float] = {}
    intervals: dict[str, tuple[float, float]] = {}
    if problem.name == "none":
        parameters["c"] = math.exp(theta[0])
        intervals["c"] = (math.exp(theta[0] - t * sd[0]), math.exp(theta[0] + t * sd[0]))
    else:
        chosen = law(problem.name)
        rng = np.random.default_rng(0)
        scale = np.linalg.cholesky(covariance[:p, :p] + 1e-12 * np.eye(p))
        drawn = theta[:p] + (rng.normal(size=(4000, p)) @ scale.T) * t / 1.6448536269514722
        low, high = np.array(chosen.bounds).T
        public = chosen.public(np.clip(drawn, low, high), reference)
        tails = np.quantile(public, [0.05, 0.95], axis=0)
        parameters |= dict(zip(chosen.parameters, chosen.public(theta[:p], reference).tolist(), strict=True))
        intervals |= {n: (float(a), float(b)) for n, a, b in zip(chosen.parameters, *tails, strict=True)}
    for i, name in enumerate(term for term in terms if term != "size"):
        letter, quantile = {"share": ("eta", t), "overlap": ("kappa", t_language)}[name]
        parameters[letter] = float(theta[p + i])
        half = float(quantile * sd[p + i])
        intervals[letter] = (parameters[letter] - half, parameters[letter] + half)
    for i, name in enumerate(("residual_sd", "language_sd", "run_sd")):
        at = theta.size - 3 + i
        parameters[name] = math.exp(theta[at])
        half = float((t_language if name == "language_sd" else t) * sd[at])
        intervals[name] = (parameters[name] * math.exp(-half), parameters[name] * math.exp(half))
    return parameters, intervals
