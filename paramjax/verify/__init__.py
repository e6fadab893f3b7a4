"""The promises of determinism, checked on the user's machine: `paramjax verify`."""

from paramjax.verify.children import ChildFailed
from paramjax.verify.comparison import Difference, compare, largest
from paramjax.verify.promise import Finding, promise
from paramjax.verify.results import flatten
from paramjax.verify.verify import FULL, QUICK, Report, Size, verify

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
