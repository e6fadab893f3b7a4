"""Several losses of one model as one loss, with given or learned weights."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from paramjax._checks import check_scalar, nearest
from paramjax._types import Array, LossFn, Metrics, Params


def weighted_sum(losses: Mapping[str, LossFn], weights: Mapping[str, float | Array]) -> LossFn:
    r"""$$L(\theta) = \sum_i w_i L_i(\theta)$$

    Every task gets the same parameters and batch, and a key of its own, `fold_in(key, i)`
    for the i-th name. A task that needs only a part of the batch selects it:
    `lambda params, batch, key: loss_fn(params, batch["depth"], key)`.

    Args:
        losses: Task -> loss, all plain or all stateful. Each stateful loss gets the model state
            that the one before it returned.
        weights: Task -> $w_i$, any finite number or a traced scalar, for the same names.

    Returns:
        A loss of the same form. Its metrics are `<task>/loss` and each `<task>/<metric>`.

    Raises:
        TypeError: If a loss is not a function or a weight not a number; at the first call, if
            a task's metrics are not a dict.
        ValueError: If there are no losses, the names differ, a weight is not finite, or,
            at the first call, a task's loss is not a scalar or two metrics share a name.

    Example:
        >>> pull = lambda params, batch, key: (jnp.sum((params - 4.0) ** 2), {})
        >>> small = lambda params, batch, key: (jnp.sum(params**2), {"largest": params.max()})
        >>> loss_fn = weighted_sum({"pull": pull, "small": small}, {"pull": 1.0, "small": 3.0})
        >>> loss, metrics = loss_fn(jnp.ones(1), None, jax.random.key(0))
        >>> float(loss), sorted(metrics)
        (12.0, ['pull/loss', 'small/largest', 'small/loss'])
    """
    losses = _checked_losses("weighted_sum", losses)
    _check_names("weighted_sum: weights", weights, losses)
    for task, weight in weights.items():
        check_scalar(f"weighted_sum: weights[{task!r}]", weight, low=-math.inf)
    weights = dict(weights)

    def wrapped(params: Params, *rest: Any) -> tuple[Array, Any]:
        values, state, metrics = _each("weighted_sum", losses, params, rest)
        total = sum(weights[task] * value for task, value in values.items())
        return jnp.asarray(total), (*state, metrics) if state else metrics

    return wrapped


def uncertainty_weighted(losses: Mapping[str, LossFn], categorical: Collection[str] = ()) -> LossFn:
    r"""A sum of losses, each divided by a noise variance that is learned with the model.

    $$L(\theta, s) = \sum_i c_i\, e^{-s_i} L_i(\theta) + \tfrac{1}{2} s_i, \quad
      s_i = \log\sigma_i^2$$
    with $c_i = 1/2$ for a squared error and $c_i = 1$ for a cross-entropy (Kendall, Gal and
    Cipolla, 2018, Multi-task learning using uncertainty, eq. 7 and 10).

    The parameters become `{"model": params, "log_variance": {task: scalar}}`; start from
    `{task: jnp.zeros([]) for task in losses}`, a variance of 1 for each. A loss must stay
    positive, or its variance goes to zero and the sum to minus infinity.

    Args:
        losses: Task -> loss of `params["model"]`, all plain or all stateful, with keys and
            model state as in `weighted_sum`.
        categorical: Tasks whose loss is a cross-entropy.

    Returns:
        A loss of the same form. Its metrics are `<task>/loss`, `<task>/weight`, which is
        $c_i e^{-s_i}$, and each `<task>/<metric>`.

    Raises:
        TypeError: If a loss is not a function, or `categorical` is a string; at the first call,
            if a task's metrics are not a dict.
        ValueError: If there are no losses or `categorical` names others; at the first call,
            if the parameters do not have the form above, a task's loss is not a scalar, or two
            metrics share a name.

    Example:
        >>> loss_fn = uncertainty_weighted({"fit": lambda p, batch, key: (jnp.sum(p**2), {})})
        >>> params = {"model": jnp.array([2.0]), "log_variance": {"fit": jnp.zeros([])}}
        >>> float(loss_fn(params, None, jax.random.key(0))[0])
        2.0
    """
    losses = _checked_losses("uncertainty_weighted", losses)
    if isinstance(categorical, str):
        raise TypeError(
            f"uncertainty_weighted: categorical: expected names, got the string {categorical!r}; "
            "put it in a list"
        )
    for task in categorical:
        if task not in losses:
            raise ValueError(f"uncertainty_weighted: {nearest(task, losses, what='task')}")
    factors = {task: 1.0 if task in categorical else 0.5 for task in losses}

    def wrapped(params: Params, *rest: Any) -> tuple[Array, Any]:
        log_variance = _log_variances(params, losses)
        values, state, metrics = _each("uncertainty_weighted", losses, params["model"], rest)
        weights = {task: factors[task] * jnp.exp(-log_variance[task]) for task in losses}
        total = sum(weights[task] * values[task] + log_variance[task] / 2 for task in losses)
        named = {f"{task}/weight": weight for task, weight in weights.items()}
        _add("uncertainty_weighted", metrics, named)
        return jnp.asarray(total), (*state, metrics) if state else metrics

    return wrapped


def _each(
    who: str, losses: Mapping[str, LossFn], params: Params, rest: Sequence[Any]
) -> tuple[dict[str, Array], list[Any], Metrics]:
    """The loss of every task, [model_state] or [] after the last one, and the metrics of all."""
    *state, batch, key = rest
    values: dict[str, Array] = {}
    metrics: Metrics = {}
    for index, (task, loss_fn) in enumerate(losses.items()):
        value, aux = loss_fn(params, *state, batch, jax.random.fold_in(key, index))
        *state, reported = aux if state else (aux,)
        if jnp.shape(value) != ():
            raise ValueError(
                f"{who}: task {task!r}: expected a scalar loss, got shape {jnp.shape(value)}; "
                "take its mean"
            )
        if not isinstance(reported, dict):
            raise TypeError(
                f"{who}: task {task!r}: expected metrics as a dict, got "
                f"{type(reported).__name__}; are all losses plain, or all stateful?"
            )
        values[task] = value
        # a task's own report of its loss is replaced
        named = {f"{task}/{name}": metric for name, metric in reported.items()}
        _add(who, metrics, named | {f"{task}/loss": value})
    return values, state, metrics


def _add(who: str, metrics: Metrics, named: Metrics) -> None:
    """Add metrics under names that are not taken."""
    for name in named:
        if name in metrics:
            raise ValueError(
                f"{who}: two metrics would be called {name!r}; rename that of a task, or the task"
            )
    metrics |= named


def _checked_losses(who: str, losses: Mapping[str, LossFn]) -> dict[str, LossFn]:
    """A copy, which later changes to the caller's mapping do not change."""
    if not isinstance(losses, Mapping) or not losses:
        raise ValueError(f"{who}: losses: expected task -> loss for at least one task")
    for task, loss_fn in losses.items():
        if not callable(loss_fn):
            raise TypeError(
                f"{who}: losses[{task!r}]: expected a function, got {type(loss_fn).__name__}"
            )
    return dict(losses)


def _check_names(what: str, got: Any, losses: Mapping[str, LossFn]) -> None:
    """Raise unless a mapping has exactly the tasks as names."""
    if not isinstance(got, Mapping) or set(got) != set(losses):
        names = sorted(map(str, got)) if isinstance(got, Mapping) else type(got).__name__
        raise ValueError(f"{what}: expected one for each of {sorted(losses)}, got {names}")


def _log_variances(params: Params, losses: Mapping[str, LossFn]) -> Mapping[str, Array]:
    """The learned log-variances; raises if the parameters have another form."""
    if not isinstance(params, Mapping) or set(params) != {"model", "log_variance"}:
        raise ValueError(
            "uncertainty_weighted: expected params as {'model': ..., 'log_variance': "
            f"{{task: scalar}}}}, got the tree {jax.tree.structure(params)}"
        )
    log_variance: Mapping[str, Array] = params["log_variance"]
    _check_names("uncertainty_weighted: log_variance", log_variance, losses)
    for task, value in log_variance.items():
        if jnp.shape(value) != ():
            raise ValueError(
                f"uncertainty_weighted: log_variance[{task!r}]: expected a scalar, got shape "
                f"{jnp.shape(value)}"
            )
    return log_variance
