"""Noise that calms down over the run, and noise that lasts as long as the run."""

import numpy as np
import pytest
from scipy.special import expit, logit

from calque.phases.detection.analyse import analyse
from calque.phases.detection.fitting import delay_alone
from calque.phases.detection.judge import rows
from calque.phases.dictionary.grid import Dictionary
from calque.phases.noise.likelihood import profile_likelihood, restricted_likelihood, searched
from calque.phases.noise.span import span
from calque.phases.noise.variants import BASES, RHO, TRENDS, VARIANTS, amplitudes, variants
from calque.phases.results import Outcome, Refusal
from calque.phases.series.axis import Axis
from calque.phases.series.trajectory import Trajectory
from tests import phases_simulation as sim

N, TRIALS = 100, 125
S = np.arange(1, N + 1) / N
TOKENS = S * sim.END
SATURATING = 0.05 + 0.5 * -np.expm1(-S / 0.2)
LINEAR = 0.05 + 0.5 * S


def series(curve, seed, sd, rho=0.6):
    """Counts about ``curve`` (n,) with a shift of standard deviation ``sd`` (n,)."""
    rng = np.random.default_rng(seed)
    centre = np.array([sim.centring(curve[i : i + 1], float(sd[i]))[0] for i in range(N)])
    p = expit(logit(curve) + centre + sd * sim.ar1(rng, N, rho, 1.0))
    return Trajectory.of_counts(f"r{seed}", "m", TOKENS, rng.binomial(TRIALS, p), TRIALS)


CALMING = np.geomspace(0.65, 0.05, N)


@pytest.fixture(scope="module")
def dictionary():
    return Dictionary(Axis.of(TOKENS))


def trend_of(noise):
    by_variant = noise.weight.sum((1, 2))
    return float(sum(w * v.trend for w, v in zip(by_variant, VARIANTS, strict=True)))


@pytest.mark.parametrize("counts", [True, False])
def test_the_trend_of_the_noise_is_found_and_none_where_there_is_none(counts):
    found = {}
    for name, sd in {"calming": CALMING, "constant": np.full(N, 0.3), "growing": CALMING[::-1]}.items():
        if counts:
            made = [series(np.full(N, 0.4), seed, sd) for seed in range(4)]
        else:
            rng = np.random.default_rng(5)
            made = [Trajectory.of_values("r", "m", TOKENS, sd * rng.standard_normal(N), falls=False) for _ in range(4)]
        fits = [restricted_likelihood(t, np.full(N, t.y.mean()), S[:, None] ** 2) for t in made]
        found[name] = np.array([trend_of(noise) for noise in fits])
    assert found["calming"].min() > 1.2 and np.median(found["calming"]) > 1.6
    assert np.abs(found["constant"]).max() < 0.8 and np.median(np.abs(found["constant"])) < 0.3
    assert np.median(found["growing"]) < -0.6


def test_replicates_calm_down_as_the_noise_does():
    spread = []
    for seed in range(4):
        t = series(np.full(N, 0.4), seed, CALMING)
        noise = restricted_likelihood(t, np.full(N, 0.4), S[:, None] ** 2)
        drawn = noise.draw(np.random.default_rng(0), 2000)
        spread.append(drawn.around(np.full(N, 0.4)).std(1))
    first, last = np.median(spread, axis=0)[:10].mean(), np.median(spread, axis=0)[-10:].mean()
    assert first > 1.8 * last and last < 1.3 * np.sqrt(0.24 / TRIALS)
    assert np.allclose(drawn.variance, drawn.course**2 * drawn.variance[0] / drawn.course[0] ** 2)
    assert np.abs(drawn.around(np.full(N, 0.4)).mean(1) - 0.4).max() < 0.015, "still centred on the curve"


def test_parts_of_a_series_keep_its_progress():
    t = series(LINEAR, 0, CALMING)
    assert np.array_equal(t.until(49).training_done, t.training_done[:50])
    kept = np.r_[0:20, 40:N]
    assert np.array_equal(t.until(79).subset(kept[kept < 80]).training_done, t.training_done[kept[kept < 80]])
    variant = next(v for v in VARIANTS if v.trend == 2.0)
    whole, part = amplitudes(t, LINEAR, variant), amplitudes(t.until(49), LINEAR[:50], variant)
    assert np.allclose(whole[1][:50], part[1]) and np.array_equal(whole[0][:50], part[0])


def test_the_search_of_variants_tries_trends_with_all_that_may_matter():
    bases = variants(series(LINEAR, 0, CALMING))

    def tried(best, trend):
        seen = []

        def of(k):
            seen.append(k)
            return 10.0 * (k % BASES == best) + 20.0 * (k // BASES == trend)

        searched(of, bases)
        assert len(seen) == len(set(seen))
        return seen

    assert set(tried(bases[1], 0)) == {*bases, *(trend * BASES + bases[1] for trend in range(1, len(TRENDS)))}
    assert {3 * BASES + k for k in bases} <= set(tried(bases[0], 3)), "a trend that is far likelier: all others anew"


def test_trends_count_with_their_prior():
    t = series(LINEAR, 2, np.full(N, 0.3))
    likeliest = restricted_likelihood(t, LINEAR, S[:, None] ** 2).weight.sum((1, 2)).reshape(len(TRENDS), BASES).sum(1)
    assert likeliest[0] > 0.6 and likeliest.sum() == pytest.approx(1.0)
    assert profile_likelihood(t, LINEAR) > profile_likelihood(t, LINEAR[::-1].copy())


@pytest.mark.simulation
def test_growth_under_calming_noise_is_not_called_late_and_its_takeoff_is_covered(dictionary):
    """60 series a cell: docs/LOG.md. One noise for the whole run: late in a third, covered in half."""
    late, covered = 0, 0
    true = float(np.log10(-0.2 * np.log1p(-(SATURATING[0] + 0.05 - 0.05) / 0.5)))
    for seed in range(10):
        a = analyse(series(SATURATING, seed, CALMING), boot=99, dictionary=dictionary)
        if isinstance(a, Refusal):
            continue
        late += a.delay.p_value <= 0.05
        covered += a.locations["takeoff"].low <= true <= a.locations["takeoff"].high
    assert late <= 1 and covered >= 9


@pytest.mark.simulation
def test_linear_growth_in_noise_as_long_as_the_run_is_refused_or_not_late(dictionary):
    """Seeds at which the noise wanders most, of 30: docs/LOG.md."""
    outcomes = []
    for seed in range(10):
        t = series(LINEAR, 100 + seed, np.full(N, 0.4), rho=0.98)
        found = delay_alone(t, boot=99, level=0.95, seed=0, dictionary=dictionary)
        if isinstance(found, Refusal):
            outcomes.append(found.outcome)
            (delay, takeoff) = rows(found, 0.95)
            assert takeoff.tokens is None and delay.p_value is None
            assert "noise too persistent to tell" in takeoff.reason
        else:
            outcomes.append("late" if found.p_value <= 0.05 else "not late")
    assert outcomes.count("late") <= 1 and Outcome.NOISE_TOO_PERSISTENT in outcomes


def test_noise_that_lasts_is_told_by_the_length_of_the_run():
    t = series(LINEAR, 0, np.full(N, 0.3))
    noise = restricted_likelihood(t, LINEAR, S[:, None] ** 2)
    for rho, lasts in ((0.93, False), (0.965, False), (0.985, True), (0.995, True)):
        weight = np.zeros_like(noise.weight)
        weight[0, RHO.tolist().index(rho), 3] = 1.0
        certain = type(noise)(t, noise.variances, weight, noise.scale, noise.freedom)
        assert certain.lasting(0.5) == pytest.approx(5.0 * lasts), "2 of 10 values of rho last so long"
    weight[:, :, 1], weight[:, :, 3] = weight[:, :, 3].copy(), 0.0
    assert certain.lasting(0.5) == 0.0, "a shift of a variance of .005 moves too little"
    short = type(noise)(t.until(39), noise.variances, weight, noise.scale, noise.freedom)
    weight[:] = 0.0
    weight[0, RHO.tolist().index(0.965), 3] = 1.0
    assert short.lasting(0.5) == pytest.approx(1 / 0.3), "28 checkpoints are more than half of 40"


def test_a_constant_curve_takes_one_direction_from_the_noise_not_two():
    """A constant beside the constant curve spans no second direction: rounding would choose one, by processor."""
    flat = np.full(N, 0.4)
    basis = span(np.column_stack([np.ones(N), flat, S]))
    assert basis.shape == (N, 2) and np.allclose(basis.T @ basis, np.eye(2))
    assert span(np.zeros((N, 2))).shape == (N, 0)
    t = series(flat, 0, CALMING)
    noises = [restricted_likelihood(t, np.full(N, level), S[:, None] ** 2).weight for level in (0.4, 0.4 * (1 + 1e-12))]
    assert np.allclose(*noises, atol=1e-6)


NEVER_PAIRED = np.array([
    0, 0, 0, 0, 0, 1, 0, 1, 4, 4, 10, 7, 3, 7, 5, 7, 8, 5, 5, 10, 5, 7, 10, 8, 5, 10, 7, 10, 10, 14, 18, 24, 19,
    17, 15, 20, 26, 26, 38, 32, 38, 42, 46, 47, 53, 55, 56, 76, 81, 93, 101, 106,
], float)  # fmt: skip
TRAINED_ON = np.array([
    0, 19968, 25600, 32768, 41472, 53248, 64000, 67584, 86016, 110080, 128000, 140288, 179200, 192000, 228352,
    256000, 291840, 320000, 372224, 384000, 448000, 474624, 512000, 576000, 605696, 640000, 704000, 768000,
    773120, 832000, 896000, 960000, 986112, 1024000, 1088000, 1152000, 1216000, 1257984, 1280000, 1344000,
    1408000, 1472000, 1536000, 1600000, 1605120, 1664000, 1728000, 1792000, 1856000, 1920000, 1984000, 2048000,
], float)  # fmt: skip
"""Correct answers of 306 and tokens of a run of sweeps/copying.yaml (nothing-s5): words without a shared token."""


def test_a_score_that_visibly_rises_is_never_said_to_show_nothing():
    """Its noise can wander as far, says the fit; that is no evidence that nothing rose."""
    t = Trajectory.of_counts("nothing-s5", "translation", TRAINED_ON, NEVER_PAIRED, 306)
    takeoff = rows(analyse(t, boot=199), 0.95)[1]
    assert takeoff.outcome in (Outcome.FOUND, Outcome.SMOOTH, Outcome.NOISE_TOO_PERSISTENT)
    flat = Trajectory.of_counts("r", "m", TRAINED_ON, 9.0 + 3 * (np.arange(52) % 3), 306)
    assert rows(analyse(flat, boot=99), 0.95)[1].outcome == Outcome.NONE
