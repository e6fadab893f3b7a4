"""Penalties on the size of parameters, added to a loss and differentiated with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from paramjax._checks import check_scalar
from paramjax._paths import check_pattern, matching
from paramjax._types import Array, LossFn, Params


def l1(loss_fn: LossFn, strength: float | Array, where: str | None = None) -> LossFn:
    r"""The loss plus the absolute values of the parameters.

    $$L(\theta) + \lambda \sum_j |\theta_j|$$
    (Tibshirani, 1996, The lasso). At zero the gradient of the penalty is taken as zero;
    gradient steps shrink parameters towards zero and do not set them to it.

    Args:
        loss_fn: A loss, plain or stateful.
        strength: $\lambda$, a number from 0 or a traced scalar.
        where: A regular expression for the whole name of a leaf to penalise: `".*kernel"`
            leaves biases out. None penalises all leaves.

    Returns:
        A loss of the same form. The penalty is summed in at least float32 and is part of
        the loss, not a metric.

    Raises:
        TypeError: If the strength is not a number or the pattern not a string.
        ValueError: If the strength is negative or not finite, or, at the first call, the
            pattern matches no leaf.

    Example:
        >>> loss_fn = l1(lambda params, batch, key: (jnp.float32(1.0), {}), strength=0.5)
        >>> float(loss_fn({"w": jnp.array([1.0, -3.0])}, None, None)[0])
        3.0
    """
    return _penalised("l1", loss_fn, strength, where, lambda leaf: jnp.sum(jnp.abs(leaf)))


def l2(loss_fn: LossFn, strength: float | Array, where: str | None = None) -> LossFn:
    r"""The loss plus half the squares of the parameters.

    $$L(\theta) + \frac{\lambda}{2} \sum_j \theta_j^2$$
    (Hoerl and Kennard, 1970, Ridge regression), whose gradient is $\lambda\theta$. It goes
    through the optimizer with the rest of the gradient. Under Adam that is not weight
    decay: `optax.adamw` decays outside the adaptive step (Loshchilov and Hutter, 2019).

    Args:
        loss_fn: A loss, plain or stateful.
        strength: $\lambda$, a number from 0 or a traced scalar.
        where: A regular expression for the whole name of a leaf to penalise: `".*kernel"`
            leaves biases out. None penalises all leaves.

    Returns:
        A loss of the same form. The penalty is summed in at least float32 and is part of
        the loss, not a metric.

    Raises:
        TypeError: If the strength is not a number or the pattern not a string.
        ValueError: If the strength is negative or not finite, or, at the first call, the
            pattern matches no leaf.

    Example:
        >>> loss_fn = l2(lambda params, batch, key: (jnp.float32(1.0), {}), 0.5, where="w")
        >>> params = {"b": jnp.array([9.0]), "w": jnp.array([1.0, -3.0])}
        >>> float(loss_fn(params, None, None)[0])
        3.5
    """

    def half_square(leaf: Array) -> Array:
        return jnp.sum(jnp.real(leaf * jnp.conj(leaf))) / 2

    return _penalised("l2", loss_fn, strength, where, half_square)


def _penalised(
    name: str,
    loss_fn: LossFn,
    strength: float | Array,
    where: str | None,
    size: Callable[[Array], Array],
) -> LossFn:
    """The loss plus the strength times the summed sizes of the chosen leaves."""
    check_scalar(f"{name}: strength", strength)
    if where is not None:
        check_pattern(where, what=name)

    def wrapped(params: Params, *rest: Any) -> tuple[Array, Any]:
        loss, aux = loss_fn(params, *rest)
        leaves = jax.tree.leaves(params)
        if where is not None:
            chosen = jax.tree.leaves(matching(where, params, what=name))
            leaves = [leaf for leaf, penalised in zip(leaves, chosen, strict=True) if penalised]
        wide = (leaf.astype(jnp.promote_types(leaf.dtype, jnp.float32)) for leaf in leaves)
        return loss + strength * sum(map(size, wide)), aux

    return wrapped
