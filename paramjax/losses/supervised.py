"""From a model and a per-example loss to a LossFn."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from paramjax.types import Array, Batch, Key, LossFn, Metrics, Params

PerExample = Callable[[Array, Array], Array]
"""`(outputs, targets) -> [batch]`."""


def supervised(
    apply: Callable[..., Any],
    loss: PerExample,
    metrics: Mapping[str, PerExample] | None = None,
) -> LossFn:
    """The mean loss of `apply(params, batch["x"])` against `batch["y"]`.

    Args:
        apply: `(params, x) -> outputs`, such as a flax module's `apply`.
        loss: Loss per example, `(outputs, targets) -> [batch]`.
        metrics: Name -> further per-example quantities, whose means are reported.

    Returns:
        `(params, batch, key) -> (loss, metrics)`, pure, with both averaged over the batch.

    Example:
        >>> import jax.numpy as jnp
        >>> from paramjax.losses import squared_error
        >>> loss_fn = supervised(lambda w, x: x * w, squared_error)
        >>> batch = {"x": jnp.array([1.0, 2.0]), "y": jnp.array([3.0, 6.0])}
        >>> float(loss_fn(jnp.float32(3.0), batch, None)[0])
        0.0
    """
    further = dict(metrics or {})

    def loss_fn(params: Params, batch: Batch, key: Key | None) -> tuple[Array, Metrics]:
        del key
        outputs = apply(params, batch["x"])
        reported = {name: metric(outputs, batch["y"]).mean() for name, metric in further.items()}
        return loss(outputs, batch["y"]).mean(), reported

    return loss_fn
