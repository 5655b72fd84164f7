r"""What no estimator can beat: the least width and the largest power in cells of the standard suite.

``python -m tests.benchmarks.efficiency -o docs/benchmarks/efficiency.json`` prints, for designs of the suite,

- **least width** of a 95 % interval for takeoff, :math:`2 \cdot 1.96\,\sqrt{g^\top I^{-1} g}`: the Cramer-Rao bound of
  somebody who knows the family of the curve and the noise, and only fits its parameters (g is the gradient of the
  takeoff, I the Fisher information of Gaussian series with the covariance of the simulated counts);
- **largest power** of a test for a lag, :math:`\Phi(\delta/\sigma - 1.96)` with the same bound on its standard
  deviation :math:`\sigma`;
- **largest power** of the delay test, :math:`\Phi(d - 1.64)`: d is the whitened distance of the true curve from the
  nearest curve of diminishing returns, so that this is the Neyman-Pearson test of these two alone, with known noise;
- **power with unknown noise**, of the likelihood ratio of the same two curves, each with the noise that suits it best,
  at a critical value that holds for every autocorrelation of ``RHOS``: simulated, ``SIMULATED`` series each. It is no
  bound, but what not knowing the noise costs somebody who knows both curves.

Takes a minute. Sources: Lehmann and Romano, Testing Statistical Hypotheses (2005),
chapters 3 and 13; Kay, Estimation Theory (1993), chapter 3.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.linalg import cho_solve, cholesky, solve_triangular
from scipy.optimize import approx_fprime, nnls
from scipy.stats import norm

from calque.phases.calibration.cells import BASE, LAG, LOUD, QUIET, chosen
from calque.phases.calibration.curves import CURVES, Score, first_at, onset, stick
from calque.phases.calibration.draws import NoiseSpec, counts, schedule
from calque.phases.noise.likelihood import profile_likelihood
from calque.phases.series.axis import Array
from calque.phases.series.trajectory import Trajectory
from calque.phases.stats.cone import generators, knots_of

TRIALS, CHECKPOINTS, RISE = 125, 200, 0.05
STEP = 1e-6
RHOS, SIMULATED = (0.3, 0.6, 0.9, 0.95, 0.98), 300
"""Autocorrelations at which a test with unknown noise must have its size, and series that are simulated at each."""


def sharp(p: Array) -> Score:
    """Onset of log10 start, scale, top, floor."""
    return onset(10 ** p[0], p[1], 1.0, p[2], p[3])


def gradual(p: Array) -> Score:
    """Onset of log10 start, scale, top, floor, kappa."""
    return onset(10 ** p[0], p[1], p[4], p[2], p[3])


def straight(p: Array) -> Score:
    """Broken stick of log10 start, end, floor."""
    return stick(10 ** p[0], p[1], p[2])


AT = float(np.log10(0.3))
FAMILIES: dict[str, tuple[Callable[[Array], Score], Array]] = {
    "sharp": (sharp, np.array([AT, 0.2, 0.5, 0.05])),
    "sharp, kappa unknown": (gradual, np.array([AT, 0.2, 0.5, 0.05, 1.0])),
    "stick": (straight, np.array([AT, 0.58, 0.05])),
    "weak": (sharp, np.array([AT, 0.2, 0.15, 0.05])),
    "gradual-1.3": (gradual, np.array([np.log10(0.15), 0.5, 0.55, 0.05, 1.3])),
    "gradual-1.7": (gradual, np.array([np.log10(0.15), 0.5, 0.55, 0.05, 1.7])),
    "gradual-2.5": (gradual, np.array([np.log10(0.15), 0.5, 0.55, 0.05, 2.5])),
}


def covariance(curve: Array, noise: NoiseSpec, trials: int = TRIALS) -> Array:
    """Return the covariance (n, n) of scores around a curve (n,): binomial counts moved by an AR(1) logit shift."""
    w = curve * (1 - curve)
    apart = np.abs(np.subtract.outer(np.arange(len(w)), np.arange(len(w))))
    return np.asarray(np.diag(w / trials) + noise.sd**2 * np.outer(w, w) * noise.rho**apart)


def takeoff(score: Score, s: Array) -> float:
    """Return log10 of where a score is ``RISE`` above its floor."""
    fine = np.geomspace(s[0], s[-1], 20_001)
    risen = score(fine) - score(s[:1])[0]
    i = int((risen >= RISE).argmax())
    share = (RISE - risen[i - 1]) / (risen[i] - risen[i - 1])
    return float(np.log10(fine[i - 1]) + share * (np.log10(fine[i]) - np.log10(fine[i - 1])))


def deviation(family: str, noise: NoiseSpec, later: float = 0.0) -> float:
    """Return the least standard deviation of an unbiased takeoff, decades, of a curve moved ``later`` decades."""
    make, p = FAMILIES[family]
    p = p.copy()
    p[0] += later
    s = schedule("uniform", CHECKPOINTS) / schedule("uniform", CHECKPOINTS)[-1]
    curve = make(p)(s)
    slopes = np.column_stack([(make(p + h)(s) - make(p - h)(s)) / (2 * STEP) for h in STEP * np.eye(len(p))])
    information = slopes.T @ cho_solve((cholesky(covariance(curve, noise), lower=True), True), slopes)

    def place(q: Array) -> float:
        return takeoff(make(q), s)

    gradient = approx_fprime(p, place, 1e-4)
    return float(np.sqrt(gradient @ np.linalg.solve(information, gradient)))


def delay_power(score: Score, tokens: Array, noise: NoiseSpec, trials: int = TRIALS) -> float:
    """Return the power of the likelihood ratio of a curve at tokens (n,) against the nearest diminishing returns."""
    s = tokens / tokens[-1]
    return float(norm.cdf(nearest(score(s), s, noise, trials)[1] - norm.ppf(0.95)))


def nearest(curve: Array, s: Array, noise: NoiseSpec, trials: int) -> tuple[Array, float]:
    """Return the curve of diminishing returns that is nearest to a curve (n,), and its whitened distance."""
    lower = cholesky(covariance(curve, noise, trials), lower=True)
    cone = np.column_stack([np.ones(len(s)), -np.ones(len(s)), generators(s, knots_of(s), 1.0)])
    weights, distance = nnls(solve_triangular(lower, cone, lower=True), solve_triangular(lower, curve, lower=True))
    return cone @ weights, float(distance)


def unknown_noise_power(score: Score, tokens: Array, noise: NoiseSpec, trials: int = TRIALS) -> float:
    """Return the power of the same likelihood ratio where the noise is estimated, and the size holds at any of RHOS."""
    s = tokens / tokens[-1]
    curve = score(s)
    near = np.clip(nearest(curve, s, noise, trials)[0], STEP, 1 - STEP)
    rng = np.random.default_rng(0)

    def gains(truth: Array, rho: float) -> Array:
        drawn = (counts(rng, truth, trials, rho=rho, sd=noise.sd) for _ in range(SIMULATED))
        series = [Trajectory.of_counts("run", "score", tokens, one, trials) for one in drawn]
        return np.array([profile_likelihood(t, curve) - profile_likelihood(t, near) for t in series])

    critical = max(np.quantile(gains(near, rho), 0.95) for rho in {noise.rho, *RHOS})
    return float((gains(curve, noise.rho) > critical).mean())


def lag_power(first: tuple[str, NoiseSpec], second: tuple[str, NoiseSpec], later: float) -> float:
    """Return the power of an efficient test for a lag of ``LAG`` decades between independent series."""
    sd = np.hypot(deviation(*first), deviation(*second, later=later))
    return float(norm.cdf(LAG / sd - norm.ppf(0.975)))


def rows() -> list[dict[str, str | float]]:
    """Return the table: cell, figure, the bound."""
    out: list[dict[str, str | float]] = []
    for name in FAMILIES:
        for rho in (0.6, 0.9):
            width = 2 * norm.ppf(0.975) * deviation(name, replace(BASE, rho=rho))
            out.append({"cell": f"takeoff/{name}/rho-{rho:g}", "figure": "least width", "bound": float(width)})
    for name in ("sharp", "stick", "gradual-1.3", "gradual-1.7", "gradual-2.5", "weak", "two-phase", "waves"):
        for rho in (0.6, 0.9):
            power = delay_power(CURVES[name].score, schedule("uniform", CHECKPOINTS), replace(BASE, rho=rho))
            out.append({"cell": f"takeoff/{name}/rho-{rho:g}", "figure": "largest power of delay", "bound": power})
    for cell in chosen("standard", ["pathology/power/*"]):
        power = delay_power(cell.curve.score, schedule(cell.spacing, cell.checkpoints), cell.noise, cell.trials)
        out.append({"cell": cell.name, "figure": "largest power of delay", "bound": power})
        power = unknown_noise_power(cell.curve.score, schedule(cell.spacing, cell.checkpoints), cell.noise, cell.trials)
        out.append({"cell": cell.name, "figure": "power of delay, curves known, noise unknown", "bound": power})
    # the second curve of "shapes" takes off when the sharp one does
    s = schedule("uniform", CHECKPOINTS) / schedule("uniform", CHECKPOINTS)[-1]
    aligned = first_at(s, CURVES["sharp"].score(s) - 0.05, RISE) - takeoff(gradual(FAMILIES["gradual-1.7"][1]), s)
    pairs = {
        "independent": (("sharp", BASE), ("sharp", BASE), LAG),
        "threefold-noise": (("sharp", QUIET), ("sharp", LOUD), LAG),
        "shapes": (("sharp", BASE), ("gradual-1.7", BASE), aligned + LAG),
    }
    for name, (first, second, later) in pairs.items():
        out.append({"cell": f"lag/power/{name}", "figure": "largest power", "bound": lag_power(first, second, later)})
    return out


def main() -> None:
    """Print the table, and write it where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--out", type=Path, help="JSON file; the table goes beside it as Markdown")
    options = parser.parse_args()
    found = rows()
    lines = ["| cell | figure | bound |", "|---|---|---|"]
    lines += [f"| {r['cell']} | {r['figure']} | {r['bound']:.3f} |" for r in found]
    print("\n".join(lines))
    if options.out is not None:
        options.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        options.out.with_suffix(".md").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
