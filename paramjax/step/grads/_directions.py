"""Random directions in the space of the parameters, and the estimate from both sides of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from paramjax._types import Array, Key, LossFn, Params, PyTree
from paramjax.step._gradients import GradFn, join_aux, split_aux
from paramjax.step._keys import used_again
from paramjax.step.grads._checks import check_real, checked_loss
from paramjax.step.grads._sums import masked_sum, sum_dtype

Draw = Callable[[Key, tuple[int, ...]], Array]
"""`(key, shape) -> float32[shape]`."""

# beyond 2**31, the number of no step and no row, so that an estimator's draws are independent
# of what the loss draws from the step's key itself
_DIRECTIONS = 0xD1EC0000


def direction_key(key: Key) -> Key:
    """The key of an estimator's own randomness; the loss keeps the step's key as it is."""
    return jax.random.fold_in(key, jnp.uint32(_DIRECTIONS))


def draw_like(draw: Draw, key: Key, params: Params) -> PyTree:
    """One flat float32 draw, cut into leaves of the parameters' shapes: it compiles fast."""
    leaves, form = jax.tree.flatten(params)
    ends = np.cumsum([np.size(leaf) for leaf in leaves])
    parts = jnp.split(draw(key, (int(ends[-1]),)), ends[:-1])
    shaped = [part.reshape(np.shape(leaf)) for part, leaf in zip(parts, leaves, strict=True)]
    return jax.tree.unflatten(form, shaped)


def moved(params: Params, directions: PyTree, distance: Any) -> Params:
    """Parameters moved along the directions, in their own dtypes, added in at least float32."""

    def move(leaf: Any, direction: Array) -> Array:
        wide = jnp.promote_types(jnp.result_type(leaf), jnp.float32)
        wide_sum: Array = jnp.asarray(leaf, wide) + distance * direction
        return wide_sum.astype(jnp.result_type(leaf))

    return jax.tree.map(move, params, directions)


def two_sided(
    name: str,
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

    Both sides and all pairs get one key, so that the two losses of a pair differ by the
    direction alone, also where the loss is random.
    """
    checked = checked_loss(name, loss_fn, stateful=stateful)

    def pair(params: Params, rest: Any, key: Key) -> tuple[PyTree, PyTree]:
        direction = draw_like(draw, key, params)

        def side(sign: Array) -> tuple[Array, Any]:
            *others, key = rest  # one key for all evaluations, which is meant
            point = moved(params, direction, sign * distance)
            loss, aux = checked(point, *others, used_again(key))
            wide = jnp.asarray(loss, sum_dtype(jnp.result_type(loss)))
            return wide, split_aux(aux, stateful=stateful)[1]

        losses, metrics = jax.vmap(side)(jnp.array([1.0, -1.0]))
        slope = (losses[0] - losses[1]) / (2 * distance)
        means = jax.tree.map(lambda values: values.mean(0), (losses, metrics))
        return jax.tree.map(lambda d: slope * d, direction), means

    def averages(params: Params, rest: Any) -> tuple[PyTree, PyTree]:
        check_real(name, params)
        keys = jax.random.split(direction_key(rest[-1]), pairs)
        every = jnp.ones(pairs, bool)
        sums = masked_sum(lambda key: pair(params, rest, key), keys, every, chunk=chunk)
        means: tuple[PyTree, PyTree] = jax.tree.map(lambda s: s / pairs, sums)
        return means

    def new_model_state(params: Params, rest: Any) -> tuple[Any, ...]:
        if not stateful:
            return ()
        return split_aux(checked(params, *rest[:-1], used_again(rest[-1]))[1], stateful=True)[0]

    def estimate(params: Params, *rest: Any) -> tuple[PyTree, Array, Any]:
        grads, (loss, metrics) = averages(params, rest)
        grads = jax.tree.map(lambda g, p: g.astype(jnp.result_type(p)), grads, params)
        return grads, loss, join_aux(new_model_state(params, rest), metrics)

    def mean_loss(params: Params, *rest: Any) -> tuple[Array, Any]:
        _, (loss, metrics) = averages(params, rest)
        return loss, join_aux(new_model_state(params, rest), metrics)

    return GradFn(estimate, mean_loss, stateful)
