"""Workloads: what optimizers are compared on, one a file."""

from paramjax.bench.workloads._registry import WORKLOADS, get
from paramjax.bench.workloads._workload import Workload

__all__ = ["WORKLOADS", "Workload", "get"]
