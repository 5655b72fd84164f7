"""IsoFLOP profiles: exact minima of exact parabolas, and none where there is none."""

import numpy as np
import pytest

from calque.phases.report.isoflop import profiles


def runs(sizes, best, curvature=0.02, n=60):
    """Runs whose loss at equal FLOPs C is a parabola in ln N with its lowest point at best(C)."""
    flops = [np.geomspace(1e15, 1e19, n)[i % 3 :] for i, _ in enumerate(sizes)]
    loss = [
        3 - 0.1 * np.log(c / 1e17) + curvature * (np.log(size) - np.log(best(c))) ** 2
        for size, c in zip(sizes, flops, strict=True)
    ]
    return np.array(sizes, float), flops, loss


def test_minima_are_those_of_the_law():
    n, flops, loss = runs([1e6, 1e6, 1e7, 1e8, 1e9], lambda c: (c / 6) ** 0.48)
    found = profiles(n, flops, loss)
    assert len(found) == 6 and found[0].flops < found[-1].flops <= 1e19 * (1 + 1e-9)
    for profile in found:
        # losses are read off lines between checkpoints, hence the tolerance
        assert profile.best_n == pytest.approx((profile.flops / 6) ** 0.48, rel=0.01)
        assert profile.best_loss == pytest.approx(3 - 0.1 * np.log(profile.flops / 1e17), abs=2e-3)
        assert list(profile.n) == [n[i] for i in profile.run]


def test_no_minimum_is_claimed_beyond_the_sizes_or_of_a_ridge():
    n, flops, loss = runs([1e6, 1e7, 1e8], lambda c: 1e11 + 0 * c)
    assert all(profile.best_n is None for profile in profiles(n, flops, loss))
    n, flops, loss = runs([1e6, 1e7, 1e8], lambda c: 1e7 + 0 * c, curvature=-0.02)
    assert all(profile.best_n is None for profile in profiles(n, flops, loss))


def test_three_sizes_must_have_passed_the_same_flops():
    n, flops, loss = runs([1e6, 1e7, 1e7], lambda c: 1e7 + 0 * c)
    assert profiles(n, flops, loss) == []
    apart = [flops[0], flops[1] * 1e6, flops[2] * 1e12]
    assert profiles(np.array([1e6, 1e7, 1e8]), apart, loss) == []
    empty = [np.full(5, np.nan)] * 3
    assert profiles(np.array([1e6, 1e7, 1e8]), empty, empty) == []
