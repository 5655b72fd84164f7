"""What terminals show: tables that fit, names with their control characters escaped."""
