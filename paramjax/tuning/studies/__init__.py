"""Searches in which an Optuna study proposes the trials."""
