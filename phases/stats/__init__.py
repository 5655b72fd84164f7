"""Statistics on their own: the delay test, censored regression, the jackknife, multiple tests."""
