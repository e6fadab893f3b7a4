"""What the metrics of a step may be: their names, shapes and dtypes."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from paramjax._checks import describe
from paramjax._types import Metrics

REPLACED = frozenset({"loss", "grad_norm", "learning_rate"})
"""Names under which a step reports what it computed itself, whatever a loss reports there."""

RESERVED = frozenset({"step"})
"""Names that no metric may have: histories and logs count the steps under them."""

_MOST = 1024
"""Numbers of a metric: a history keeps each of them for each step."""


def check_metrics(name: str, metrics: Any) -> Metrics:
    """The metrics, if they are a dict of named numbers or short vectors.

    Args:
        name: Who reports them, for the error.
        metrics: Name -> number or array [k], traced or not, or their shapes.

    Raises:
        TypeError: If it is not a dict, a name is not a string, or a value is not a real number.
        ValueError: If a name is reserved, or a value has more than one axis or too many numbers.

    Example:
        >>> check_metrics("loss_fn", {"accuracy": 0.5})
        {'accuracy': 0.5}
    """
    if not isinstance(metrics, dict):
        raise TypeError(
            f"{name}: expected metrics as a dict, got {type(metrics).__name__}; return {{}}"
        )
    for key, value in metrics.items():
        _check_name(name, key)
        _check_value(f"{name}: metric {key!r}", value)
    return metrics


def _check_name(name: str, key: Any) -> None:
    if not isinstance(key, str) or not key:
        raise TypeError(f"{name}: expected names of metrics as strings, got {describe(key)}")
    if key in RESERVED or key.startswith("validation/"):
        raise ValueError(
            f"{name}: metric {key!r} has a name that histories, curves or logs use themselves; "
            "rename it"
        )


def _check_value(name: str, value: Any) -> None:
    if isinstance(value, dict | list | tuple) or value is None or isinstance(value, str):
        raise TypeError(
            f"{name}: expected a number or an array [k], got {_form(value)}; report each number "
            "under a name of its own"
        )
    try:
        dtype = jnp.result_type(value)
    except (TypeError, ValueError):
        raise TypeError(f"{name}: expected a number, got {describe(value)}") from None
    real = jnp.issubdtype(dtype, jnp.number) or jnp.issubdtype(dtype, jnp.bool_)
    if not real or jnp.issubdtype(dtype, jnp.complexfloating):
        raise TypeError(f"{name}: expected real numbers or booleans, got {describe(value)}")
    shape = jnp.shape(value)
    if len(shape) > 1 or (shape and shape[0] > _MOST):
        raise ValueError(
            f"{name}: expected a number or at most {_MOST:,} of them, [k], got shape {shape}; take "
            "its mean"
        )


def _form(value: Any) -> str:
    """`None`, or a container by its type: its leaves may be tracers."""
    if value is None or isinstance(value, str):
        return describe(value)
    return f"a {type(value).__name__} of {len(jax.tree.leaves(value))} leaves"
