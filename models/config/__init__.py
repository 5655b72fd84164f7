"""Configurations of sizes, training and schedules, and what follows from them. Nothing here needs torch."""
