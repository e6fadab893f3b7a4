"""From an autoencoder and a loss per example to a LossFn, without targets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from paramjax._types import Array, Batch, LossFn, Params
from paramjax.losses._errors import PerExample, squared_error
from paramjax.losses._supervised import supervised


def reconstruction(
    apply: Callable[..., Any],
    loss: Callable[[Any, Array], Array] = squared_error,
    metrics: Mapping[str, PerExample] | None = None,
    *,
    stateful: bool = False,
    keyed: bool = False,
) -> LossFn:
    """The mean loss of `apply(params, x)` against x itself: `supervised` without targets.

    Args:
        apply: As for `supervised`: an autoencoder's, or with `keyed` that of a `models.VAE`.
        loss: Loss per example, `(outputs, x) -> [batch]`; for a VAE `negative_elbo()`.
        metrics: Name -> further quantities per example, whose means are reported.
        stateful: Whether `apply` has state, such as batch statistics.
        keyed: Whether `apply` draws random numbers, such as latent numbers.

    Returns:
        The loss of a batch that is x itself, [batch, ...], or a dict with `x` and, if rows have
        weights, `weight`; further entries, such as labels, are left out.

    Raises:
        TypeError: At the first call, if a batch is a dict without `x`.
        ValueError: As `supervised` does.

    Example:
        >>> import jax.numpy as jnp
        >>> loss_fn = reconstruction(lambda w, x: w * x)
        >>> float(loss_fn(jnp.float32(0.5), jnp.array([[2.0], [4.0]]), None)[0])
        2.5
    """
    inner = supervised(apply, loss, metrics, stateful=stateful, keyed=keyed)

    def loss_fn(params: Params, *rest: Any) -> tuple[Array, Any]:
        *state, batch, key = rest
        return inner(params, *state, _with_targets(batch), key)

    return loss_fn


def rows_of(batch: Batch, what: str) -> tuple[Any, Array | None]:
    """X of a batch without targets, and its weights if it has some."""
    if not isinstance(batch, Mapping):
        return batch, None
    if "x" not in batch:
        raise TypeError(
            f'{what}: expected a batch x [batch, ...] or {{"x": x}}, got a dict with '
            f"{', '.join(map(repr, batch)) or 'nothing'}; name the inputs x"
        )
    return batch["x"], batch.get("weight")


def _with_targets(batch: Batch) -> dict[str, Any]:
    """The batch that `supervised` takes, with x as targets."""
    x, weight = rows_of(batch, "reconstruction")
    return {"x": x, "y": x} | ({} if weight is None else {"weight": weight})
