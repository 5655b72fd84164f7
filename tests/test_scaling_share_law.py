"""The law in shares and overlap: recovery, censoring, what cannot be estimated, and reading it from a cube."""

import math
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import xarray as xr

from calque.data.errors import UserError
from calque.scaling.laws.share import fit_shares
from calque.scaling.laws.share_likelihood import build_model, laplace, objective
from calque.scaling.mixes.by_language import observe_languages
from calque.scaling.observations import Observation

N = (2e7, 6e7, 1.8e8, 5.4e8)
TRUE = {"gamma": 0.6, "eta": 0.4, "kappa": 0.8, "run_sd": 0.06, "residual_sd": 0.05}


def study(
    seed: int, sizes: tuple[float, ...] = N, last: float | None = None, even: bool = False, sd: float = 0.05
) -> list[Observation]:
    rng, languages = np.random.default_rng(seed), [f"l{i}" for i in range(8)]
    own, overlap = 0.1 * rng.normal(size=8), rng.uniform(0, 0.5, 8)
    made = []
    for n in sizes:
        for mix in range(2):
            share = np.full(8, 1 / 8) if even else rng.dirichlet(np.full(8, 2.0))
            for s in range(2):
                luck = 0.06 * rng.normal()
                for i, language in enumerate(languages):
                    log_t = math.log(4e9 + 5.8e14 * n**-0.6) - 0.4 * math.log(8 * share[i]) - 0.8 * overlap[i]
                    tokens = math.exp(log_t + own[i] + luck + sd * rng.normal())
                    known: dict[str, Any] = {
                        "run": f"{n:g}-{mix}-{s}", "size": f"{n:g}", "n": n, "mix": str(mix), "language": language,
                        "share": float(share[i]), "overlap": float(overlap[i]),
                    }  # fmt: skip
                    if last is not None and tokens > last:
                        made.append(Observation(kind="right", low=last, **known))
                    else:
                        made.append(Observation(kind="located", tokens=tokens, **known))
    return made


@pytest.mark.simulation
def test_parameters_are_recovered_at_the_nominal_rate() -> None:
    hits: dict[str, int] = dict.fromkeys(TRUE, 0)
    for seed in range(10):
        fitted = fit_shares(study(seed, last=2.5e10 if seed < 1 else None), level=0.9)
        assert fitted.outcome == "found" and fitted.terms == ("size", "share", "overlap")
        for name, value in TRUE.items():
            low, high = fitted.intervals[name]
            hits[name] += low <= value <= high
    assert all(count >= 6 for count in hits.values()), hits  # 9 expected; 5 or fewer has probability .002
    assert sum(hits.values()) >= 40  # of 50


def test_dropping_late_languages_biases_and_counting_them_does_not() -> None:
    kept, dropped = [], []
    for seed in range(8):
        observations = study(seed, N[:1], last=2.8e10, sd=0.4)
        kept.append(fit_shares(observations).parameters["eta"])
        dropped.append(fit_shares([o for o in observations if o.kind == "located"]).parameters["eta"])
    error = np.std(kept, ddof=1) / math.sqrt(8)
    assert abs(np.mean(kept) - 0.4) < 3 * error
    assert np.mean(dropped) < 0.4 - 3 * error


def test_located_times_have_their_exact_marginal_likelihood() -> None:
    observations = study(1, N[:3])
    problem, _ = build_model(observations, sorted({o.run for o in observations}), "power")
    theta = np.array([23.0, 0.5, 0.3, 0.7, math.log(0.07), math.log(0.2), math.log(0.05)])
    residual = problem.y - problem.mean(theta)
    tau, run = np.exp(theta[-2:])
    prior = np.r_[np.full(8, tau**2), np.full(problem.z.shape[1] - 8, run**2)]
    v = np.diag(np.full(residual.size, np.exp(theta[-3]) ** 2)) + (problem.z * prior) @ problem.z.T
    want = -residual @ np.linalg.solve(v, residual) / 2 - np.linalg.slogdet(v)[1] / 2
    assert laplace(problem, theta)[1] == pytest.approx(want)
    assert objective(theta, problem) > -want  # the priors only add


def test_what_does_not_vary_is_left_out_and_named() -> None:
    even = fit_shares(study(0, even=True))
    assert even.terms == ("size", "overlap") and "eta" not in even.parameters
    assert "no term of share: it does not vary enough" in even.reason
    assert even.formula == "T = (T0 + c N^-gamma) exp(-kappa overlap)"
    one = fit_shares(study(0, N[:1]))
    assert one.terms == ("share", "overlap") and "c" in one.parameters and "gamma" not in one.parameters
    assert one.formula == "T = c p^-eta exp(-kappa overlap)" and "one size: nothing is said of size" in one.reason


def test_two_sizes_give_the_power_law_and_say_what_that_does_to_gamma() -> None:
    two = fit_shares(study(0, N[:2]))
    assert two.formula == "T = c N^-gamma p^-eta exp(-kappa overlap)" and "T0" not in two.parameters
    assert (
        "2 sizes do not tell a floor T0 from a power law (4 would)" in two.reason
        and "gamma is too near 0" in two.reason
    )
    assert 0 < two.parameters["gamma"] < TRUE["gamma"] - 0.05, "the direction that is said"
    assert fit_shares(study(0)).formula == "T = (T0 + c N^-gamma) p^-eta exp(-kappa overlap)"


def test_languages_that_are_left_out_are_counted() -> None:
    some = [replace(o, share=None) if o.language == "l3" else o for o in study(0)]
    assert "16 times of languages without a share left out" in fit_shares(some).reason
    odd = [replace(o, overlap=None) if o.language == "l3" else o for o in study(0)]
    assert "no term of overlap: it is not known of 16 of 128 times" in fit_shares(odd).reason


def test_too_little_is_an_outcome() -> None:
    assert fit_shares(study(0, last=1.0)).outcome == "censored"
    few = fit_shares([o for o in study(0) if o.run == "2e+07-0-0"])
    assert few.outcome == "too_few_points" and "of 1 run" in few.reason


def test_languages_are_read_from_a_cube() -> None:
    overlap = np.zeros((2, 2, 4), np.int8)
    overlap[0, 1] = [0, 1, 2, 0]
    overlap[1, 1] = 2
    cube = xr.Dataset(
        {
            "tokens": (("run", "checkpoint"), [[1e9, 8e9]]),
            "share": (("run", "language"), [[0.7, 0.3]]),
            "overlap": (("source", "target", "concept"), overlap),
        },
        coords={"run": ["r"], "n_params_non_embedding": ("run", [1e7]), "mix": ("run", ["skewed"]),
                "language": ["en", "de"], "source": ["en", "de"], "target": ["en", "de"]},
    )  # fmt: skip
    row: dict[str, Any] = {"run": "r", "metric": "translation", "estimand": "takeoff", "level": 0.95, "reason": ""}
    rows = [
        SimpleNamespace(**row, group="target=de", outcome="found", tokens=2e9, low=1e9, high=3e9),
        SimpleNamespace(**row, group="target=en", outcome="none", tokens=None, low=None, high=None),
        SimpleNamespace(**row, group="", outcome="found", tokens=2e9, low=1e9, high=3e9),
    ]
    de, en = observe_languages(cube, rows, "translation")
    assert (de.language, de.share, de.overlap, de.mix, de.kind) == ("de", 0.3, 0.5, "skewed", "located")
    assert (en.language, en.kind, en.low, en.overlap) == ("en", "right", 8e9, 0.0)
    with pytest.raises(UserError, match="by target language"):
        observe_languages(cube, rows[2:], "translation")
