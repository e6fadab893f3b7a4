"""Workloads: what optimizers are compared on, one a file."""

from paramjax.bench.workloads.registry import WORKLOADS, get
from paramjax.bench.workloads.workload import Workload

__all__ = ["WORKLOADS", "Workload", "get"]
