"""Which optimizers take part in a benchmark, and what was found in their programs."""

from paramjax.bench.entries._entries import Entry, Excluded, UnknownOptimizerError, find_entries
from paramjax.bench.entries._modules import LoadError, load_module

__all__ = [
    "Entry",
    "Excluded",
    "LoadError",
    "UnknownOptimizerError",
    "find_entries",
    "load_module",
]
