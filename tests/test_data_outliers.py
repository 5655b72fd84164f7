"""The outlier rule: medians of neighbours, and how far from them is far."""

import numpy as np

from calque.data.outliers import outlying, running_median


def test_running_median_has_fewer_neighbours_at_the_ends():
    y = np.array([5.0, 1.0, 2.0, 9.0, 4.0, 3.0])
    assert running_median(y).tolist() == [2.0, 3.5, 4.0, 3.0, 3.5, 4.0]
    assert running_median(y, symmetric=True).tolist() == [5.0, 2.0, 4.0, 3.0, 4.0, 3.0]
    assert running_median(y[:1]).tolist() == [5.0] and running_median(y[:0]).tolist() == []


def test_the_running_median_is_that_of_scipy_inside():
    from scipy.ndimage import median_filter

    y = np.random.default_rng(1).normal(size=50)
    for symmetric in (False, True):
        assert np.array_equal(running_median(y, symmetric=symmetric)[2:-2], median_filter(y, 5)[2:-2])


def test_an_outlier_lies_seven_robust_deviations_away():
    deviation = np.array([0.9, 1.0, 1.1, 7 * 1.4826 - 1e-6, 0.8])
    assert not outlying(deviation, 0.0).any()
    deviation[3] += 2e-6
    assert outlying(deviation, 0.0).tolist() == [False, False, False, True, False]
    assert not outlying(deviation, 2.0).any()
    assert not outlying(np.zeros(5), 0.0).any()
