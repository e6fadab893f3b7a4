"""Gradients of each example, for transformations that aggregate them themselves."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from paramjax._checks import check_rows
from paramjax._types import Array, Key, LossFn, Params, PyTree
from paramjax.step._gradients import GradFn, join_aux, split_aux, steepest
from paramjax.step.grads._checks import checked_loss


def per_example(loss_fn: LossFn, *, stateful: bool = False) -> GradFn:
    r"""$$g_i = \nabla_\theta \ell(\theta; x_i)$$ for each row of the batch.

    The loss is called on batches of one row, whose leading axis stays, and with
    `fold_in(key, i)`. For transformations such as `optax.contrib.dpsgd`, which clip each
    row's gradient before they average.

    On every row a stateful loss gets the model state from before the step; the new state is
    that of the whole batch (one more evaluation). Batch statistics of one row are
    degenerate: use layer or group normalisation instead.

    Args:
        loss_fn: A loss.
        stateful: Whether the loss takes and returns model state.

    Returns:
        A GradFn with `per_example=True`, its gradients [batch, ...] like the parameters;
        loss and metrics are means over the rows, and so is its `loss_fn`.

    Raises:
        TypeError: If `loss_fn` is not a loss; at the first call, if it does not return
            `(loss, metrics)`.
        ValueError: At the first call, if the loss is not a scalar or the leaves of the batch
            disagree in length.

    Example:
        >>> import paramjax as pj
        >>> loss_fn = lambda params, batch, key: (jnp.mean((params - batch) ** 2), {})
        >>> grads, loss, _ = pj.grads.per_example(loss_fn)(
        ...     jnp.zeros(()), jnp.array([1.0, 3.0]), jax.random.key(0))
        >>> grads.tolist(), float(loss)
        ([-2.0, -6.0], 5.0)
    """
    checked = checked_loss("per_example", loss_fn, stateful=stateful)

    def of_row(params: Params, *rest: Any) -> tuple[Array, tuple[Array, Any]]:
        loss, aux = checked(params, *rest)
        return loss, (loss, split_aux(aux, stateful=stateful)[1])

    def over_rows(function: Any, params: Params, *rest: Any) -> PyTree:
        *model_state, batch, key = rest
        rows, keys = rows_and_keys("per_example", batch, key)
        return jax.vmap(lambda row, key: function(params, *model_state, row, key))(rows, keys)

    def finish(params: Params, losses: Array, metrics: PyTree, *rest: Any) -> tuple[Array, Any]:
        after: tuple[Any, ...] = ()
        if stateful:
            after, _ = split_aux(checked(params, *rest)[1], stateful=True)
        metrics = jax.tree.map(lambda values: values.mean(0), metrics)
        return losses.mean(), join_aux(after, metrics)

    def estimate(params: Params, *rest: Any) -> tuple[PyTree, Array, Any]:
        gradient = jax.grad(of_row, has_aux=True)
        grads, (losses, metrics) = over_rows(gradient, params, *rest)
        return steepest(grads), *finish(params, losses, metrics, *rest)

    def mean_loss(params: Params, *rest: Any) -> tuple[Array, Any]:
        losses, (_, metrics) = over_rows(of_row, params, *rest)
        return finish(params, losses, metrics, *rest)

    return GradFn(estimate, mean_loss, stateful, per_example=True)


def rows_and_keys(name: str, batch: PyTree, key: Key) -> tuple[PyTree, Key]:
    """Batches of one row, arrays [rows, 1, ...], and keys [rows], the i-th `fold_in(key, i)`."""
    count = check_rows(name, batch)
    rows = jax.tree.map(lambda leaf: jnp.asarray(leaf)[:, None], batch)
    return rows, jax.vmap(jax.random.fold_in, in_axes=(None, 0))(key, jnp.arange(count))
