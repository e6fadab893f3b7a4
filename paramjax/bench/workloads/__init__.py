"""Workloads: what optimizers are compared on, one a file."""

from paramjax.bench.workloads._margins import default_margin, workload_warnings
from paramjax.bench.workloads._registry import WORKLOADS, find_workload, get
from paramjax.bench.workloads._workload import Workload, evaluate_with

__all__ = [
    "WORKLOADS",
    "Workload",
    "default_margin",
    "evaluate_with",
    "find_workload",
    "get",
    "workload_warnings",
]
