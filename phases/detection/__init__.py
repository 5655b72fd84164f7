"""Detection: every series of every run analysed and judged, and the lags between them."""
