"""The benchmark: protocol, records, statistics and report."""

from paramjax.bench._protocol import Protocol
from paramjax.bench.entries import Entry, Excluded, UnknownOptimizerError, find_entries

__all__ = [
    "Entry",
    "Excluded",
    "Protocol",
    "UnknownOptimizerError",
    "find_entries",
]
