"""What is minimised: the rows of one problem on flat parameters, kept for its refits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import jax
import numpy as np

from paramjax._programs import owned_jit
from paramjax._types import Array, PyTree
from paramjax.estimate._parameters import Parameters
from paramjax.estimate.solvers import Inputs, Rows, Solved, Solver, solve_many
from paramjax.estimate.solvers._levenberg_marquardt import linearised


@dataclass(frozen=True, eq=False)
class Objective:
    """A problem of least squares or of maximum likelihood, ready to be solved again.

    Attributes:
        kind: "residuals": half the weighted sum of squares is minimised; "log_prob": the weighted
            sum of the rows is maximised.
        parameters: Names, shapes and start.
        rows: `(theta [p], data) -> [n]`, on the scale on which the solver moves; programs hang on
            this function, and it is the same object for the same function of the user.
        data: What the rows read; numpy arrays, float64 where they are real.
        weights: Of the rows, float64[n], or None for ones.
        low: Lower bounds, float64[p], on the scale on which the solver moves, or None.
        high: Upper bounds, float64[p], on that scale, or None.
        solver: Solves it, and each of its refits.
        predict: `(theta [p], x) -> [m]`, the fitted curve at new inputs, or None.
        linear: `(theta [p], x) -> [m]`, the same curve on a scale without bounds, on which its
            bands are made, or None.
        link: From that scale to the curve's, elementwise and monotone.
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
    linear: Callable[[Any, Any], Any] | None = None
    link: Callable[[Any], Any] | None = None

    @property
    def inputs(self) -> Inputs:
        """What the solver reads."""
        return Inputs(self.data, self.weights, low=self.low, high=self.high)

    def evaluate(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The rows and their Jacobian at one point, without the weights.

        Args:
            theta: float64[p], on the scale on which the solver moves.

        Returns:
            Rows, float64[n], and their derivatives, float64[n, p].
        """
        with jax.enable_x64(True):
            rows, jacobian = jax.device_get(_linearised(self.rows, theta, self.inputs))
        return rows, jacobian

    def solve_many(
        self,
        starts: np.ndarray,
        *,
        data: PyTree = None,
        data_axes: PyTree = None,
        weights: np.ndarray | None = None,
        offset: np.ndarray | None = None,
        free: np.ndarray | None = None,
    ) -> Solved:
        """Solve it m times, with what differs along leading axes.

        Args:
            starts: float64[m, p], on the scale on which the solver moves.
            data: In place of the problem's own.
            data_axes: A prefix of the data: 0 where its leaves have an axis [m], else None.
            weights: In place of the problem's own, [m, n].
            offset: Added to the residuals, [m, n].
            free: Which parameters may move, bool[m, p]; the others stay at their start.

        Returns:
            One row for each start.
        """
        inputs = self.inputs._replace(
            data=self.data if data is None else data,
            weights=self.weights if weights is None else weights,
            offset=offset,
            free=free,
        )
        axes = Inputs(data_axes, *(None if x is None else 0 for x in (weights, offset, free)))
        return solve_many(self.rows, self.solver, starts, inputs, axes)


@owned_jit()
def _linearised(rows: Rows, theta: Array, inputs: Inputs) -> tuple[Array, Array]:
    return linearised(rows, theta, inputs)
