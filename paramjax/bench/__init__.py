"""The benchmark: protocol, records, statistics and report."""

from paramjax.bench._entries import Entry, Excluded, UnknownOptimizerError, find_entries
from paramjax.bench._protocol import Protocol
from paramjax.bench._records import Records, RecordsMismatchError
from paramjax.bench._statistics import Verdict, decide, paired_interval, verdicts

__all__ = [
    "Entry",
    "Excluded",
    "Protocol",
    "Records",
    "RecordsMismatchError",
    "UnknownOptimizerError",
    "Verdict",
    "decide",
    "find_entries",
    "paired_interval",
    "verdicts",
]
