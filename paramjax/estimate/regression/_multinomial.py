"""Multinomial logistic regression: log odds of several classes against the first."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy import special

from paramjax._types import Array, Key, PyTree
from paramjax.estimate._estimate import Estimate
from paramjax.estimate._objective import Objective
from paramjax.estimate._outcome import Outcome
from paramjax.estimate.regression._assembly import is_suspicious, separation_note
from paramjax.estimate.regression._design import Missing, check_same_rows, coefficients_of
from paramjax.estimate.regression._families import Curve, matrix_at
from paramjax.estimate.regression._generalised import (
    Basis,
    Fitted,
    Sample,
    covariance_of,
    fit_on,
    newton_of,
    sample_of,
)
from paramjax.estimate.regression._responses import Classes, class_response
from paramjax.estimate.regression._separation import Separation, separation_of
from paramjax.estimate.regression._statistics import likelihood_statistics


def _scores(theta: Array, data: PyTree) -> Array:
    """Log odds against the first class, [n, classes], zeros in front."""
    columns = data["X"].shape[1]
    eta = data["X"] @ theta.reshape(-1, columns).T
    return jnp.concatenate([jnp.zeros_like(eta[:, :1]), eta], axis=1)


def _rows(theta: Array, data: PyTree) -> Array:
    """Log probability of the class `data["y"]`, int[n]."""
    logs = jax.nn.log_softmax(_scores(theta, data))
    return jnp.take_along_axis(logs, data["y"][:, None], axis=1)[:, 0]


def _simulate(key: Key, theta: Array, data: PyTree) -> PyTree:
    """A new class for each row."""
    drawn = jax.random.categorical(key, _scores(theta, data))
    return data | {"y": drawn.astype(data["y"].dtype)}


def multinomial(
    X: Any,
    y: Any,
    *,
    intercept: bool = True,
    weights: Any = None,
    names: Sequence[str] | None = None,
    missing: Missing = "raise",
) -> Estimate:
    r"""Regression of a response of several classes without order.

    $$\log \frac{\pi_{ic}}{\pi_{i1}} = x_i^\top \beta_c, \quad c = 2, \dots, C$$
    by Newton's method (McFadden, 1974, Conditional logit analysis of qualitative choice
    behavior). The observed information is the expected one.

    Args:
        X: Columns: an array [n, k], a dict of columns, or a table of pandas or polars.
        y: Classes, [n], of any kind that can be sorted; the first is the one to compare with.
        intercept: Whether a column of ones comes first.
        weights: How often each row counts, [n], from 0.
        names: Of the columns, without the intercept.
        missing: "raise" refuses rows with NaN, "drop" leaves them out and counts them.

    Returns:
        Coefficients by "class: column", in log odds against the first class. If columns separate
        classes, the outcome is SEPARATED, and a note names them.

    Raises:
        TypeError: If columns are not numbers, or classes cannot be sorted.
        ValueError: If there are fewer than two classes, fewer rows than coefficients, or numbers
            are missing.

    Example:
        >>> import paramjax as pj
        >>> y = ["bus", "car", "rail", "car", "car", "bus", "rail", "rail"]
        >>> est = pj.estimate.multinomial({"km": [1, 2, 3, 4, 1, 2, 3, 4]}, y)
        >>> {name: round(float(value), 2) for name, value in est.params.items()}
        {'car: intercept': -1.66, 'car: km': 1.1, 'rail: intercept': -4.93, 'rail: km': 2.24}
    """
    classes = class_response(y)
    check_same_rows(X, y)
    sample = sample_of(
        X,
        classes.of_rows,
        intercept=intercept,
        names=names,
        weights=weights,
        offset=None,
        missing=missing,
    )
    classes.check(sample.y, sample.counts)
    basis, blocks = sample.basis, len(classes.names) - 1
    if len(sample.y) < blocks * len(sample.design.names):
        raise ValueError(
            f"X: expected at least as many rows as coefficients, got {len(sample.y)} rows for "
            f"{blocks * len(sample.design.names)}; leave columns out or join classes"
        )
    data = {"X": sample.design.matrix, "y": sample.y.astype(np.int64)}
    start = np.zeros(blocks * basis.columns.shape[1])
    fitted = fit_on(basis, _rows, start, data, sample.weights, blocks=blocks)
    return _estimate(sample, classes, data, fitted, intercept)


def _estimate(
    sample: Sample,
    classes: Classes,
    data: dict[str, np.ndarray],
    fitted: Fitted,
    intercept: bool,
) -> Estimate:
    columns = sample.design.names
    names = tuple(f"{label}: {name}" for label in classes.names[1:] for name in columns)
    information = fitted.maximum.information
    assert information is not None  # Newton's method has one
    covariance, notes = covariance_of(fitted, information, names)
    outcome = fitted.outcome
    apart = _separated(fitted, sample, data["y"])
    if apart is not None:
        outcome, notes = Outcome.SEPARATED, (*fitted.notes, separation_note(apart, names))
        covariance = np.full_like(covariance, np.nan)
    best, size = fitted.maximum.log_likelihood, len(fitted.maximum.theta)
    counts = np.bincount(data["y"], sample.counts, len(classes.names))
    constant = sample.basis.has_constant
    null = (
        float(special.xlogy(counts, counts / counts.sum()).sum())
        if constant
        else -sample.counts.sum() * np.log(len(classes.names))
    )
    tested = size - constant * (len(classes.names) - 1)
    figures = likelihood_statistics(best, null, size=size, rows=sample.rows, tested=tested)
    parameters = coefficients_of(names, fitted.theta)
    log_odds, probabilities = _curves(columns, intercept)
    return Estimate(
        params=parameters.tree(fitted.theta),
        covariance=covariance,
        outcome=outcome,
        parameters=parameters,
        objective=Objective(
            "log_prob",
            parameters,
            _rows,
            data,
            newton_of(_rows),
            weights=sample.weights,
            predict=probabilities,
            linear=log_odds,
            link=jax.nn.sigmoid,
            simulate=_simulate,
        ),
        title="Multinomial logistic regression",
        value=best,
        rows=sample.rows,
        dof=sample.rows - size,
        reference="normal",
        covariance_kind="observed information",
        statistics=figures | {"deviance": -2 * best, "null deviance": -2 * null},
        notes=(*sample.notes, f"log odds against {classes.names[0]!r}", *notes),
        iterations=fitted.maximum.iterations,
    )


@cache
def _curves(names: tuple[str, ...], intercept: bool) -> tuple[Curve, Curve]:
    """Log odds of each class against all others, and its probability, `(theta, x) -> [m, classes]`.

    Bands are made for the log odds, so that probabilities stay between 0 and 1.
    """

    def scores(theta: Any, x: Any) -> Any:
        table = matrix_at(x, names[intercept:])
        if intercept:
            table = jnp.concatenate([jnp.ones_like(table[:, :1]), table], axis=1)
        eta = table @ jnp.asarray(theta).reshape(-1, len(names)).T
        return jnp.concatenate([jnp.zeros_like(eta[:, :1]), eta], axis=1)

    def log_odds(theta: Any, x: Any) -> Any:
        eta = scores(theta, x)
        own = jnp.eye(eta.shape[1], dtype=bool)[None]
        others = jnp.where(own, -jnp.inf, eta[:, None, :])
        return eta - jax.nn.logsumexp(others, axis=2)

    def probabilities(theta: Any, x: Any) -> Any:
        return jax.nn.softmax(scores(theta, x))

    return log_odds, probabilities


def _separated(fitted: Fitted, sample: Sample, y: np.ndarray) -> Separation | None:
    """Whether a direction favours the class of each row over all others."""
    blocks = len(fitted.theta) // sample.design.matrix.shape[1]
    eta = sample.design.matrix @ fitted.theta.reshape(blocks, -1).T
    if not is_suspicious(fitted, eta):
        return None
    whole = Basis(_contrasts(sample.basis.columns, y, blocks), fitted.root, fitted.undetermined, ())
    contrasts = _contrasts(sample.design.matrix, y, blocks)
    constant = np.ptp(sample.design.matrix, axis=0) == 0
    towards = np.ones(len(contrasts), int)
    shifts, information = np.tile(constant, blocks), fitted.maximum.information
    apart = separation_of(contrasts, whole, towards, shifts, information)
    if apart is None:
        return None
    beaten = apart.moved.reshape(len(y), blocks)  # the other classes that a row cannot be
    certain = np.asarray(beaten.all(axis=1))
    if not certain.any():
        certain = np.asarray(beaten.any(axis=1))
    return apart._replace(moved=certain)


def _contrasts(columns: np.ndarray, y: np.ndarray, blocks: int) -> np.ndarray:
    """Rows whose product with the coefficients is the lead of the class of a row over another."""
    each = np.eye(blocks + 1)[:, 1:]  # the first class has no coefficients
    leads = each[y][:, None, :] - each[None]  # [n, classes, blocks]
    others = np.arange(blocks + 1)[None] != y[:, None]
    table = leads[..., None] * columns[:, None, None, :]
    contrasts: np.ndarray = table[others].reshape(len(y) * blocks, -1)
    return contrasts
