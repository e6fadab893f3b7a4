"""Data augmentation inside the step, drawn from the step's own key."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax

from paramjax._types import Array, Batch, Key, LossFn, Params


def augmented(loss_fn: LossFn, augment: Callable[[Key, Batch], Batch]) -> LossFn:
    """The loss of an augmented batch.

    Each step draws new augmentations from its own key, and a resumed run draws what the
    uninterrupted run would have drawn. The key is split in two, for `augment` and for the loss,
    so that augmentation and dropout are independent.

    Args:
        loss_fn: A loss, plain or stateful.
        augment: `(key, batch) -> batch`, pure. Shapes and names may change to any that the
            loss takes: mixup adds a second target, a crop is smaller.

    Returns:
        A loss of the same form.

    Raises:
        TypeError: If `augment` is not a function, or, at the first call, returns None.

    Example:
        >>> import jax.numpy as jnp
        >>> def noisy(key, batch):
        ...     return {**batch, "x": batch["x"] + jax.random.normal(key, batch["x"].shape)}
        >>> def flipped(key, batch):
        ...     heads = jax.random.bernoulli(key, 0.5, (batch["x"].shape[0], 1))
        ...     return {**batch, "x": jnp.where(heads, batch["x"][:, ::-1], batch["x"])}
        >>> loss_fn = augmented(lambda params, batch, key: (jnp.sum(batch["x"]), {}), flipped)
        >>> float(loss_fn(None, {"x": jnp.ones((2, 3))}, jax.random.key(0))[0])
        6.0
    """
    if not callable(augment):
        raise TypeError(
            f"augmented: augment: expected a function (key, batch) -> batch, got "
            f"{type(augment).__name__}"
        )

    def wrapped(params: Params, *rest: Any, **values: Any) -> tuple[Array, Any]:
        *state, batch, key = rest
        augment_key, loss_key = jax.random.split(key)
        changed = augment(augment_key, batch)
        if changed is None and batch is not None:
            raise TypeError("augmented: augment returned None; return the batch")
        return loss_fn(params, *state, changed, loss_key, **values)

    return wrapped
