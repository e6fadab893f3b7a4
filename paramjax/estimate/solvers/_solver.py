"""What a solver is: `init` and `step` of one problem, on a flat vector of parameters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from paramjax._types import Array, PyTree

Rows = Callable[[Array, PyTree], Array]
"""`(theta [p], data) -> [n]`: the residuals, or the log probability of each observation."""


class Inputs(NamedTuple):
    """What may differ between two problems that one program solves; None where it is not needed.

    Attributes:
        data: What the rows read, any pytree of arrays.
        weights: Of the rows, [n], from 0; a row of weight 0 does not count.
        offset: Added to the residuals, [n]: a resampled response without knowing the response.
        free: Which parameters may move, bool[p]; the others stay at the start.
        low: Lower bounds, [p].
        high: Upper bounds, [p].
    """

    data: PyTree
    weights: Any = None
    offset: Any = None
    free: Any = None
    low: Any = None
    high: Any = None


class SolverState(NamedTuple):
    """One problem on its way.

    Attributes:
        theta: The best parameters so far, [p].
        value: The objective there, []: half the (weighted, robust) sum of squares, or minus the
            (weighted) log likelihood.
        damping: What the next step is damped by, [].
        outcome: Code of the Outcome, int8[]; UNFINISHED while it runs.
        iterations: Steps done, int32[].
        own: What else this solver carries.
    """

    theta: Array
    value: Array
    damping: Array
    outcome: Array
    iterations: Array
    own: PyTree = ()


class Solver(NamedTuple):
    """An iterative method: a pair of pure functions of one problem, to jit, vmap and loop.

    Attributes:
        init: `(theta [p], inputs) -> state`.
        step: `(state, inputs) -> state`; a state whose outcome is not UNFINISHED stays as it is.
    """

    init: Callable[[Array, Inputs], SolverState]
    step: Callable[[SolverState, Inputs], SolverState]


class Solved(NamedTuple):
    """What was found, on the host: one problem, or many along a leading axis [m].

    Attributes:
        theta: float64[..., p].
        value: float64[...].
        outcome: Codes, int8[...].
        iterations: int32[...].
    """

    theta: np.ndarray
    value: np.ndarray
    outcome: np.ndarray
    iterations: np.ndarray
