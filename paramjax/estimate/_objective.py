"""What is minimised: the rows of one problem on flat parameters, kept for its refits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from paramjax._types import PyTree
from paramjax.estimate._parameters import Parameters
from paramjax.estimate.solvers import Rows, Solver


@dataclass(frozen=True, eq=False)
class Objective:
    """A problem of least squares or of maximum likelihood, ready to be solved again.

    Attributes:
        kind: "residuals": half the weighted sum of squares is minimised; "log_prob": the weighted
            sum of the rows is maximised.
        parameters: Names, shapes and start.
        rows: `(theta [p], data) -> [n]`, on the scale on which the solver moves.
        data: What the rows read; numpy arrays, float64 where they are real.
        weights: Of the rows, float64[n], or None for ones.
        low: Lower bounds, float64[p], or None.
        high: Upper bounds, float64[p], or None.
        solver: Solves it, and each of its refits.
        predict: `(theta [p], x) -> [m]`, the fitted curve at new inputs, or None.
        simulate: `(key, theta [p], data) -> data`, new responses drawn from the model, or None.
    """

    kind: Literal["residuals", "log_prob"]
    parameters: Parameters
    rows: Rows
    data: PyTree
    solver: Solver
    weights: np.ndarray | None = None
    low: np.ndarray | None = None
    high: np.ndarray | None = None
    predict: Callable[[Any, Any], Any] | None = None
    simulate: Callable[[Any, Any, PyTree], PyTree] | None = None
