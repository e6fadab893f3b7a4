"""Workloads: what optimizers are compared on, one a file."""

from paramjax.bench.workloads._registry import WORKLOADS, get
from paramjax.bench.workloads._workload import Workload, evaluate_with

__all__ = ["WORKLOADS", "Workload", "evaluate_with", "get"]
