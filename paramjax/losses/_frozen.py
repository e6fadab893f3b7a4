"""Parameters that a loss does not differentiate, chosen by their names."""

from __future__ import annotations

from typing import Any

import jax

from paramjax._paths import check_pattern, matching
from paramjax._types import Array, LossFn, Params


def frozen(loss_fn: LossFn, pattern: str) -> LossFn:
    """The same loss, whose gradient with respect to the matching leaves is zero.

    They are not differentiated at all, so that nothing is computed or kept for their part
    of the backward pass. An optimizer may still move them: weight decay and momentum need
    no gradient. To leave them untouched, give the same pattern to the optimizer as well,
    `optim.by_path({pattern: optax.set_to_zero(), ".*": tx})`.

    Args:
        loss_fn: A loss, plain or stateful.
        pattern: A regular expression that matches the whole of the names of the leaves to
            freeze: `encoder/.*` all leaves under "encoder", `.*bias` all biases.

    Returns:
        A loss of the same form.

    Raises:
        TypeError: If the pattern is no string.
        ValueError: If it is no regular expression, or, at the first call, matches no leaf.

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
            lambda leaf, stops: jax.lax.stop_gradient(leaf) if stops else leaf, params, chosen
        )
        return loss_fn(params, *rest)

    return wrapped
