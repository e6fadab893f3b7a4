"""Searchers from elsewhere: an Optuna study proposes trials, a population trains them."""

from paramjax.sweep.studies.search import search

__all__ = ["search"]
