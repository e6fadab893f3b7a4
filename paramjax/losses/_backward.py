"""What the backward pass of a loss leaves out (frozen leaves) or recomputes (rematerialisation)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax

from paramjax._checks import describe
from paramjax._paths import check_pattern, matching
from paramjax._types import Array, LossFn, Params


def frozen(loss_fn: LossFn, pattern: str) -> LossFn:
    """The same loss with a gradient of zero for the leaves that match a pattern.

    Those leaves are not differentiated, so that the backward pass computes and keeps nothing
    for them. An optimizer may still move them: weight decay and momentum need no gradient. To
    leave them unchanged, give the same pattern to the optimizer,
    `optim.by_path({pattern: optax.set_to_zero(), ".*": tx})`.

    Args:
        loss_fn: A loss, plain or stateful.
        pattern: A regular expression for the whole name of a leaf to freeze: `encoder/.*` is
            all leaves under "encoder", `.*bias` all biases.

    Returns:
        A loss of the same form.

    Raises:
        TypeError: If the pattern is not a string.
        ValueError: If it is not a regular expression, or, at the first call, matches no leaf.

    Example:
        >>> import jax.numpy as jnp
        >>> loss_fn = frozen(lambda params, batch, key: (params["w"] * params["v"], {}), "v")
        >>> params = {"v": jnp.float32(2.0), "w": jnp.float32(3.0)}
        >>> grads, _ = jax.grad(loss_fn, has_aux=True)(params, None, None)
        >>> float(grads["v"]), float(grads["w"])
        (0.0, 2.0)
    """
    check_pattern(pattern, what="frozen")

    def wrapped(params: Params, *rest: Any) -> tuple[Array, Any]:
        chosen = matching(pattern, params, what="frozen")
        params = jax.tree.map(
            lambda leaf, stop: jax.lax.stop_gradient(leaf) if stop else leaf, params, chosen
        )
        return loss_fn(params, *rest)

    return wrapped


def remat(
    loss_fn: LossFn, policy: Callable[..., Any] | None = jax.checkpoint_policies.dots_saveable
) -> LossFn:
    """The same loss, whose backward pass recomputes what the policy does not save.

    `jax.checkpoint` around the loss, after Griewank and Walther (2000, Algorithm 799:
    revolve) and Chen et al. (2016, Training deep nets with sublinear memory cost). Value
    and gradient do not change.

    The default saves the results of matrix products and recomputes the rest, such as
    the derivatives of activations. `jax.checkpoint_policies.save_only_these_names("block")`
    saves what the model marks with `jax.ad_checkpoint.checkpoint_name(h, "block")`: the
    inputs of a block, which is then recomputed just before its own backward pass. Saving
    nothing of a whole loss (None) saves no memory, because all of it is recomputed before its
    backward pass begins.

    Two limits. The body of a `lax.scan` needs its own `jax.checkpoint(body)`: a policy around
    the loss recomputes all steps of the scan at once. And on a CPU the default order of
    instructions trades memory for concurrency and hides most of the gain, unless the XLA flag
    `xla_cpu_scheduler_type` is `CPU_SCHEDULER_TYPE_MEMORY_OPTIMIZED`.

    Args:
        loss_fn: A loss, plain or stateful.
        policy: What to save, a function of `jax.checkpoint_policies`; None saves nothing.

    Returns:
        A loss of the same form.

    Raises:
        TypeError: If `loss_fn` or `policy` is not a function.

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

    def wrapped(params: Params, *rest: Any, **values: Any) -> tuple[Array, Any]:
        # a new function at each trace: JAX keeps traces by function, with the step of `scheduled`
        function = lambda *inputs, **given: loss_fn(*inputs, **given)  # noqa: E731
        output: tuple[Array, Any] = jax.checkpoint(function, policy=policy)(params, *rest, **values)
        return output

    return wrapped
