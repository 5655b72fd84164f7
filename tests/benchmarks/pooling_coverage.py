"""Coverage of pooled pair times and of survival regression under known truth.

``python -m tests.benchmarks.pooling_coverage --seed 1 --replicates 1000`` prints the tables of docs/POOLING.md as
Markdown. Times are simulated directly: no curves are fitted, so that the truth is exact.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import zlib

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from calque.phases.acquisition.model import SurvivalData, choose_family, clustered_errors, explained_variation
from calque.phases.pooling.mixed_model import pool_mixed
from calque.phases.pooling.pairs import PairTimes, pool_pairs
from calque.phases.pooling.seeds import PooledRuns
from calque.phases.stats.censored import robust_covariance

Array = NDArray[np.float64]
MEAN = 16.0
LEVEL = 0.95
PAIR_LAWS = {
    "source and target alike": (0.3, 0.3, 0.2, 0.0, "normal"),
    "a language's two effects correlate (.7)": (0.3, 0.3, 0.2, 0.7, "normal"),
    "target alone": (0.0, 0.4, 0.2, 0.0, "normal"),
    "independent pairs": (0.0, 0.0, 0.3, 0.0, "normal"),
    "skewed effects (exponential)": (0.3, 0.3, 0.2, 0.0, "exponential"),
}
"""Standard deviations of source, target and pair in ln tokens, the correlation of a language's two effects, the law."""
MIXED_AT_MOST, IMPUTED_AT_MOST = 300, 100
"""Replicates of MixedLM, of 60 ms each, and of seven such fits where times are imputed."""


def generator(*key: object) -> np.random.Generator:
    return np.random.default_rng(zlib.crc32(repr(key).encode()))


def directed(languages: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    s, t = np.nonzero(~np.eye(languages, dtype=bool))
    return s, t


def draw(rng: np.random.Generator, size: tuple[int, ...], law: str) -> Array:
    return rng.standard_normal(size) if law == "normal" else rng.exponential(size=size) - 1


def effects(rng: np.random.Generator, languages: int, law: tuple[float, float, float, float, str]) -> Array:
    """Mean log time of each pair, without the part of the pair alone."""
    source_sd, target_sd, _, corr, name = law
    z = draw(rng, (2, languages), name)
    s, t = directed(languages)
    return MEAN + source_sd * z[0][s] + target_sd * (corr * z[0] + np.sqrt(1 - corr**2) * z[1])[t]


def censor(y: Array, languages: int, end: float) -> PairTimes:
    s, t = directed(languages)
    return PairTimes(s, t, np.minimum(y, end), np.where(y > end, np.inf, y))


def interval(estimate: float, se: float, df: float) -> tuple[float, float]:
    half = student.ppf(0.5 + LEVEL / 2, df) * se
    return estimate - half, estimate + half


def naive(y: Array) -> tuple[float, float]:
    return interval(y.mean(), y.std(ddof=1) / np.sqrt(len(y)), len(y) - 1)


def two_way(y: Array, s: NDArray[np.int64], t: NDArray[np.int64]) -> tuple[float, float]:
    """Cameron, Gelbach & Miller (2011), clusters of source and of target, t with one less than the clusters."""
    e, n = y - y.mean(), len(y)

    def cluster(g: NDArray[np.int64]) -> float:
        k = len(np.unique(g))
        return k / (k - 1) * float((np.bincount(g, e) ** 2).sum()) / n**2

    v = max(cluster(s) + cluster(t) - n / (n - 1) * float((e**2).sum()) / n**2, 1e-12)
    return interval(y.mean(), np.sqrt(v), min(len(np.unique(s)), len(np.unique(t))) - 1)


def node_bootstrap(
    rng: np.random.Generator, y: Array, s: NDArray[np.int64], t: NDArray[np.int64], languages: int, boot: int = 999
) -> tuple[float, float]:
    """Languages drawn with replacement, a pair weighs the product of its two counts; percentiles."""
    counts = rng.multinomial(languages, np.full(languages, 1 / languages), size=boot)
    w = counts[:, s] * counts[:, t]
    w = w[w.sum(1) > 0]
    return tuple(np.quantile(w @ y / w.sum(1), [0.5 - LEVEL / 2, 0.5 + LEVEL / 2]))  # type: ignore[return-value]


def pairs(replicates: int, seed: int) -> None:
    """Intervals for the mean over languages, with and without censoring."""
    names = ("naive t", "two-way cluster", "node bootstrap", "MixedLM", "jackknife t")
    print("\n| effects | languages | censored | " + " | ".join(names) + " | bias of located alone | bias | width |")
    print("|---" * (len(names) + 6) + "|")
    cells = [(law, 9, share) for law in PAIR_LAWS for share in (0.0, 0.15, 0.35)]
    cells += [("source and target alike", n, 0.0) for n in (5, 18)]
    for law, languages, share in cells:
        s, t = directed(languages)
        made = PAIR_LAWS[law]
        # the end of training that censors this share on average
        pool = generator("end", seed, law)
        many = np.concatenate([effects(pool, languages, made) + made[2] * draw(pool, (len(s),), made[4])
                               for _ in range(400)])  # fmt: skip
        end = np.quantile(many, 1 - share) if share else np.inf
        hits: dict[str, list[bool]] = {n: [] for n in names}
        biases: dict[str, list[float]] = {"located": [], "all": []}
        width, refused = [], 0
        for r in range(replicates):
            rng = generator("pairs", seed, law, languages, share, r)
            y = effects(rng, languages, made) + made[2] * draw(rng, (len(s),), made[4])
            times = censor(y, languages, float(end))
            here = times.low == times.high
            if here.sum() > languages:
                biases["located"].append(float(y[here].mean()) - MEAN)
                simple = {
                    "naive t": naive(y[here]),
                    "two-way cluster": two_way(y[here], s[here], t[here]),
                    "node bootstrap": node_bootstrap(rng, y[here], s[here], t[here], languages),
                }
                for name, (low, high) in simple.items():
                    hits[name].append(bool(low <= MEAN <= high))
            pooled = pool_pairs(times, LEVEL)
            if pooled.interval is None:
                refused += 1
            else:
                hits["jackknife t"].append(pooled.interval.low <= MEAN <= pooled.interval.high)
                width.append(pooled.interval.high - pooled.interval.low)
                biases["all"].append(pooled.interval.estimate - MEAN)
            if r < (MIXED_AT_MOST if share == 0 else IMPUTED_AT_MOST):
                second = pool_mixed(times, LEVEL)
                if second.interval is not None:
                    hits["MixedLM"].append(second.interval.low <= MEAN <= second.interval.high)
        shown = [f"{np.mean(hits[n]):.3f}" for n in names]
        note = f" ({refused} refused)" if refused else ""
        print(
            f"| {law} | {languages} | {share:.0%}{note} | "
            + " | ".join(shown)
            + f" | {np.mean(biases['located']):+.3f} "
            f"| {np.mean(biases['all']):+.3f} | {np.mean(width):.2f} |",
            flush=True,
        )


def seeds(replicates: int, seed: int) -> None:
    """Runs as replicates: what each interval covers of what it speaks about."""
    truths = "languages, of these runs | seeds, of these languages | both, of all | naive t over runs x pairs"
    print(f"\n| seeds | sd of runs | {truths} |")
    print("|---" * 6 + "|")
    law = PAIR_LAWS["source and target alike"]
    s, t = directed(9)
    for n in (2, 3, 6, 10):
        for run_sd in (0.05, 0.2):
            hits: dict[str, list[bool]] = {"languages": [], "seeds": [], "both": [], "naive": []}
            for r in range(replicates):
                rng = generator("seeds", seed, n, run_sd, r)
                common = effects(rng, 9, law)
                shift = run_sd * rng.standard_normal(n)
                y = common + shift[:, None] + law[2] * rng.standard_normal((n, len(s)))
                runs = [pool_pairs(PairTimes(s, t, row, row), LEVEL) for row in y]
                values = PooledRuns(
                    [np.array([p.interval.estimate for p in runs if p.interval])],
                    [np.array([p.deleted for p in runs])],
                )
                intervals = (
                    ("languages", values.over_languages(LEVEL), MEAN + shift.mean()),
                    ("seeds", values.over_seeds(LEVEL), common.mean()),
                    ("both", values.over_both(LEVEL), MEAN),
                )
                for name, found, truth in intervals:
                    assert found is not None
                    hits[name].append(found.low <= truth <= found.high)
                low, high = naive(y.ravel())
                hits["naive"].append(bool(low <= MEAN <= high))
            print(f"| {n} | {run_sd} | " + " | ".join(f"{np.mean(v):.3f}" for v in hits.values()) + " |", flush=True)


TERMS = ("frequency (concept)", "source share (language)", "target share (language)", "overlap (item)")
TRUTH = np.array([-0.25, -0.15, -0.3, -0.6])


def items(rng: np.random.Generator, error: str, concepts: int = 40, languages: int = 9) -> tuple[SurvivalData, float]:
    """Items of all pairs and concepts on a grid of 40 checkpoints, and the true explained variation."""
    s, t = directed(languages)
    source, target = np.repeat(s, concepts), np.repeat(t, concepts)
    concept = np.tile(np.arange(concepts), len(s))
    share = rng.standard_normal(languages)
    x = np.column_stack([
        rng.standard_normal(concepts)[concept], share[source], share[target],
        (rng.random(len(concept)) < 0.25).astype(float),
    ])  # fmt: skip
    random = 0.4 * rng.standard_normal(concepts)[concept]
    random += 0.15 * rng.standard_normal(languages)[source] + 0.25 * rng.standard_normal(languages)[target]
    e = {
        "lognormal": rng.standard_normal, "loglogistic": rng.logistic, 
        "weibull": lambda size: np.log(rng.exponential(size=size)),
    }[error](size=len(concept))  # fmt: skip
    scale = {"lognormal": 0.5, "loglogistic": 0.3, "weibull": 0.45}[error]
    y = MEAN + x @ TRUTH + random + scale * e
    grid = np.linspace(MEAN - 2.5, MEAN + 0.3, 40)
    at = np.searchsorted(grid, y)
    low = np.where(at == 0, -np.inf, grid[np.maximum(at - 1, 0)])
    high = np.where(at == len(grid), np.inf, grid[np.minimum(at, len(grid) - 1)])
    worth = float(np.var(x @ TRUTH))
    rest = 0.4**2 + 0.15**2 + 0.25**2 + scale**2 * {"lognormal": 1, "loglogistic": np.pi**2 / 3,
                                                     "weibull": np.pi**2 / 6}[error]  # fmt: skip
    made = SurvivalData(np.column_stack([np.ones(len(y)), x]), low, high, concept, source, target)
    return made, worth / (worth + rest)


def survival(replicates: int, seed: int) -> None:
    """Coefficients of acquisition times with concepts and languages as clusters."""
    print("\n| error law | never acquired | interval | " + " | ".join(TERMS) + " | family chosen | explained, true |")
    print("|---" * (len(TERMS) + 5) + "|")
    for error in ("lognormal", "loglogistic", "weibull"):
        hits: dict[str, list[Array]] = {"independent items": [], "concepts alone": [], "concepts and languages": []}
        right, explained, truth, chosen = [], [], [], []
        for r in range(replicates):
            made, worth = items(generator("survival", seed, error, r), error)
            fit = next(iter(choose_family(made).values()))
            chosen.append(fit.family == error)
            right.append(float(np.isinf(made.high).mean()))
            explained.append(explained_variation(made.x, fit))
            truth.append(worth)
            b = fit.coefficients[1:]
            independent = np.sqrt(np.diag(robust_covariance(made.x, made.low, made.high, fit)))[1:]
            hits["independent items"].append(np.abs(b - TRUTH) <= student.ppf(0.975, 1e6) * independent)
            every = np.ones(made.x.shape[1], bool)
            for name, fixed in (("concepts alone", every), ("concepts and languages", ~every)):
                errors = clustered_errors(made, fit, fixed)
                se = np.sqrt(np.diag(errors.covariance))[1:-1]
                hits[name].append(np.abs(b - TRUTH) <= student.ppf(0.975, errors.df[1:-1]) * se)
        for name, found in hits.items():
            cells = " | ".join(f"{v:.3f}" for v in np.mean(found, axis=0))
            print(
                f"| {error} | {np.mean(right):.0%} | {name} | {cells} | {np.mean(chosen):.2f} | "
                f"{np.mean(explained):.3f}, {np.mean(truth):.3f} |",
                flush=True,
            )


TABLES = {"pairs": pairs, "seeds": seeds, "survival": survival}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--replicates", type=int, default=1000)
    parser.add_argument("--table", choices=sorted(TABLES), nargs="*", default=list(TABLES))
    given = parser.parse_args()
    for name in given.table:
        TABLES[name](given.replicates, given.seed)


if __name__ == "__main__":
    main()
