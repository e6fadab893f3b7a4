"""A guard: a step whose loss or gradient is not finite changes nothing."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from paramjax.train.hooks.hook import Hook, reject
from paramjax.types import Array, Metrics, Params


def skip_nonfinite() -> Hook:
    """Reject a step whose loss, gradient norm or new parameters are not finite.

    The state goes back whole, except for the step counter: the next batch comes with
    its own key. The metric `skipped` counts the rejected steps so far.

    Returns:
        A hook; the hooks before it in the list are reset with the rest.

    Example:
        >>> int(skip_nonfinite().init({"w": jnp.zeros(3)}))
        0
    """

    def init(params: Params) -> Array:
        del params
        return jnp.zeros([], jnp.int32)

    def apply(own: Array, old: Any, new: Any, metrics: Metrics) -> tuple[Array, Any, Metrics]:
        finite = jnp.isfinite(metrics["loss"]) & jnp.isfinite(metrics["grad_norm"])
        for leaf in jax.tree.leaves(new.params):
            finite &= jnp.isfinite(leaf).all()
        skipped = own + ~finite
        return skipped, reject(finite, old, new), {**metrics, "skipped": skipped}

    return Hook(init, apply, name="skip_nonfinite")
