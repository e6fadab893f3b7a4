"""From a model and a per-example loss to a LossFn."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jax.numpy as jnp

from paramjax._types import Array, Batch, Key, LossFn, Metrics, ModelState, Params
from paramjax.losses._errors import PerExample


def supervised(
    apply: Callable[..., Any],
    loss: PerExample,
    metrics: Mapping[str, PerExample] | None = None,
    *,
    stateful: bool = False,
    keyed: bool = False,
) -> LossFn:
    """The mean loss of `apply(params, batch["x"])` against `batch["y"]`.

    If a batch has a `weight` [batch], means are weighted by it, so that the padding of
    `fit(last_batch="pad")`, whose weight is 0, does not count.

    Args:
        apply: `(params, x) -> outputs`, such as a flax module's `apply`. With `stateful` it
            takes its state after the parameters and returns `(outputs, model_state)`; with
            `keyed` it takes the key last; with both, `(params, model_state, x, key)`.
        loss: Loss per example, `(outputs, targets) -> [batch]`.
        metrics: Name -> further quantities per example, whose means are reported.
        stateful: Whether `apply` has state, such as batch statistics.
        keyed: Whether `apply` draws random numbers, such as dropout masks.

    Returns:
        `(params, batch, key) -> (loss, metrics)`, pure, with both averaged over the batch;
        stateful, `(params, model_state, batch, key) -> (loss, (model_state, metrics))`. They are
        NaN if the batch has no rows, or its weights sum to 0.

    Raises:
        TypeError: At the first call, if the batch is no mapping with `x` and `y`, or a stateful
            `apply` does not return a pair.
        ValueError: At the first call, if weights are not one number per example, or outputs
            [batch, 1] and targets [batch] were broadcast to batch x batch.

    Example:
        >>> import jax.numpy as jnp
        >>> from paramjax.losses import squared_error
        >>> loss_fn = supervised(lambda w, x: x * w, squared_error)
        >>> batch = {"x": jnp.array([1.0, 2.0]), "y": jnp.array([3.0, 6.0])}
        >>> float(loss_fn(jnp.float32(3.0), batch, None)[0])
        0.0
        >>> count = lambda w, seen, x: (x * w, seen + x.shape[0])
        >>> loss_fn = supervised(count, squared_error, stateful=True)
        >>> loss_fn(jnp.float32(3.0), 0, batch, None)[1]
        (2, {})
    """
    further = dict(metrics or {})

    def averaged(outputs: Any, batch: Batch) -> tuple[Array, Metrics]:
        def mean(name: str, per_example: PerExample) -> Array:
            values = jnp.asarray(per_example(outputs, batch["y"]))
            _check_not_outer(name, values, outputs, batch["y"])
            return _mean(values, batch.get("weight"))

        reported = {name: mean(f"metric {name!r}", metric) for name, metric in further.items()}
        return mean("loss", loss), reported

    def plain_loss(params: Params, batch: Batch, key: Key | None) -> tuple[Array, Metrics]:
        _check_batch(batch)
        return averaged(apply(params, batch["x"], *([key] if keyed else [])), batch)

    def stateful_loss(
        params: Params, model_state: ModelState, batch: Batch, key: Key | None
    ) -> tuple[Array, tuple[ModelState, Metrics]]:
        _check_batch(batch)
        output = apply(params, model_state, batch["x"], *([key] if keyed else []))
        if not isinstance(output, tuple) or len(output) != 2:
            raise TypeError(
                "supervised: expected a stateful apply to return (outputs, model_state), got "
                f"{type(output).__name__}"
            )
        outputs, model_state = output
        value, reported = averaged(outputs, batch)
        return value, (model_state, reported)

    return stateful_loss if stateful else plain_loss


def _check_batch(batch: Any) -> None:
    """Raise unless a batch has inputs and targets."""
    if not isinstance(batch, Mapping):
        raise TypeError(
            'supervised: expected a batch {"x": inputs, "y": targets}, got '
            f"{type(batch).__name__}; pass data as pj.data.table(x, y), or as such a dict"
        )
    lacking = [name for name in ("x", "y") if name not in batch]
    if lacking:
        raise TypeError(
            f"supervised: the batch has no {' and no '.join(map(repr, lacking))}, only "
            f"{', '.join(map(repr, batch)) or 'nothing'}; name inputs x and targets y"
        )


def _check_not_outer(name: str, values: Array, outputs: Any, targets: Any) -> None:
    """Raise if values are those of every output against the targets of all examples."""
    if not (hasattr(outputs, "shape") and hasattr(targets, "shape")):
        return
    a, b = tuple(outputs.shape), tuple(targets.shape)
    larger = (
        a != b
        and values.ndim == max(len(a), len(b))
        and values.size > max(outputs.size, targets.size)
    )
    # only broadcasting makes more values than there are outputs and targets, in these shapes
    if larger and all(
        n in {1, values.shape[-i - 1]} for shape in (a, b) for i, n in enumerate(shape[::-1])
    ):
        raise ValueError(
            f"supervised: {name}: outputs {a} and targets {b} broadcast to {values.shape}; reshape "
            "one of them"
        )


def _mean(values: Array, weight: Array | None) -> Array:
    """The mean over the batch, weighted by example."""
    if weight is None:
        return values.mean()
    if values.ndim == 0:
        raise ValueError(
            "supervised: expected a loss per example [batch], which weights can weight, got one "
            "number; do not take the mean in it"
        )
    weight = jnp.asarray(weight)
    if weight.shape != values.shape[:1]:
        raise ValueError(
            f"supervised: expected a weight for each of the {values.shape[0]} examples, got shape "
            f"{weight.shape}"
        )
    each = weight.reshape(-1, *[1] * (values.ndim - 1))
    # sums of a batch overflow float16, and those of small integers
    dtype = jnp.promote_types(jnp.result_type(values, each), jnp.float32)
    total = (values.astype(dtype) * each).sum() / jnp.broadcast_to(each, values.shape).sum(
        dtype=dtype
    )
    return total.astype(jnp.result_type(values, each))
