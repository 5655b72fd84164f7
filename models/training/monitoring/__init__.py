"""What is known of a run while it trains: losses, a log of every step, profiles."""
