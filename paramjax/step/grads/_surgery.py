"""Gradient surgery: combine the gradients of several tasks, which may conflict."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp

from paramjax._checks import describe
from paramjax._types import Array, Batch, Key, LossFn, Metrics, Params, PyTree
from paramjax.step._gradients import GradFn, gradient
from paramjax.step._keys import used_again
from paramjax.step._norms import widened
from paramjax.step.grads._checks import check_real, checked_loss

Combine = Callable[[Array, Key], Array]
"""`(inner_products, key) -> weights`: of the gradients' inner products, float32[tasks, tasks],
the weights of their sum, float32[tasks]. Where the products would over- or underflow, all are
multiplied by one power of two."""


def project_conflicting(inner_products: Array, key: Key) -> Array:
    r"""$$g_i \leftarrow g_i - \frac{\langle g_i, \nabla\ell_j\rangle}{\|\nabla\ell_j\|^2}
    \nabla\ell_j$$
    for each other task j with a negative inner product, in random order.

    PCGrad of Yu et al. (2020, Gradient surgery for multi-task learning, Algorithm 1). The
    projected gradients are averaged; the paper sums them, which is a learning rate tasks
    times as large.

    Args:
        inner_products: Of the gradients, float32[tasks, tasks].
        key: The key of the random orders.

    Returns:
        Weights of the gradients, float32[tasks].

    Example:
        >>> import paramjax as pj
        >>> products = jnp.array([[1.0, -1.0], [-1.0, 2.0]])
        >>> pj.grads.project_conflicting(products, jax.random.key(0)).tolist()
        [1.0, 0.75]
    """
    tasks = inner_products.shape[0]
    squares = jnp.diagonal(inner_products)

    def of_task(own: Array, key: Key) -> Array:
        def project(weights: Array, other: Array) -> tuple[Array, None]:
            inner = jnp.dot(weights, inner_products[other], precision=jax.lax.Precision.HIGHEST)
            conflict = (inner < 0) & (other != own)
            share = jnp.where(conflict, inner / jnp.where(conflict, squares[other], 1.0), 0.0)
            return weights.at[other].add(-share), None

        start = jnp.zeros(tasks).at[own].set(1.0)
        return jax.lax.scan(project, start, jax.random.permutation(key, tasks))[0]

    return jax.vmap(of_task)(jnp.arange(tasks), jax.random.split(key, tasks)).mean(0)


def average_tasks(inner_products: Array, key: Key) -> Array:
    """Weigh all tasks equally: the gradient of the mean loss, as a baseline.

    Args:
        inner_products: Of the gradients, float32[tasks, tasks].
        key: Not used.

    Returns:
        Weights of the gradients, float32[tasks].

    Example:
        >>> import paramjax as pj
        >>> pj.grads.average_tasks(jnp.eye(4), jax.random.key(0)).tolist()
        [0.25, 0.25, 0.25, 0.25]
    """
    del key
    tasks = inner_products.shape[0]
    return jnp.full(tasks, 1 / tasks)


def surgery(losses: Mapping[str, LossFn], combine: Combine = project_conflicting) -> GradFn:
    r"""$$g = \sum_i w_i\,\nabla\ell_i$$
    with weights chosen from the inner products
    $\langle\nabla\ell_i, \nabla\ell_j\rangle$ of the tasks' gradients.

    Each loss is differentiated once, on the whole batch and with one key, so that the
    compiler can share common parts of the tasks. There is no stateful form, because each
    task would return a model state of its own.

    Args:
        losses: Name of each task -> its loss, two or more.
        combine: `project_conflicting`, `conflict_averse(0.5)`, `average_tasks`, or any
            function `(inner_products, key) -> weights` of float32[tasks, tasks] and a key,
            to float32[tasks] in the order of the mapping.

    Returns:
        A GradFn. The loss is the mean over the tasks, and so is its `loss_fn`. Metrics are
        `<task>/loss`, each task's own as `<task>/<metric>`, and `conflicts`, the share of
        pairs whose inner product is negative.

    Raises:
        TypeError: If a loss or `combine` is not callable; at the first call, if parameters
            are complex.
        ValueError: If there are fewer than two tasks; at the first call, if a loss is not a
            scalar or the weights do not have shape [tasks].

    Example:
        >>> import paramjax as pj
        >>> losses = {
        ...     "left": lambda params, batch, key: (params[0], {}),
        ...     "right": lambda params, batch, key: (params[1] - params[0], {}),
        ... }
        >>> grads, _, metrics = pj.grads.surgery(losses)(jnp.zeros(2), None, jax.random.key(0))
        >>> grads.tolist(), float(metrics["conflicts"])
        ([0.25, 0.75], 1.0)
    """
    if not isinstance(losses, Mapping) or len(losses) < 2:
        got = f"{len(losses)}" if isinstance(losses, Mapping) else describe(losses)
        raise ValueError(f"surgery: losses: expected a mapping of two or more tasks, got {got}")
    if not callable(combine):
        raise TypeError(f"surgery: combine: expected a function, got {describe(combine)}")
    tasks = {name: checked_loss(f"surgery: {name}", loss_fn) for name, loss_fn in losses.items()}
    grad_fns = {name: gradient(loss_fn) for name, loss_fn in tasks.items()}

    def estimate(params: Params, batch: Batch, key: Key) -> tuple[PyTree, Array, Metrics]:
        check_real("surgery", params)
        results = {
            name: grad_fn(params, batch, used_again(key)) for name, grad_fn in grad_fns.items()
        }
        grads = [grads for grads, _, _ in results.values()]
        products = _inner_products(grads)
        weights = combine(products, used_again(key))
        if jnp.shape(weights) != (len(grads),):
            raise ValueError(
                f"surgery: combine: expected weights of shape ({len(grads)},), got "
                f"{jnp.shape(weights)}"
            )
        loss, metrics = _mean({name: (loss, own) for name, (_, loss, own) in results.items()})
        return _weighted_sum(weights, grads), loss, {**metrics, "conflicts": _conflicts(products)}

    def mean_loss(params: Params, batch: Batch, key: Key) -> tuple[Array, Metrics]:
        return _mean(
            {name: loss_fn(params, batch, used_again(key)) for name, loss_fn in tasks.items()}
        )

    return GradFn(estimate, mean_loss)


def _inner_products(grads: list[PyTree]) -> Array:
    """[tasks, tasks], in full precision whatever the default of matrix products is."""
    factor = _factor(grads)

    def of_leaf(*leaves: Array) -> Array:
        rows = jnp.stack([factor * widened(leaf).ravel() for leaf in leaves])
        return jnp.matmul(rows, rows.T, precision=jax.lax.Precision.HIGHEST)

    return jnp.asarray(sum(jax.tree.leaves(jax.tree.map(of_leaf, *grads))))


def _factor(grads: list[PyTree]) -> Array:
    """1, or the power of two without which products of the gradients over- or underflow."""
    largest = jnp.stack([jnp.abs(widened(g)).max(initial=0) for g in jax.tree.leaves(grads)]).max()
    huge, tiny = largest > 2.0**48, largest < 2.0**-48
    return jnp.where(huge, 2.0**-80, jnp.where(tiny, 2.0**64, 1.0)).astype(largest.dtype)


def _weighted_sum(weights: Array, grads: list[PyTree]) -> PyTree:
    def of_leaf(*leaves: Array) -> Array:
        total = sum(w * widened(leaf) for w, leaf in zip(weights, leaves, strict=True))
        return jnp.asarray(total, leaves[0].dtype)

    return jax.tree.map(of_leaf, *grads)


def _conflicts(products: Array) -> Array:
    """The share of pairs of tasks with a negative inner product."""
    above = jnp.triu(jnp.ones(products.shape, bool), k=1)
    return jnp.where(above, products < 0, False).sum() / above.sum()


def _mean(results: Mapping[str, tuple[Array, Metrics]]) -> tuple[Array, Metrics]:
    """The mean loss, and each task's metrics under its name."""
    metrics: dict[str, Any] = {}
    for name, (loss, own) in results.items():
        metrics[f"{name}/loss"] = loss
        metrics.update({f"{name}/{metric}": value for metric, value in own.items()})
    total = sum(loss for loss, _ in results.values())
    return jnp.asarray(total) / len(results), metrics
