"""The benchmark: which optimizer is better, by replicates of the whole search."""

from paramjax.bench._benchmark import BaselineError, Benchmark, Plan
from paramjax.bench._calibrate import Calibration, Rate, calibrate
from paramjax.bench._compare import Comparison, compare
from paramjax.bench._folder import NoRecordsError, read_results, write_results
from paramjax.bench._protocol import Protocol
from paramjax.bench._results import (
    OptimizerResult,
    Replicate,
    Results,
    Training,
    Verdict,
    WorkloadResult,
)
from paramjax.bench._stored import RecordsMismatchError
from paramjax.bench.entries import Entry, Excluded, UnknownOptimizerError, find_entries
from paramjax.bench.workloads import WORKLOADS, Workload, evaluate_with

__all__ = [
    "WORKLOADS",
    "BaselineError",
    "Benchmark",
    "Calibration",
    "Comparison",
    "Entry",
    "Excluded",
    "NoRecordsError",
    "OptimizerResult",
    "Plan",
    "Protocol",
    "Rate",
    "RecordsMismatchError",
    "Replicate",
    "Results",
    "Training",
    "UnknownOptimizerError",
    "Verdict",
    "Workload",
    "WorkloadResult",
    "calibrate",
    "compare",
    "evaluate_with",
    "find_entries",
    "read_results",
    "write_results",
]
