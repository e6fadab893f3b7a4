"""Checks that the estimators share."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from paramjax._checks import check_scalar, leaf_name
from paramjax._types import LossFn, Params
from paramjax.step._gradients import GradFn, call_loss, loss_and_aux


def check_positive(name: str, value: Any, *, hint: str = "") -> None:
    """Raise unless it is one finite number above zero; traced scalars pass."""
    check_scalar(name, value)
    if not isinstance(value, jax.core.Tracer) and float(value) == 0:
        raise ValueError(f"{name}: expected a number above 0, got 0{hint and f'; {hint}'}")


def check_real(name: str, params: Params) -> None:
    """Raise if a parameter is complex: a real direction would cover only one part of it."""
    for path, leaf in jax.tree_util.tree_leaves_with_path(params):
        if jnp.iscomplexobj(leaf):
            raise TypeError(
                f"{name}: leaf {leaf_name(path)} of the parameters is {leaf.dtype}, expected real "
                "numbers; keep the real and the imaginary part as two leaves"
            )


def checked_loss(name: str, loss_fn: LossFn, *, stateful: bool = False) -> LossFn:
    """The loss, which raises at its first trace unless it returns a scalar and metrics."""
    if isinstance(loss_fn, GradFn) or not callable(loss_fn):
        raise TypeError(
            f"{name}: expected a loss, (params, batch, key) -> (loss, metrics), got "
            f"{type(loss_fn).__name__}"
        )

    def checked(params: Params, *rest: Any) -> tuple[Any, Any]:
        return loss_and_aux(call_loss(name, loss_fn, (params, *rest)), stateful=stateful, name=name)

    return checked
