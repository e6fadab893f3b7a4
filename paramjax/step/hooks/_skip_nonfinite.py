"""A guard: a step whose loss or gradient is not finite changes nothing."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from paramjax._types import Metrics, Params
from paramjax.step._state import KeptOnReject
from paramjax.step.hooks._hook import Hook, reject


def skip_nonfinite() -> Hook:
    """Reject a step whose loss, gradient norm or new parameters are not finite.

    Parameters that were not finite before it, such as masks of -inf, do not count. The old state
    is restored whole, except for the step counter: the next batch gets its
    own key. The metric `skipped` counts the rejected steps so far.

    Returns:
        A hook; the hooks before it in the list are restored with the rest.

    Example:
        >>> import paramjax as pj
        >>> int(pj.hooks.skip_nonfinite().init({"w": jnp.zeros(3)}).value)
        0
    """

    def init(params: Params) -> KeptOnReject:
        del params
        return KeptOnReject(jnp.zeros([], jnp.int32))  # another guard does not undo the count

    def apply(own: KeptOnReject, old: Any, new: Any, metrics: Metrics) -> tuple[Any, Any, Metrics]:
        finite = jnp.isfinite(metrics["loss"]) & jnp.isfinite(metrics["grad_norm"])
        leaves = map(jax.tree.leaves, (old.params, new.params))
        for before, after in zip(*leaves, strict=True):
            finite &= (jnp.isfinite(after) | ~jnp.isfinite(before)).all()
        skipped = own.value + ~finite
        return KeptOnReject(skipped), reject(finite, old, new), {**metrics, "skipped": skipped}

    return Hook(init, apply, name="skip_nonfinite", guards_nonfinite=True)
