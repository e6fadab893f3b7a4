"""The gradient of a batch, microbatch by microbatch, in the memory of one."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from paramjax._checks import check_count, check_rows, check_same_form, describe, leaf_name
from paramjax._types import Array, Batch, Key, LossFn, Params, PyTree
from paramjax.step._gradients import GradFn, as_grad_fn, join_aux, split_aux
from paramjax.step.grads._private import PrivateGradFn
from paramjax.step.grads._sums import interleave, part, sum_dtype

Weight = Callable[[Batch], Array]
"""`(microbatch) -> weight`, a scalar that is not negative."""


def accumulate(
    loss_fn: LossFn | GradFn,
    microbatches: int,
    *,
    weight: Weight | None = None,
    stateful: bool = False,
) -> GradFn:
    r"""Average the gradients of microbatches, in the memory of one of them.

    $$g = \frac{\sum_i w_i g_i}{\sum_i w_i}$$
    and likewise for the loss and the metrics. For a loss that is a mean over rows this is the
    whole batch's gradient; for one that is a mean over what a mask keeps, it is with
    `weight=lambda batch: batch["mask"].sum()`. Each row is differentiated once. Sums are
    kept in at least float32.

    Microbatch i of n takes the rows i, i + n, i + 2n and so on, which `shard` leaves on their
    devices, and `fold_in(key, i)`; a model state goes from each to the next. A microbatch of
    weight zero contributes nothing, even if its loss is NaN; if all weights are zero,
    gradient and loss are NaN.

    Args:
        loss_fn: A loss, or a gradient estimator, whose `init` and `needs` are kept.
        microbatches: Number of microbatches, a divisor of the rows of the batch.
        weight: The weight of a microbatch; None weighs them equally.
        stateful: Whether the loss takes and returns model state.

    Returns:
        A GradFn. Its `loss_fn` is the same average of the losses, with the same keys, also
        differentiated in the memory of one microbatch.

    Raises:
        TypeError: If `loss_fn` is neither a loss nor a GradFn, `weight` is not callable, or
            `microbatches` is not an integer.
        ValueError: If `microbatches` is not positive, or the estimator is private or its
            gradients are per example; at the first trace, if a batch cannot be split evenly
            or a weight is not a scalar.

    Example:
        >>> import paramjax as pj
        >>> loss_fn = lambda params, batch, key: (jnp.mean((params - batch) ** 2), {})
        >>> grads, loss, _ = pj.grads.accumulate(loss_fn, 2)(
        ...     jnp.zeros(()), jnp.array([1.0, 2.0, 3.0, 4.0]), jax.random.key(0))
        >>> float(grads), float(loss)
        (-5.0, 7.5)
    """
    microbatches = check_count("accumulate: microbatches", microbatches)
    if weight is not None and not callable(weight):
        raise TypeError(
            f"accumulate: weight: expected a function of a microbatch, got {describe(weight)}"
        )
    grad_fn = as_grad_fn(loss_fn, stateful=stateful)
    _check_averages(grad_fn)

    def estimate(params: Params, *rest: Any) -> tuple[PyTree, Array, Any]:
        *model_state, batch, key = rest
        view = _split(batch, microbatches)

        def body(carry: Any, _: None) -> tuple[Any, Any]:
            index, sums, model_state = carry
            microbatch = part(view, index)
            grads, loss, aux = grad_fn(params, *model_state, microbatch, _fold_in(key, index))
            check_same_form("gradients", grads, params)
            model_state, metrics = split_aux(aux, stateful=grad_fn.stateful)
            own = _weigh(weight, microbatch)
            sums = jax.tree.map(lambda s, value: s + _weighted(own, value), sums, (loss, grads))
            return (index + 1, sums, model_state), (own, metrics)

        # the index counts and the loss is summed on the way: an array of indices to read, or a
        # stack of losses to write, would cost a kernel a microbatch each
        zeros = jax.tree.map(lambda p: jnp.zeros_like(p, sum_dtype(p.dtype)), params)
        start = (jnp.int32(0), (jnp.zeros([]), zeros), tuple(model_state))
        (_, sums, after), (weights, metrics) = jax.lax.scan(body, start, length=microbatches)
        total = microbatches if weights is None else weights.sum()
        loss, sums = sums[0] / total, sums[1]
        grads = jax.tree.map(lambda s, p: (s / total).astype(p.dtype), sums, params)
        return grads, loss, join_aux(after, _means(weights, metrics))

    mean_loss = _mean_loss(grad_fn, microbatches, weight) if grad_fn.loss_fn else None
    return dataclasses.replace(grad_fn, estimate=estimate, loss_fn=mean_loss)


def _check_averages(grad_fn: GradFn) -> None:
    """Raise unless the mean of the estimates of microbatches is that of the batch."""
    if grad_fn.per_example:
        raise ValueError(
            "accumulate: expected an estimator that averages over the batch, got gradients per "
            "example; a private estimate in little memory is private(..., microbatch=rows)"
        )
    if isinstance(grad_fn, PrivateGradFn):
        raise ValueError(
            "accumulate: a private estimate adds its noise once for the whole batch; give "
            "private(..., microbatch=rows) instead"
        )


def _split(batch: Batch, microbatches: int) -> Batch:
    """The batch as interleaved microbatches, or an error if it does not divide."""
    rows = check_rows("accumulate", batch)
    if rows % microbatches or not rows:
        path = jax.tree_util.tree_leaves_with_path(batch)[0][0]
        raise ValueError(
            f"accumulate: leaf {leaf_name(path)} of the batch has {rows} rows, which do not divide "
            f"into {microbatches} microbatches; choose a batch size that is a multiple of it"
        )
    return interleave(batch, microbatches)


def _mean_loss(grad_fn: GradFn, microbatches: int, weight: Weight | None) -> LossFn:
    """The weighted mean of the losses, as a LossFn of the estimator's form."""
    loss_fn: Any = grad_fn.loss_fn

    def mean_loss(params: Params, *rest: Any) -> tuple[Array, Any]:
        *model_state, batch, key = rest
        view = _split(batch, microbatches)

        # a line search differentiates this; without the checkpoint its backward pass
        # would keep the activations of all microbatches
        @jax.checkpoint
        def body(model_state: Any, index: Array) -> tuple[Any, Any]:
            microbatch = part(view, index)
            own = _weigh(weight, microbatch)
            used = params if own is None else _constant_where(own == 0, params)
            loss, aux = loss_fn(used, *model_state, microbatch, _fold_in(key, index))
            model_state, metrics = split_aux(aux, stateful=grad_fn.stateful)
            return model_state, (own, jnp.asarray(loss, sum_dtype(loss.dtype)), metrics)

        after, (weights, losses, metrics) = jax.lax.scan(
            body, tuple(model_state), jnp.arange(microbatches)
        )
        loss, metrics = _means(weights, (losses, metrics))
        return loss, join_aux(after, metrics)

    return mean_loss


def _constant_where(empty: Array, params: Params) -> Params:
    """No gradient through a microbatch of weight zero, where zero times NaN would be NaN."""
    return jax.tree.map(lambda p: jnp.where(empty, jax.lax.stop_gradient(p), p), params)


def _fold_in(key: Key | None, index: Array) -> Key | None:
    return None if key is None else jax.random.fold_in(key, index)


def _weigh(weight: Weight | None, microbatch: Batch) -> Array | None:
    """The weight of a microbatch, float32[]; None where all weigh the same."""
    if weight is None:
        return None
    value = weight(microbatch)
    if jnp.shape(value) != ():
        raise ValueError(
            f"accumulate: weight: expected a scalar for each microbatch, got shape "
            f"{jnp.shape(value)}; take its sum"
        )
    return jnp.asarray(value, jnp.float32)


def _weighted(weights: Array | None, values: Array) -> Array:
    """Weight times value, and zero where the weight is zero, whatever the value."""
    wide = jnp.asarray(values, sum_dtype(jnp.result_type(values)))
    if weights is None:
        return wide
    weights = weights.reshape(weights.shape + (1,) * (wide.ndim - weights.ndim))
    return jnp.where(weights == 0, jnp.zeros([], wide.dtype), weights * wide)


def _means(weights: Array | None, values: PyTree) -> PyTree:
    """Weighted means over the leading axis; integers and booleans become float32."""

    def mean(stacked: Array) -> Array:
        exact = jnp.issubdtype(stacked.dtype, jnp.inexact)
        total = len(stacked) if weights is None else weights.sum()
        average = _weighted(weights, stacked).sum(0) / total
        return average.astype(stacked.dtype) if exact else average

    return jax.tree.map(mean, values)
