"""Noise along training: its likelihood, whitening by its covariance, simulation."""
