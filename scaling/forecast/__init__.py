"""Forecasts of sizes that were not run."""
