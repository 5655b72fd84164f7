"""Public data whose answers are published, as small constants."""

from __future__ import annotations

import numpy as np

DOWN_AGE = np.array([
    17.0, 18.5, 19.5, 20.5, 21.5, 22.5, 23.5, 24.5, 25.5, 26.5, 27.5, 28.5, 29.5, 30.5, 31.5, 32.5, 33.5, 34.5, 35.5,
    36.5, 37.5, 38.5, 39.5, 40.5, 41.5, 42.5, 43.5, 44.5, 45.5, 47.0,
])  # fmt: skip
"""Mothers' mean age in years. British Columbia, 1961 to 1970; Geyer, JASA 86 (1991) 717-724; Davison and Hinkley,
Bootstrap Methods and their Application (1997), table 7.12; data set ``down`` of R's ``segmented``."""
DOWN_BIRTHS = np.array([
    13555, 13675, 18752, 22005, 23896, 24667, 24807, 23986, 22860, 21450, 19202, 17450, 15685, 13954, 11987, 10983,
    9825, 8483, 7448, 6628, 5780, 4834, 3961, 2952, 2276, 1589, 1018, 596, 327, 249,
], float)  # fmt: skip
DOWN_CASES = np.array([
    16, 15, 16, 22, 16, 12, 17, 22, 15, 14, 27, 14, 9, 12, 12, 18, 13, 11, 23, 13, 17, 15, 30, 31, 33, 20, 16, 22, 11,
    7,
], float)  # fmt: skip
DOWN_KINK = 31.08
"""Years; standard error 0.7242 at dispersion 1 (Muggeo, R News 8/1 (2008) 20-25)."""
DOWN_STANDARD_ERROR = 0.7242

NILE_FIRST_YEAR = 1871
NILE_BREAK = (1895, 1898, 1902)
"""Last year of the old level and its 95 % interval: Cobb, Biometrika 65 (1978) 243-251; R's ``strucchange``,
``confint(breakpoints(Nile ~ 1))``. The flow of 1871 to 1970 (10^8 m^3) is ``statsmodels.datasets.nile``."""
