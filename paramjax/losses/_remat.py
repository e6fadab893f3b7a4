"""Rematerialisation: less memory for the backward pass, paid with computation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax

from paramjax._checks import describe
from paramjax._types import LossFn


def remat(
    loss_fn: LossFn, policy: Callable[..., Any] | None = jax.checkpoint_policies.dots_saveable
) -> LossFn:
    """The same loss, whose backward pass computes again what the policy did not keep.

    `jax.checkpoint` around the loss, after Griewank and Walther (2000, Algorithm 799:
    revolve) and Chen et al. (2016, Training deep nets with sublinear memory cost). Value
    and gradient stay the same.

    The default keeps the results of matrix products and computes the rest again, such as
    the derivatives of activations. `jax.checkpoint_policies.save_only_these_names("block")`
    keeps what the model marks with `jax.ad_checkpoint.checkpoint_name(h, "block")`: the
    inputs of a block, from which the block is computed again just before its own backward
    pass. To keep nothing of a whole loss (None) saves no memory, because then all of it is
    computed again before its backward pass begins.

    Two things it cannot do. The body of a `lax.scan` must be rematerialised where it
    stands, as `jax.checkpoint(body)`, because what a policy around the loss does not keep is
    computed again for all steps of the scan at once. And XLA orders the instructions: on a CPU its
    default order trades memory for concurrency and hides most of the gain, unless the flag
    `xla_cpu_scheduler_type` says `CPU_SCHEDULER_TYPE_MEMORY_OPTIMIZED`.

    Args:
        loss_fn: A loss, plain or stateful.
        policy: What to keep, a function of `jax.checkpoint_policies`; None keeps nothing.

    Returns:
        A loss of the same form.

    Raises:
        TypeError: If `loss_fn` or `policy` is no function.

    Example:
        >>> import jax.numpy as jnp
        >>> loss_fn = remat(lambda params, batch, key: (jnp.sum(jnp.sin(params * batch)), {}))
        >>> jax.grad(loss_fn, has_aux=True)(jnp.zeros(2), jnp.array([1.0, 2.0]), None)[0].tolist()
        [1.0, 2.0]
    """
    if not callable(loss_fn):
        raise TypeError(f"remat: loss_fn: expected a function, got {describe(loss_fn)}")
    if not (policy is None or callable(policy)):
        raise TypeError(
            "remat: policy: expected a function such as jax.checkpoint_policies.dots_saveable, got "
            f"{describe(policy)}"
        )
    return jax.checkpoint(loss_fn, policy=policy)
