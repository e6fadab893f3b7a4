"""Maximum likelihood for any log probability, with standard errors."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from paramjax._checks import check_takes
from paramjax._programs import kept_on
from paramjax._types import Array, Key, Params, PyTree
from paramjax.estimate._constraints import Bounds, Constrained, constrained
from paramjax.estimate._estimate import Estimate
from paramjax.estimate._objective import Objective
from paramjax.estimate._outcome import Outcome
from paramjax.estimate._parameters import Parameters, parameters_of
from paramjax.estimate._transforms import Transform
from paramjax.estimate.curves._starts import best_start
from paramjax.estimate.inputs._missing import Complete, Missing, complete_data
from paramjax.estimate.inputs._plain_data import infinite_in, plain_column
from paramjax.estimate.inputs._traced import check_callable_solver
from paramjax.estimate.likelihoods._likelihood_estimate import (
    Information,
    likelihood_estimate,
    row_count,
)
from paramjax.estimate.likelihoods._maximum import maximise
from paramjax.estimate.solvers import Rows, Solver, lbfgs, newton

LogProb = Callable[[Params, PyTree], Array]

_NEWTON = 200
"""Parameters up to which Newton's method is chosen."""


def maximum_likelihood(
    log_prob_fn: LogProb,
    params0: Params,
    data: PyTree = None,
    *,
    weights: Any = None,
    bounds: Bounds = None,
    transforms: Mapping[str, Transform] | None = None,
    fixed: Iterable[str] | None = None,
    starts: int | Params | None = None,
    key: Key | None = None,
    missing: Missing = "raise",
    information: Information = "observed",
    predict: Callable[[Params, Any], Array] | None = None,
    simulate: Callable[[Key, Params, PyTree], PyTree] | None = None,
    solver: Callable[..., Solver] | None = None,
) -> Estimate:
    r"""Parameters under which the data are most probable, with standard errors.

    $$\hat\theta = \arg\max_\theta \sum_i w_i \log p(y_i \mid \theta), \qquad
    \hat V = \Big(-\sum_i w_i \nabla^2 \log p(y_i \mid \hat\theta)\Big)^{-1}$$
    (Fisher, 1922, On the mathematical foundations of theoretical statistics), in double numbers
    whatever the setting of JAX. The information is the observed one, which Efron and Hinkley
    (1978) prefer to the expected.

    Args:
        log_prob_fn: `(params, data) -> [n]`, the log probability of each observation, in JAX.
        params0: The start, a pytree of numbers and arrays.
        data: What the log probabilities read, a pytree of arrays.
        weights: How often each row counts, [n], from 0.
        bounds: `{name: (low, high)}`, or a pair of pytrees that are prefixes of the parameters'.
            A parameter that ends at a bound has no standard error.
        transforms: `{name: transform}`, such as `positive` for a standard deviation: the solver
            moves such parameters on a scale without bounds, and their intervals are made there.
        fixed: Names of parameters, or of single numbers such as "w[0]", that stay at their start.
        starts: Further starts, see `least_squares`.
        key: Of drawn starts.
        missing: "raise" or "drop" where data are NaN.
        information: "observed", or "scores" for the outer products of the rows' gradients
            (Berndt, Hall, Hall and Hausman, 1974).
        predict: `(params, x) -> [m]`, the mean at new inputs, for bands.
        simulate: `(key, params, data) -> data` with new responses, for the parametric bootstrap.
        solver: Makes the solver of the rows; None for `solvers.newton` up to 200 parameters, and
            `solvers.lbfgs` beyond.

    Returns:
        The estimate; how it ended is its `outcome`. Beyond 2,000 parameters it has no standard
        errors, and a note says so.

    Raises:
        TypeError: If data are no numbers, or the log probabilities are not float64.
        ValueError: If there are fewer rows than parameters, the start lies outside the bounds, a
            log probability at the start is not finite, data are missing, shapes do not fit, or
            a name is unknown.

    Example:
        >>> import paramjax as pj
        >>> import jax.scipy.stats as stats, numpy as np
        >>> def log_prob(params, y):
        ...     return stats.norm.logpdf(y, params["mean"], params["sd"])
        >>> est = pj.estimate.maximum_likelihood(
        ...     log_prob,
        ...     {"mean": 0.0, "sd": 1.0},
        ...     np.array([1.0, 2.0, 4.0, 5.0]),
        ...     transforms={"sd": pj.estimate.positive},
        ... )
        >>> [round(float(value), 4) for value in (*est.params.values(), est.stderr["mean"])]
        [3.0, 1.5811, 0.7906]
    """
    check_takes(log_prob_fn, ("params", "data"), "maximum_likelihood: log_prob_fn")
    if information not in ("observed", "scores"):
        raise ValueError(
            f'information: expected "observed" or "scores", got {information!r}; the expected '
            "information needs the distribution of the response, which the ready regressions have"
        )
    found = constrained(parameters_of(params0), bounds=bounds, transforms=transforms, fixed=fixed)
    complete = complete_data(data, missing)
    pieces = _pieces(log_prob_fn, found.parameters, solver, predict, simulate)
    objective = _objective(pieces, found, complete, weights)
    start = found.parameters.to_solver(found.parameters.start)
    notes: tuple[str, ...] = (complete.note,) if complete.note else ()
    if starts is not None:
        start, more = best_start(objective, start, starts, key)
        notes += more
    maximum = maximise(objective.rows, objective.solver, start, objective.inputs)
    if maximum.outcome is Outcome.NONFINITE:
        raise ValueError(_not_finite(objective, start))
    return likelihood_estimate(objective, maximum, information, start, notes)


class _Pieces(NamedTuple):
    """What is made once for a function and a form of its parameters."""

    rows: Rows
    solver: Solver
    predict: Callable[[Any, Any], Any] | None
    simulate: Callable[[Any, Any, PyTree], PyTree] | None


def _pieces(
    log_prob_fn: LogProb,
    parameters: Parameters,
    solver: Callable[..., Solver] | None,
    predict: Callable[[Params, Any], Array] | None,
    simulate: Callable[[Key, Params, PyTree], PyTree] | None,
) -> _Pieces:
    """Functions of flat parameters, the same objects for the same functions and form."""
    check_callable_solver(solver)
    make = solver or (newton if parameters.size <= _NEWTON else lbfgs)

    def params(theta: Any) -> Params:
        return parameters.tree(parameters.to_user(theta))

    def made() -> _Pieces:
        def rows(theta: Array, data: PyTree) -> Array:
            return log_prob_fn(params(theta), data)

        return _Pieces(
            rows,
            make(rows),
            None if predict is None else lambda theta, x: predict(params(theta), x),
            None
            if simulate is None
            else lambda key, theta, data: simulate(key, params(theta), data),
        )

    form = (parameters.treedef, parameters.shapes, parameters.transforms, _held(parameters))
    return kept_on(log_prob_fn, ("log_prob", form, make, predict, simulate), made)


def _held(parameters: Parameters) -> bytes | None:
    """What is held, and at which numbers."""
    if parameters.held is None:
        return None
    places, everything = parameters.held
    return places.tobytes() + np.delete(everything, places).tobytes()


def _objective(pieces: _Pieces, found: Constrained, complete: Complete, weights: Any) -> Objective:
    parameters, data = found.parameters, complete.data
    rows = row_count(pieces.rows, parameters, data)
    if weights is not None:
        weights = _checked_weights(weights, rows, complete.kept)
    counting = rows if weights is None else int((weights > 0).sum())
    if counting < parameters.size:
        raise ValueError(
            f"data: expected at least as many rows as parameters, got {counting} rows for "
            f"{parameters.size} parameters ({', '.join(parameters.names[:8])}); hold some fixed"
        )
    return Objective(
        "log_prob",
        parameters,
        pieces.rows,
        data,
        pieces.solver,
        weights,
        found.low,
        found.high,
        pieces.predict,
        pieces.simulate,
    )


def _checked_weights(weights: Any, rows: int, kept: np.ndarray | None) -> np.ndarray:
    array = plain_column("weights", weights, kept)
    if kept is not None and array.shape == kept.shape:
        array = array[kept]
    if array.shape != (rows,):
        raise ValueError(
            f"weights: expected one number for each of {rows} observations, got shape {array.shape}"
        )
    return array


def _not_finite(objective: Objective, start: np.ndarray) -> str:
    parameters = objective.parameters
    logs, jacobian = objective.evaluate(start)
    shown = dict(zip(parameters.names, parameters.to_user(start).tolist(), strict=True))
    wrong = np.flatnonzero(~np.isfinite(logs))
    if len(wrong):
        infinite = infinite_in(objective.data, wrong[0])
        remedy = "take such rows out" if infinite else f"start from other values than {shown}"
        return (
            f"params0: {len(wrong)} log probabilities are not finite at the start, the first is "
            f"row {wrong[0]} ({logs[wrong[0]]}){infinite}; {remedy}"
        )
    columns = ~np.isfinite(jacobian).all(axis=0)
    named = [name for name, bad in zip(parameters.names, columns, strict=True) if bad]
    return (
        f"params0: first or second derivatives by {', '.join(named or parameters.names)} are not "
        f"finite at the start; start from other values than {shown}"
    )
