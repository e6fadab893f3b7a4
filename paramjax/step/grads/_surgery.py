"""Gradient surgery: the gradients of several tasks, combined where they conflict."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp

from paramjax._checks import describe
from paramjax._types import Array, Batch, Key, LossFn, Metrics, Params, PyTree
from paramjax.step._gradients import GradFn, gradient
from paramjax.step.grads._expect import check_real, scalar_loss
from paramjax.step.grads._project_conflicting import project_conflicting

Combine = Callable[[Array, Key], Array]
"""`(inner_products, key) -> weights`: of the gradients' inner products, float32[tasks, tasks],
the weights of their sum, float32[tasks]."""


def surgery(losses: Mapping[str, LossFn], combine: Combine = project_conflicting) -> GradFn:
    r"""$$g = \sum_i w_i\,\nabla\ell_i$$
    with weights chosen from the inner products
    $\langle\nabla\ell_i, \nabla\ell_j\rangle$ of the tasks' gradients.

    Each loss is differentiated once, on the whole batch and with one key, so that what the
    tasks share is computed once where the compiler sees it.

    There is no stateful form: each task would leave a model state of its own.

    Args:
        losses: Name of a task -> its loss, two or more.
        combine: `project_conflicting`, `conflict_averse(0.5)`, `average_tasks`, or any
            function `(inner_products, key) -> weights` of float32[tasks, tasks] and a key,
            to float32[tasks] in the order of the mapping.

    Returns:
        A GradFn. The loss is the mean over the tasks, and so is its `loss_fn`. Metrics are
        `<task>/loss`, each task's own as `<task>/<metric>`, and `conflicts`, the share of
        pairs whose inner product is negative.

    Raises:
        TypeError: If a loss or `combine` is no function; at the first call, if parameters
            are complex.
        ValueError: If there are fewer than two tasks; at the first call, if a loss is no
            scalar or the weights have another shape.

    Example:
        >>> losses = {
        ...     "left": lambda params, batch, key: (params[0], {}),
        ...     "right": lambda params, batch, key: (params[1] - params[0], {}),
        ... }
        >>> grads, _, metrics = surgery(losses)(jnp.zeros(2), None, jax.random.key(0))
        >>> grads.tolist(), float(metrics["conflicts"])
        ([0.25, 0.75], 1.0)
    """
    if not isinstance(losses, Mapping) or len(losses) < 2:
        got = f"{len(losses)}" if isinstance(losses, Mapping) else describe(losses)
        raise ValueError(f"surgery: losses: expected a mapping of two or more tasks, got {got}")
    if not callable(combine):
        raise TypeError(f"surgery: combine: expected a function, got {describe(combine)}")
    tasks = {name: scalar_loss(f"surgery: {name}", loss_fn) for name, loss_fn in losses.items()}
    grad_fns = {name: gradient(loss_fn) for name, loss_fn in tasks.items()}

    def estimate(params: Params, batch: Batch, key: Key) -> tuple[PyTree, Array, Metrics]:
        check_real("surgery", params)
        results = {name: grad_fn(params, batch, key) for name, grad_fn in grad_fns.items()}
        grads = [grads for grads, _, _ in results.values()]
        products = _inner_products(grads)
        weights = combine(products, key)
        if jnp.shape(weights) != (len(grads),):
            raise ValueError(
                f"surgery: combine: expected weights of shape ({len(grads)},), got "
                f"{jnp.shape(weights)}"
            )
        loss, metrics = _mean({name: (loss, own) for name, (_, loss, own) in results.items()})
        return _weighted_sum(weights, grads), loss, {**metrics, "conflicts": _conflicts(products)}

    def mean_loss(params: Params, batch: Batch, key: Key) -> tuple[Array, Metrics]:
        return _mean({name: loss_fn(params, batch, key) for name, loss_fn in tasks.items()})

    return GradFn(estimate, mean_loss)


def average_tasks(inner_products: Array, key: Key) -> Array:
    """Weigh all tasks equally: the gradient of the mean loss, to compare the others with.

    Args:
        inner_products: Of the gradients, float32[tasks, tasks].
        key: Not used.

    Returns:
        Weights of the gradients, float32[tasks].

    Example:
        >>> average_tasks(jnp.eye(4), jax.random.key(0)).tolist()
        [0.25, 0.25, 0.25, 0.25]
    """
    del key
    tasks = inner_products.shape[0]
    return jnp.full(tasks, 1 / tasks)


def _inner_products(grads: list[PyTree]) -> Array:
    """float32[tasks, tasks], in full precision also where matrix products are not."""

    def of_leaf(*leaves: Array) -> Array:
        rows = jnp.stack([leaf.astype(jnp.float32).ravel() for leaf in leaves])
        return jnp.matmul(rows, rows.T, precision=jax.lax.Precision.HIGHEST)

    return jnp.stack(jax.tree.leaves(jax.tree.map(of_leaf, *grads))).sum(0)


def _weighted_sum(weights: Array, grads: list[PyTree]) -> PyTree:
    def of_leaf(*leaves: Array) -> Array:
        total = sum(w * leaf.astype(jnp.float32) for w, leaf in zip(weights, leaves, strict=True))
        return jnp.asarray(total, leaves[0].dtype)

    return jax.tree.map(of_leaf, *grads)


def _conflicts(products: Array) -> Array:
    """The share of pairs of tasks whose gradients point apart, float32[]."""
    above = jnp.triu(jnp.ones(products.shape, bool), k=1)
    return jnp.where(above, products < 0, False).sum() / above.sum()


def _mean(results: Mapping[str, tuple[Array, Metrics]]) -> tuple[Array, Metrics]:
    """The mean loss, and every task's metrics under its name."""
    metrics: dict[str, Any] = {}
    for name, (loss, own) in results.items():
        metrics[f"{name}/loss"] = loss
        metrics.update({f"{name}/{metric}": value for metric, value in own.items()})
    total = sum(loss for loss, _ in results.values())
    return jnp.asarray(total) / len(results), metrics
