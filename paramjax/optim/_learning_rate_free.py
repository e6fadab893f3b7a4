"""Methods that find their learning rate, from optax.contrib, as factories of the catalogue.

Each computes in one precision, at least single: sums of squares that are kept in bfloat16 stop
growing after 256 equal terms. Those that have one keep the rate of the last update in their
state, where the metrics of a step read it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from optax import contrib

from paramjax._checks import check_learning_rate, check_rate
from paramjax._types import Array, Params, PyTree, Schedule
from paramjax.optim._chain import chain, gradient_links

Rate = float | Array | Schedule


class FoundRateState(NamedTuple):
    """State of a method that finds its learning rate.

    Attributes:
        method: optax's state of the method.
        step: Updates so far, int32[].
        learning_rate: The rate of the last update, float32[]; 0 before it.
    """

    method: PyTree
    step: Array
    learning_rate: Array


def prodigy(
    learning_rate: Rate = 1.0,
    *,
    b1: float | Array = 0.9,
    b2: float | Array = 0.999,
    first_estimate: float | Array = 1e-6,
    weight_decay: float | Array = 0.0,
    **before: Any,
) -> optax.GradientTransformation:
    """Adam whose rate is an estimate of the distance to the solution, times `learning_rate`."""
    _check(learning_rate, weight_decay, b1=b1, b2=b2)
    tx = contrib.prodigy(
        learning_rate, betas=(b1, b2), estim_lr0=first_estimate, weight_decay=weight_decay
    )
    return _method(tx, before, learning_rate, _distance)


def dadapt_adamw(
    learning_rate: Rate = 1.0,
    *,
    b1: float | Array = 0.9,
    b2: float | Array = 0.999,
    first_estimate: float | Array = 1e-6,
    weight_decay: float | Array = 0.0,
    **before: Any,
) -> optax.GradientTransformation:
    """AdamW whose rate is an estimate of the distance to the solution, times `learning_rate`."""
    _check(learning_rate, weight_decay, b1=b1, b2=b2)
    tx = contrib.dadapt_adamw(
        learning_rate, betas=(b1, b2), estim_lr0=first_estimate, weight_decay=weight_decay
    )
    return _method(tx, before, learning_rate, _distance)


def dog(
    learning_rate: Rate = 1.0, *, first_distance: float | Array = 1e-6, **before: Any
) -> optax.GradientTransformation:
    """SGD whose rate is the largest distance from the start over the root of all squared norms."""
    check_learning_rate(learning_rate)
    tx = contrib.dog(learning_rate, init_step=("heuristic", first_distance))

    def rate(old: Any, new: Any) -> Any:
        return new[1].max_dist / jnp.sqrt(new[1].sum_sq_norm_grads + 1e-8)

    return _method(tx, before, learning_rate, rate)


def dowg(
    learning_rate: Rate = 1.0, *, first_distance: float | Array = 1e-2, **before: Any
) -> optax.GradientTransformation:
    """As DoG, with each squared norm weighted by the squared distance at which it was seen."""
    check_learning_rate(learning_rate)
    tx = contrib.dowg(learning_rate, init_estim_sq_dist=jnp.square(first_distance))

    def rate(old: Any, new: Any) -> Any:
        return new[1].estim_sq_dist / (jnp.sqrt(new[1].weighted_sq_norm_grads) + 1e-4)

    return _method(tx, before, learning_rate, rate)


def cocob(*, alpha: float | Array = 100.0, **before: Any) -> optax.GradientTransformation:
    """Coin betting, a bet for each parameter; it is blind to the scale of gradients."""
    check_rate("alpha", alpha)
    return _method(contrib.cocob(alpha=alpha), before)


def momo(
    learning_rate: Rate = 1.0,
    *,
    momentum: float | Array = 0.9,
    lower_bound: float | Array = 0.0,
    weight_decay: float | Array = 0.0,
    **before: Any,
) -> optax.GradientTransformation:
    """SGD with momentum by a Polyak step, which `learning_rate` bounds; it takes the loss."""
    _check(learning_rate, weight_decay, momentum=momentum)
    tx = contrib.momo(
        learning_rate, beta=momentum, lower_bound=lower_bound, weight_decay=weight_decay
    )
    return _method(tx, before)


def momo_adam(
    learning_rate: Rate = 1e-2,
    *,
    b1: float | Array = 0.9,
    b2: float | Array = 0.999,
    lower_bound: float | Array = 0.0,
    weight_decay: float | Array = 0.0,
    **before: Any,
) -> optax.GradientTransformation:
    """Adam by a Polyak step, which `learning_rate` bounds; it takes the loss."""
    _check(learning_rate, weight_decay, b1=b1, b2=b2)
    tx = contrib.momo_adam(
        learning_rate, b1=b1, b2=b2, lower_bound=lower_bound, weight_decay=weight_decay
    )
    return _method(tx, before)


def schedule_free_sgd(
    learning_rate: Rate = 1.0,
    *,
    b1: float | Array = 0.9,
    weight_decay: float | Array = 0.0,
    **before: Any,
) -> optax.GradientTransformation:
    """SGD with an average in place of a schedule; the average is what is evaluated."""
    return _schedule_free(optax.identity(), learning_rate, b1, weight_decay, before)


def schedule_free_adamw(
    learning_rate: Rate = 0.0025,
    *,
    b1: float | Array = 0.9,
    b2: float | Array = 0.999,
    weight_decay: float | Array = 0.0,
    **before: Any,
) -> optax.GradientTransformation:
    """AdamW with an average in place of momentum and schedule; the average is evaluated."""
    check_rate("b2", b2, high=1.0)
    direction = optax.scale_by_rms(decay=b2, eps_in_sqrt=False, bias_correction=True)
    return _schedule_free(direction, learning_rate, b1, weight_decay, before)


def _schedule_free(
    direction: optax.GradientTransformation,
    learning_rate: Rate,
    b1: float | Array,
    weight_decay: float | Array,
    before: dict[str, Any],
) -> optax.GradientTransformation:
    check_rate("b1", b1, low=1e-30, high=1.0)  # what is evaluated is divided by it
    base = chain(direction, learning_rate, weight_decay=weight_decay)
    return _method(contrib.schedule_free(base, learning_rate, b1), before)


def _distance(old: Any, new: Any) -> Any:
    """The estimate before an update is its rate."""
    return old.estim_lr


def _check(learning_rate: Rate, weight_decay: float | Array, **decays: float | Array) -> None:
    check_learning_rate(learning_rate)
    check_rate("weight_decay", weight_decay)
    for name, value in decays.items():
        check_rate(name, value, high=1.0)


def _method(
    tx: optax.GradientTransformation,
    before: dict[str, Any],
    factor: Rate = 1.0,
    found: Callable[[Any, Any], Any] | None = None,
) -> optax.GradientTransformation:
    """The gradient's links of `chain`, then a method, whose rate is kept if it has one."""
    links, single = gradient_links(**before), _in_one_precision(tx)
    return optax.chain(*links, single if found is None else _keeping_rate(single, factor, found))


def _keeping_rate(
    tx: optax.GradientTransformationExtraArgs, factor: Rate, found: Callable[[Any, Any], Any]
) -> optax.GradientTransformationExtraArgs:
    """A method with the rate that `found(state before, state after)` gives, times a factor."""

    def init(params: Params) -> FoundRateState:
        return FoundRateState(tx.init(params), jnp.zeros([], jnp.int32), jnp.zeros([], jnp.float32))

    def update(
        updates: PyTree, state: FoundRateState, params: Params | None = None, **extra: Any
    ) -> tuple[PyTree, FoundRateState]:
        new_updates, method = tx.update(updates, state.method, params, **extra)
        times: Any = factor(state.step) if callable(factor) else factor
        rate = jnp.asarray(times * found(state.method, method), jnp.float32)
        return new_updates, FoundRateState(method, optax.safe_increment(state.step), rate)

    return optax.GradientTransformationExtraArgs(init, update)


def _in_one_precision(
    tx: optax.GradientTransformation,
) -> optax.GradientTransformationExtraArgs:
    """All leaves in the widest precision among them, at least single; updates as the gradients."""
    inner = optax.with_extra_args_support(tx)

    def update(
        updates: PyTree, state: PyTree, params: Params | None = None, **extra: Any
    ) -> tuple[PyTree, PyTree]:
        new_updates, new_state = inner.update(_widened(updates), state, _widened(params), **extra)
        return optax.tree.cast_like(new_updates, updates), new_state

    def init(params: Params) -> PyTree:
        return inner.init(_widened(params))

    return optax.GradientTransformationExtraArgs(init, update)


def _widened(tree: PyTree) -> PyTree:
    real = [leaf.real.dtype for leaf in jax.tree.leaves(tree)]
    widest = jnp.result_type(jnp.float32, *real)
    return jax.tree.map(lambda leaf: leaf.astype(jnp.promote_types(leaf.dtype, widest)), tree)
