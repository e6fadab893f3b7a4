"""The promises of determinism, checked on the user's machine: `paramjax verify`."""

from paramjax.verify._children import ChildFailed
from paramjax.verify._comparison import Difference, Finding, compare, promise
from paramjax.verify._report import Report
from paramjax.verify._results import flatten
from paramjax.verify._verify import FULL, QUICK, Size, verify

__all__ = [
    "FULL",
    "QUICK",
    "ChildFailed",
    "Difference",
    "Finding",
    "Report",
    "Size",
    "compare",
    "flatten",
    "promise",
    "verify",
]
