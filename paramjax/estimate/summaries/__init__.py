"""What an estimation found as a table: for a terminal, a notebook, a paper."""

from paramjax.estimate.summaries._summary import Row, Summary

__all__ = [
    "Row",
    "Summary",
]
