"""One run: `fit`, validation, early stopping and non-finite steps."""

from paramjax._status import Status
from paramjax.runs._fit import fit
from paramjax.runs._interrupt import InterruptWarning
from paramjax.runs._nonfinite import NonFiniteError, NonFiniteWarning, Rollback
from paramjax.runs._result import Fit
from paramjax.runs._validation import EarlyStopping, Validation

__all__ = [
    "EarlyStopping",
    "Fit",
    "InterruptWarning",
    "NonFiniteError",
    "NonFiniteWarning",
    "Rollback",
    "Status",
    "Validation",
    "fit",
]
