"""The benchmark: protocol, records, statistics and report."""

from paramjax.bench.contestants import Contestant, LeftOut, UnknownOptimizerError, find_contestants
from paramjax.bench.protocol import Protocol
from paramjax.bench.records import Records, RecordsMismatchError
from paramjax.bench.statistics import Verdict, decide, paired_interval, verdicts

__all__ = [
    "Contestant",
    "LeftOut",
    "Protocol",
    "Records",
    "RecordsMismatchError",
    "UnknownOptimizerError",
    "Verdict",
    "decide",
    "find_contestants",
    "paired_interval",
    "verdicts",
]
