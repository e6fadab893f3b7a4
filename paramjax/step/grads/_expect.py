"""What the estimators refuse, in one place."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from paramjax._checks import check_scalar, leaf_name
from paramjax._types import LossFn, Params
from paramjax.step._gradients import GradFn, loss_and_aux


def check_positive(name: str, value: Any, *, otherwise: str = "") -> None:
    """Refuse what is not one number above zero; traced scalars pass.

    Args:
        name: The argument, for the message.
        value: A number or a traced scalar.
        otherwise: What zero would mean, for the message.

    Raises:
        TypeError: If it is no number.
        ValueError: If it has axes, is not finite, or is not above zero.

    Example:
        >>> check_positive("radius", 0.1)
    """
    check_scalar(name, value)
    if not isinstance(value, jax.core.Tracer) and float(value) == 0:
        hint = f"; {otherwise}" if otherwise else ""
        raise ValueError(f"{name}: expected a number above 0, got 0{hint}")


def check_real(what: str, params: Params) -> None:
    """Refuse complex parameters, of which a real direction would see only one part.

    Args:
        what: Who refuses, for the message.
        params: A pytree of arrays.

    Raises:
        TypeError: If a leaf is complex; the message names it.

    Example:
        >>> check_real("spsa", {"w": jnp.zeros(2)})
    """
    for path, leaf in jax.tree_util.tree_leaves_with_path(params):
        if jnp.iscomplexobj(leaf):
            raise TypeError(
                f"{what}: leaf {leaf_name(path)} of the parameters is {leaf.dtype}, expected real "
                "numbers; keep the real and the imaginary part as two leaves"
            )


def scalar_loss(what: str, loss_fn: LossFn, *, stateful: bool = False) -> LossFn:
    """A loss that refuses to return something other than `(loss, metrics)` with a scalar.

    Args:
        what: The estimator, for the message.
        loss_fn: A loss.
        stateful: Whether it takes and returns model state.

    Returns:
        The loss with these checks, which run once, while it is traced.

    Raises:
        TypeError: If it is no function or is itself an estimator; at the first call, if it
            returns something else.
        ValueError: At the first call, if the loss is not a scalar.

    Example:
        >>> float(scalar_loss("spsa", lambda p, batch, key: (p.sum(), {}))(jnp.ones(2), 0, None)[0])
        2.0
    """
    if isinstance(loss_fn, GradFn) or not callable(loss_fn):
        raise TypeError(
            f"{what}: expected a loss, (params, batch, key) -> (loss, metrics), got "
            f"{type(loss_fn).__name__}"
        )

    def checked(params: Params, *rest: Any) -> tuple[Any, Any]:
        return loss_and_aux(loss_fn(params, *rest), stateful=stateful, what=what)

    return checked
