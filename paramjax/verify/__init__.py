"""The promises of determinism, checked on the user's machine: `paramjax verify`."""

from paramjax.verify._children import ChildFailed
from paramjax.verify._comparison import Difference, compare, largest
from paramjax.verify._promise import Finding, promise
from paramjax.verify._results import flatten
from paramjax.verify._verify import FULL, QUICK, Report, Size, verify

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
    "largest",
    "promise",
    "verify",
]
