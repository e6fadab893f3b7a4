"""Which optimizers take part in a benchmark, and what was found in their programs."""

from paramjax.bench.entries._entries import Entry, Excluded, UnknownOptimizerError, find_entries

__all__ = ["Entry", "Excluded", "UnknownOptimizerError", "find_entries"]
