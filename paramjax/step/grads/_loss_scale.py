"""Dynamic loss scaling: float16 gradients that neither underflow nor overflow for long."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from paramjax._checks import check_count, check_scalar
from paramjax._types import Array, Batch, Key, LossFn, ModelState, Params, PyTree
from paramjax.step._gradients import GradFn, split_aux, steepest
from paramjax.step._state import KeptOnReject
from paramjax.step.grads._checks import checked_loss


class Scale(NamedTuple):
    """A loss scale, and for how many steps it has been in use.

    Attributes:
        scale: The factor of the loss, float32[].
        finite_steps: Steps since the scale changed, int32[].
    """

    scale: Array
    finite_steps: Array


class LossScale(NamedTuple):
    """The `state.model_state` of a trainer with `dynamic_loss_scale`.

    Attributes:
        scale: A `Scale`, in `KeptOnReject`, because it shrinks in the step that is rejected.
        model_state: The model's own state, `()` if it has none.
    """

    scale: KeptOnReject
    model_state: ModelState


def dynamic_loss_scale(
    loss_fn: LossFn,
    *,
    initial: float | Array = 2.0**15,
    growth_interval: int = 2000,
    factor: float | Array = 2.0,
    stateful: bool = False,
) -> GradFn:
    r"""$$g = \frac{1}{s}\nabla_\theta (s\,\ell(\theta))$$
    with a scale s that grows until gradients overflow.

    Micikevicius et al. (2018, Mixed precision training, section 3.2). The loss is scaled
    before the backward pass and the gradient is divided by the scale in float32. If it is
    not finite, the scale is divided by `factor` (not below 1) and the step must be rejected,
    so the hook `skip_nonfinite` is needed. After `growth_interval` finite
    steps in a row the scale is multiplied by `factor`. For `mixed_precision(loss_fn,
    jnp.float16)`; bfloat16 needs no scale.

    Args:
        loss_fn: A loss.
        initial: The first scale, at least 1. With a power of two for this and for the
            factor, scaling is exact.
        growth_interval: Finite steps (inside `accumulate`, microbatches) after which the
            scale grows.
        factor: The factor by which it grows and shrinks, above 1.
        stateful: Whether the loss takes and returns model state.

    Returns:
        A stateful GradFn whose model state is a `LossScale`; loss and metrics are unscaled, and
        `loss_scale` is the scale of the step. Its `loss_fn` is the loss itself, in the
        stateful form.

    Raises:
        TypeError: If `loss_fn` is not a loss, or another argument is not a number.
        ValueError: If a number is out of range; at the first call, if the loss is not a scalar.

    Example:
        >>> import paramjax as pj
        >>> grad_fn = pj.grads.dynamic_loss_scale(lambda params, batch, key: (params**2, {}))
        >>> own = grad_fn.init(jnp.float32(3.0), ())
        >>> grads, loss, (own, metrics) = grad_fn(jnp.float32(3.0), own, None, None)
        >>> float(grads), float(loss), float(metrics["loss_scale"])
        (6.0, 9.0, 32768.0)
    """
    checked = checked_loss("dynamic_loss_scale", loss_fn, stateful=stateful)
    check_scalar("dynamic_loss_scale: initial", initial, low=1.0)
    check_count("dynamic_loss_scale: growth_interval", growth_interval)
    _check_factor(factor)

    def init(params: Params, model_state: ModelState) -> LossScale:
        del params
        first = Scale(jnp.asarray(initial, jnp.float32), jnp.zeros([], jnp.int32))
        return LossScale(KeptOnReject(first), model_state)

    def unscaled(params: Params, own: LossScale, batch: Batch, key: Key) -> tuple[Array, Any]:
        model_state = (own.model_state,) if stateful else ()
        loss, aux = checked(params, *model_state, batch, key)
        after, metrics = split_aux(aux, stateful=stateful)
        return loss, (own._replace(model_state=after[0]) if stateful else own, metrics)

    def estimate(
        params: Params, own: LossScale, batch: Batch, key: Key
    ) -> tuple[PyTree, Array, Any]:
        now: Scale = own.scale.value

        def scaled(params: Params) -> tuple[Array, Any]:
            loss, aux = unscaled(params, own, batch, key)
            # in float32, in which the product of a float16 loss and its scale is finite
            wide = loss.astype(jnp.promote_types(loss.dtype, jnp.float32))
            return wide * now.scale, (loss, aux)

        grads, (loss, (after, metrics)) = jax.grad(scaled, has_aux=True)(params)
        finite = jnp.stack([jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(grads)]).all()
        grads = jax.tree.map(lambda g: _divided(g, now.scale), steepest(grads))
        after = after._replace(scale=KeptOnReject(_next(now, finite, growth_interval, factor)))
        return grads, loss, (after, {**metrics, "loss_scale": now.scale})

    return GradFn(
        estimate, unscaled, stateful=True, init=init, needs=("skip_nonfinite",),
        eval_model_state=_own_state, eval_stateful=stateful,
    )  # fmt: skip


def _own_state(own: LossScale) -> ModelState:
    """The model's state without the scale."""
    return own.model_state


def _check_factor(factor: Any) -> None:
    check_scalar("dynamic_loss_scale: factor", factor, low=1.0)
    if not isinstance(factor, jax.core.Tracer) and float(factor) == 1:
        raise ValueError("dynamic_loss_scale: factor: expected a number above 1, got 1")


def _divided(grad: Array, scale: Array) -> Array:
    wide = grad.astype(jnp.promote_types(grad.dtype, jnp.float32))
    return (wide / scale).astype(grad.dtype)


def _next(now: Scale, finite: Array, growth_interval: int, factor: Any) -> Scale:
    """The scale of the next step."""
    steps = jnp.where(finite, now.finite_steps + 1, 0)
    grows = steps >= growth_interval
    larger = now.scale * factor
    # gradients that are all zero never overflow, and would let the scale grow to infinity
    larger = jnp.where(jnp.isfinite(larger), larger, now.scale)
    smaller = jnp.maximum(now.scale / factor, 1.0)
    scale = jnp.where(finite, jnp.where(grows, larger, now.scale), smaller)
    return Scale(scale, jnp.where(grows, 0, steps))
