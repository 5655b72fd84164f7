"""Laws of transition time, their likelihood and their fit."""
