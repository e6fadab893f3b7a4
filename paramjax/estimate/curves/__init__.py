"""Least squares: one fit, from its starts to its covariance."""
