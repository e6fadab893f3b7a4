"""What regressions with a log link share: offsets of exposures, and where iterations start."""

from __future__ import annotations

from typing import Any

import numpy as np

from paramjax.estimate.regression._assembly import Problem
from paramjax.estimate.regression._generalised import Sample


def log_offset(offset: Any, exposure: Any) -> Any:
    """The offset with the log of the exposure.

    Raises:
        ValueError: If an exposure is not above 0.
    """
    if exposure is None:
        return offset
    given = np.asarray(exposure, np.float64)
    if (given <= 0).any():
        row = int(np.argmax(given <= 0))
        raise ValueError(
            f"exposure: expected numbers above 0, got {given.flat[row]:g} in row {row}"
        )
    logs = np.log(given)
    return logs if offset is None else np.asarray(offset, np.float64) + logs


def check_some(sample: Sample) -> None:
    """Raise if all counts are zero."""
    if not (sample.counts * sample.y).any():
        raise ValueError(
            "y: expected some counts above 0, got only 0 in the rows that count: no coefficient "
            "can be estimated"
        )


def log_start(problem: Problem, little: float = 0.1) -> np.ndarray:
    """One step of weighted least squares from means equal to the response, on the basis."""
    sample = problem.sample
    mean = problem.y + little
    working = np.log(mean) - little / mean
    if sample.offset is not None:
        working = working - sample.offset
    root = np.sqrt(sample.counts * problem.family.slope(mean) ** 2)
    root /= np.sqrt(problem.family.variance(mean, problem.dispersion))
    columns = problem.basis.columns
    start: np.ndarray = np.linalg.lstsq(root[:, None] * columns, root * working, rcond=None)[0]
    return start
