"""Regressions ready to use: linear and generalised linear models."""
