"""Nonlinear least squares for any pytree of parameters, with standard errors."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from paramjax._checks import check_takes, describe
from paramjax._programs import kept_on
from paramjax._types import Array, Key, Params, PyTree
from paramjax.estimate._constraints import Bounds, constrained
from paramjax.estimate._estimate import Estimate
from paramjax.estimate._parameters import Parameters, parameters_of, slopes_at
from paramjax.estimate._transforms import Transform
from paramjax.estimate.curves._fit import Pieces, fit
from paramjax.estimate.curves._found import Options
from paramjax.estimate.curves._robust_losses import RobustLoss
from paramjax.estimate.inputs._missing import Missing, complete_data
from paramjax.estimate.inputs._traced import check_callable_solver, explained
from paramjax.estimate.solvers import Inputs, Solver, levenberg_marquardt
from paramjax.estimate.solvers._levenberg_marquardt import linearised

Residuals = Callable[[Params, PyTree], Array]


def least_squares(
    residual_fn: Residuals,
    params0: Params,
    data: PyTree = None,
    *,
    weights: Any = None,
    sigma: Any = None,
    bounds: Bounds = None,
    transforms: Mapping[str, Transform] | None = None,
    loss: RobustLoss | None = None,
    fixed: Iterable[str] | None = None,
    starts: int | Params | None = None,
    key: Key | None = None,
    missing: Missing = "raise",
    solver: Callable[..., Solver] | None = None,
) -> Estimate:
    r"""Parameters that minimise a weighted sum of squared residuals, with standard errors.

    $$\hat\theta = \arg\min_\theta \sum_i w_i\, r_i(\theta)^2$$
    by the damped Gauss-Newton method, to the precision of double numbers whatever the setting
    of JAX. The standard errors are those of Bates and Watts (1988), Nonlinear Regression
    Analysis and its Applications, eq. 2.33.

    Args:
        residual_fn: `(params, data) -> [n]`, the residuals, in JAX. The program is compiled for
            this function and the shapes of its arguments, so define it once outside of loops.
        params0: The start, a pytree of numbers and arrays.
        data: What the residuals read, a pytree of arrays.
        weights: Relative precisions of the rows, [n], from 0; the variance is estimated.
        sigma: Known standard deviations of the rows, [n] or one number; the variance is not
            estimated, and the intervals are normal.
        bounds: `{name: (low, high)}`, or a pair of pytrees `(low, high)` that are prefixes of
            the parameters'. A parameter that ends at a bound has no standard error.
        transforms: `{name: transform}`: the solver moves such parameters on a scale without
            bounds, and their intervals are made there.
        loss: A robust loss such as `huber(scale)`; the covariance is then the sandwich.
        fixed: Names of parameters, or of single numbers such as "w[0]", that stay at their start.
        starts: Further starts: how many are to be drawn around the first (then with a `key`), or
            a pytree as params0 with a leading axis. All are solved at once, the best is kept.
        key: Of the drawn starts.
        missing: "raise" or "drop" where data are NaN.
        solver: Makes the solver of the rows; None for `solvers.levenberg_marquardt`.

    Returns:
        The estimate; how it ended is its `outcome`.

    Raises:
        TypeError: If data are no numbers, or the residuals are not float64.
        ValueError: If there are fewer rows than parameters, the start lies outside the bounds, a
            residual at the start is not finite, data are missing, shapes do not fit, or a name
            is unknown.

    Example:
        >>> import paramjax as pj
        >>> import jax.numpy as jnp, numpy as np
        >>> x = np.arange(6.0)
        >>> y = 3.0 * np.exp(-0.5 * x) + 0.01 * np.cos(7.0 * x)
        >>> def residuals(params, data):
        ...     return data["y"] - params["height"] * jnp.exp(-params["rate"] * data["x"])
        >>> est = pj.estimate.least_squares(
        ...     residuals, {"height": 1.0, "rate": 1.0}, {"x": x, "y": y}
        ... )
        >>> est.outcome, round(float(est.params["rate"]), 2)
        ('converged', 0.5)
    """
    check_takes(residual_fn, ("params", "data"), "least_squares: residual_fn")
    found = constrained(parameters_of(params0), bounds=bounds, transforms=transforms, fixed=fixed)
    complete = complete_data(data, missing)
    make, standardised = _method(solver, loss, sigma)
    pieces = _pieces(residual_fn, found.parameters, make, loss, standardised, None)
    options = Options(weights, sigma, loss, starts, key)
    return fit(pieces, found, complete, options)


def curve_fit(
    predict_fn: Callable[[Params, Any], Array],
    params0: Params,
    x: Any,
    y: Any,
    *,
    weights: Any = None,
    sigma: Any = None,
    bounds: Bounds = None,
    transforms: Mapping[str, Transform] | None = None,
    loss: RobustLoss | None = None,
    fixed: Iterable[str] | None = None,
    starts: int | Params | None = None,
    key: Key | None = None,
    missing: Missing = "raise",
    solver: Callable[..., Solver] | None = None,
) -> Estimate:
    """Parameters of the curve that fits points best, with standard errors and for bands.

    As `least_squares` of the residuals `y - predict_fn(params, x)`.

    Args:
        predict_fn: `(params, x) -> [n]`, in JAX.
        params0: The start, a pytree of numbers and arrays.
        x: The inputs, an array, a list of numbers or a pytree of arrays.
        y: The responses, [n].
        weights: See `least_squares`, as for all that follow.
        sigma: See there.
        bounds: See there.
        transforms: See there.
        loss: See there.
        fixed: See there.
        starts: See there.
        key: See there.
        missing: See there.
        solver: See there.

    Returns:
        The estimate.

    Raises:
        TypeError: As `least_squares`.
        ValueError: As `least_squares`, and if y is not [n].

    Example:
        >>> import paramjax as pj
        >>> line = lambda params, x: params["a"] + params["b"] * x
        >>> x, y = np.array([0.0, 1.0, 2.0, 3.0]), np.array([1.1, 3.0, 5.0, 6.9])
        >>> est = pj.estimate.curve_fit(line, {"a": 0.0, "b": 0.0}, x, y)
        >>> [round(float(value), 3) for value in est.params.values()]
        [1.09, 1.94]
    """
    check_takes(predict_fn, ("params", "x"), "curve_fit: predict_fn")
    y = list(y) if isinstance(y, tuple) else y
    if np.ndim(y) != 1:
        raise ValueError(f"y: expected [n], got {describe(np.asarray(y))}")
    found = constrained(parameters_of(params0), bounds=bounds, transforms=transforms, fixed=fixed)
    complete = complete_data({"x": _numbers(x), "y": _numbers(y)}, missing)
    residual_fn: Residuals = kept_on(predict_fn, "curve_fit", lambda: _residuals(predict_fn))
    make, standardised = _method(solver, loss, sigma)
    pieces = _pieces(residual_fn, found.parameters, make, loss, standardised, predict_fn)
    options = Options(weights, sigma, loss, starts, key)
    return fit(pieces, found, complete, options)


def _numbers(values: Any) -> Any:
    """A list of numbers as one array, for to a tree each of them would be a leaf."""
    if isinstance(values, list) and all(np.ndim(value) == 0 for value in values):
        return np.asarray(values)
    return values


def _method(
    solver: Callable[..., Solver] | None, loss: RobustLoss | None, sigma: Any
) -> tuple[Callable[..., Solver], bool]:
    """What makes the solver, and whether the loss sees residuals over their deviations."""
    if loss is not None and not callable(loss):
        raise TypeError(
            f"loss: expected a function such as pj.estimate.huber(1.0), got {describe(loss)}"
        )
    check_callable_solver(solver)
    return solver or levenberg_marquardt, loss is not None and sigma is not None


def _residuals(predict_fn: Callable[[Params, Any], Array]) -> Residuals:
    def residual_fn(params: Params, data: PyTree) -> Array:
        with explained("predict_fn"):
            predicted = predict_fn(params, data["x"])
        if not hasattr(predicted, "dtype"):
            raise TypeError(
                f"predict_fn: expected an array of predictions, got {describe(predicted)}"
            )
        if predicted.dtype != np.float64:
            raise TypeError(
                f"predict_fn: expected float64 predictions, got {describe(predicted)}; params "
                "and x come as float64, do not cast them, for standard errors need the digits"
            )
        if predicted.shape != data["y"].shape:
            raise ValueError(
                f"predict_fn: expected predictions as y, {describe(data['y'])}, got "
                f"{describe(predicted)}"
            )
        residuals: Array = data["y"] - predicted
        return residuals

    return residual_fn


def _pieces(
    residual_fn: Residuals,
    parameters: Parameters,
    make: Callable[..., Solver],
    loss: RobustLoss | None,
    standardised: bool,
    predict_fn: Callable[[Params, Any], Array] | None,
) -> Pieces:
    """Functions of flat parameters, the same objects for the same function and form."""
    form = (parameters.treedef, parameters.shapes, parameters.transforms)
    key = (form, _fixed(parameters), make, loss, standardised)
    return kept_on(
        residual_fn,
        key,
        lambda: _made(residual_fn, parameters, make, loss, standardised, predict_fn),
    )


def _fixed(parameters: Parameters) -> bytes | None:
    """What is held, and at which numbers."""
    if parameters.held is None:
        return None
    places, everything = parameters.held
    return places.tobytes() + np.delete(everything, places).tobytes()


def _made(
    residual_fn: Residuals,
    parameters: Parameters,
    make: Callable[..., Solver],
    loss: RobustLoss | None,
    standardised: bool,
    predict_fn: Callable[[Params, Any], Array] | None,
) -> Pieces:
    def rows(theta: Array, data: PyTree) -> Array:
        params = parameters.tree(parameters.to_user(theta))
        if not standardised:
            return residual_fn(params, data)
        residuals: Array = residual_fn(params, data.data) / data.sigma
        return residuals

    def report(theta: Array, inputs: Inputs) -> PyTree:
        residuals, jacobian = linearised(rows, theta, inputs)
        return residuals, jacobian, parameters.to_user(theta), slopes_at(parameters, theta)

    solver = make(rows) if loss is None else make(rows, loss=loss)

    def plain() -> Pieces:
        return _pieces(residual_fn, parameters, make, None, standardised, predict_fn)

    return Pieces(rows, solver, report, plain, _predict(predict_fn, parameters))


def _predict(
    predict_fn: Callable[[Params, Any], Array] | None, parameters: Parameters
) -> Callable[[Any, Any], Any] | None:
    """The curve on flat parameters."""
    if predict_fn is None:
        return None
    return lambda theta, x: predict_fn(parameters.tree(parameters.to_user(theta)), x)
