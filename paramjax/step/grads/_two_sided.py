"""Gradients from differences of the loss on both sides, along random directions."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from paramjax._types import Array, Key, LossFn, Params, PyTree
from paramjax.step._gradients import GradFn, join_aux, split_aux
from paramjax.step.grads._directions import Draw, direction_key, draw_like, moved
from paramjax.step.grads._expect import check_real, scalar_loss
from paramjax.step.grads._sums import masked_sum


def two_sided(
    what: str,
    loss_fn: LossFn,
    draw: Draw,
    distance: float | Array,
    *,
    pairs: int,
    chunk: int | None = None,
    stateful: bool = False,
) -> GradFn:
    r"""$$g = \frac{1}{n}\sum_{i=1}^n
    \frac{\ell(\theta + c\,\epsilon_i) - \ell(\theta - c\,\epsilon_i)}{2c}\,\epsilon_i$$

    Both sides and all pairs see one key, so that a loss which is itself random differs
    between them by the direction alone.

    Args:
        what: The estimator, for messages.
        loss_fn: A loss.
        draw: The distribution of the directions.
        distance: c, positive.
        pairs: n, positive.
        chunk: Pairs evaluated together; None takes all.
        stateful: Whether the loss takes and returns model state. Every evaluation sees it
            frozen; it leaves as one further evaluation at the parameters leaves it.

    Returns:
        A GradFn; loss and metrics are means over all evaluations, and so is its `loss_fn`,
        along the same directions.

    Raises:
        TypeError: If it is no loss; at the first call, if parameters are complex.
        ValueError: At the first call, if the loss is no scalar.

    Example:
        >>> square = lambda params, batch, key: (params**2, {})
        >>> grad_fn = two_sided("mine", square, jax.random.rademacher, 0.5, pairs=1)
        >>> float(grad_fn(jnp.float32(3.0), None, jax.random.key(0))[0])
        6.0
    """
    own_loss = scalar_loss(what, loss_fn, stateful=stateful)

    def pair(params: Params, rest: Any, key: Key) -> tuple[PyTree, PyTree]:
        direction = draw_like(draw, key, params)

        def side(sign: Array) -> tuple[Array, Any]:
            loss, aux = own_loss(moved(params, direction, sign * distance), *rest)
            return jnp.asarray(loss, jnp.float32), split_aux(aux, stateful=stateful)[1]

        losses, metrics = jax.vmap(side)(jnp.array([1.0, -1.0]))
        slope = (losses[0] - losses[1]) / (2 * distance)
        means = jax.tree.map(lambda values: values.mean(0), (losses, metrics))
        return jax.tree.map(lambda d: slope * d, direction), means

    def averages(params: Params, rest: Any) -> tuple[PyTree, PyTree]:
        check_real(what, params)
        keys = jax.random.split(direction_key(rest[-1]), pairs)
        every = jnp.ones(pairs, bool)
        sums = masked_sum(lambda key: pair(params, rest, key), keys, every, chunk=chunk)
        return jax.tree.map(lambda s: s / pairs, sums)

    def carried(params: Params, rest: Any) -> tuple[Any, ...]:
        if not stateful:
            return ()
        return split_aux(own_loss(params, *rest)[1], stateful=True)[0]

    def estimate(params: Params, *rest: Any) -> tuple[PyTree, Array, Any]:
        grads, (loss, metrics) = averages(params, rest)
        grads = jax.tree.map(lambda g, p: g.astype(jnp.result_type(p)), grads, params)
        return grads, loss, join_aux(carried(params, rest), metrics)

    def mean_loss(params: Params, *rest: Any) -> tuple[Array, Any]:
        _, (loss, metrics) = averages(params, rest)
        return loss, join_aux(carried(params, rest), metrics)

    return GradFn(estimate, mean_loss, stateful)
