"""Which differences do not matter, and whether a part has rows enough to tell."""

from __future__ import annotations

import math

from paramjax._checks import check_count
from paramjax.bench.workloads._workload import Workload

SHARES = ("accuracy", "error")
"""Metrics that are the share of rows of one kind."""

POINTS = 0.005
"""Margin of a share, half a point."""

ENOUGH = 200
"""Rows of which two are 1 % of all, the margin of any other metric."""


def default_margin(workload: Workload, n_test: int) -> tuple[float | None, str]:
    """The margin of a workload that brings none, by the rule of its metric, and the reason.

    Shares of rows, `accuracy` and `error`, have the larger of half a point and two test rows. Any
    other metric has 1 % of what training wins, which is known once the baseline is trained: the
    untrained metric minus the baseline's, so that no optimizer that is compared with the
    baseline moves the margin.

    Args:
        workload: The workload.
        n_test: Number of test rows, positive.

    Returns:
        The margin in units of the metric, or None if the baseline decides it; one phrase why.

    Raises:
        TypeError: If `n_test` is not a whole number.
        ValueError: If `n_test` is less than 1.

    Example:
        >>> from paramjax.bench.workloads import get
        >>> default_margin(get("digits_mlp"), 200)
        (0.01, 'two of 200 test rows, which are more than half a point')
        >>> default_margin(get("quadratic_deep"), 896)
        (None, '1 % of what training wins with the baseline')
    """
    rows = check_count("n_test", n_test)
    if workload.metric not in SHARES:
        return None, "1 % of what training wins with the baseline"
    if 2 / rows > POINTS:
        return 2 / rows, f"two of {rows} test rows, which are more than half a point"
    return POINTS, f"half a point, which is at least two of {rows} test rows"


def workload_warnings(workload: Workload, n_validation: int, n_test: int) -> list[str]:
    """What a reader should know before the verdicts of a workload: parts too small for its margin.

    Two rows that one optimizer gets right and another does not should not decide. For a share of
    rows they move it by 2 / rows, which must not be more than the margin. For any other metric
    the margin is about 1 % of what training wins, and two rows on which nothing is won move it by
    2 / rows of that, so fewer than 200 rows are too few.

    Args:
        workload: The workload; a margin of None is held to half a point or 1 %.
        n_validation: Number of validation rows, positive.
        n_test: Number of test rows, positive.

    Returns:
        Sentences, none if there is nothing to say.

    Raises:
        TypeError: If a number of rows is not a whole number.
        ValueError: If a number of rows is less than 1.

    Example:
        >>> from paramjax.bench.workloads import get
        >>> workload_warnings(get("quadratic_deep"), 896, 896)
        []
        >>> for warning in workload_warnings(get("breast_cancer_logistic"), 113, 113):
        ...     print(warning)
        breast_cancer_logistic is kept for its speed: it is too small to carry a verdict
        breast_cancer_logistic has 113 validation rows, too few to choose a trial by: loss needs 200
        breast_cancer_logistic has 113 test rows, too few for its margin: loss needs 200
    """
    found = []
    if not workload.bears_verdicts:
        found.append(f"{workload.name} is kept for its speed: it is too small to carry a verdict")
    needed = _rows_needed(workload)
    parts = {
        "validation": (n_validation, "to choose a trial by"),
        "test": (n_test, "for its margin"),
    }
    for part, (rows, purpose) in parts.items():
        if check_count(f"{part} rows", rows) < needed:
            found.append(
                f"{workload.name} has {rows} {part} rows, too few {purpose}: {workload.metric} "
                f"needs {needed}"
            )
    return found


def _rows_needed(workload: Workload) -> int:
    """Rows of which two move the metric by no more than the margin."""
    if workload.metric not in SHARES:
        return ENOUGH
    margin = POINTS if workload.margin is None else workload.margin
    # a margin is given in decimals, which must not ask for one row more than they mean
    return math.ceil(2 / margin - 1e-9) if margin > 0 else 0
