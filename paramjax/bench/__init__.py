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

__all__ = [
    "BaselineError",
    "Benchmark",
    "Calibration",
    "Comparison",
    "NoRecordsError",
    "OptimizerResult",
    "Plan",
    "Protocol",
    "Rate",
    "RecordsMismatchError",
    "Replicate",
    "Results",
    "Training",
    "Verdict",
    "WorkloadResult",
    "calibrate",
    "compare",
    "read_results",
    "write_results",
]
