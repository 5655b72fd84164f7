"""Whether the model of a series fits: whitened residuals tested for what the curve and the noise assume."""
