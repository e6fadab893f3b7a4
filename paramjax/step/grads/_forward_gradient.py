"""Forward gradients: a gradient without a backward pass."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from paramjax._checks import check_count
from paramjax._types import Array, LossFn, Params, PyTree
from paramjax.step._gradients import GradFn
from paramjax.step._norms import widened
from paramjax.step.grads._checks import check_real, checked_loss
from paramjax.step.grads._directions import direction_key, draw_like


def forward_gradient(loss_fn: LossFn, *, samples: int = 1, stateful: bool = False) -> GradFn:
    r"""$$g = \frac{1}{n}\sum_{i=1}^n (\nabla\ell \cdot v_i)\,v_i, \quad v_i \sim N(0, I)$$

    Baydin et al. (2022, Gradients without backpropagation, definition 1). Unbiased; the
    variance of a component is $(\|\nabla\ell\|^2 + (\partial_j\ell)^2) / n$. The directional
    derivatives are exact, by forward-mode differentiation, without a backward pass; the
    loss itself is evaluated once.

    Args:
        loss_fn: A differentiable loss.
        samples: n, directions averaged per step.
        stateful: Whether the loss takes and returns model state; the new state is that of
            the loss at the parameters.

    Returns:
        A GradFn; loss, metrics and `loss_fn` are the loss's own.

    Raises:
        TypeError: If `loss_fn` is not a loss, or `samples` not an integer; at the first
            call, if parameters are complex.
        ValueError: If `samples` is not positive; at the first call, if the loss is not a scalar.

    Example:
        >>> import paramjax as pj
        >>> slope = lambda params, batch, key: (3.0 * params, {})
        >>> grads, loss, _ = pj.grads.forward_gradient(slope, samples=4096)(
        ...     jnp.float32(1.0), None, jax.random.key(0))
        >>> float(grads), float(loss)
        (3.0, 3.0)
    """
    check_count("forward_gradient: samples", samples)
    checked = checked_loss("forward_gradient", loss_fn, stateful=stateful)

    def estimate(params: Params, *rest: Any) -> tuple[PyTree, Array, Any]:
        check_real("forward_gradient", params)

        def along(key: Any) -> tuple[Array, Any, PyTree]:
            drawn = draw_like(jax.random.normal, key, params)
            tangent = jax.tree.map(lambda d, p: d.astype(jnp.result_type(p)), drawn, params)
            loss, slope, aux = jax.jvp(
                lambda p: checked(p, *rest), (params,), (tangent,), has_aux=True
            )
            return loss, aux, jax.tree.map(lambda t: widened(slope) * widened(t), tangent)

        keys = jax.random.split(direction_key(rest[-1]), samples)
        # loss and aux do not depend on the direction: they are computed once
        loss, aux, grads = jax.vmap(along, out_axes=(None, None, 0))(keys)
        grads = jax.tree.map(lambda g, p: g.mean(0).astype(jnp.result_type(p)), grads, params)
        return grads, loss, aux

    return GradFn(estimate, loss_fn, stateful)
