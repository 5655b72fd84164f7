"""Laws of transition time across sizes and mixes, forecasts, and simulated cubes with known truth."""
