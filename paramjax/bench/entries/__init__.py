"""Which optimizers take part in a benchmark, and what was found in their programs."""

from paramjax.bench.entries._audit import Audit, audit
from paramjax.bench.entries._entries import (
    Entry,
    Excluded,
    UnknownOptimizerError,
    entry_of,
    find_entries,
    spec_name,
)
from paramjax.bench.entries._modules import LoadError, load_module
from paramjax.bench.entries._refused import RefusedError, one_line
from paramjax.bench.entries._spaces import describe_space, space_volume
from paramjax.bench.entries._trainer import make_trainer

__all__ = [
    "Audit",
    "Entry",
    "Excluded",
    "LoadError",
    "RefusedError",
    "UnknownOptimizerError",
    "audit",
    "describe_space",
    "entry_of",
    "find_entries",
    "load_module",
    "make_trainer",
    "one_line",
    "space_volume",
    "spec_name",
]
