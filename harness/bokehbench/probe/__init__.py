"""Measuring what engines support: models of one operator, run for real, become rules."""
