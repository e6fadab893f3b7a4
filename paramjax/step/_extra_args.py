"""Optax's extra arguments: each transformation gets those that it takes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import optax

from paramjax._types import Params, PyTree

_MISSED = re.compile(r"missing \d+ required keyword-only arguments?: .*'(value_fn|obj_fn)'")
_REFUSED = re.compile(r"unexpected keyword argument '(\w+)'")


def update(
    tx: optax.GradientTransformationExtraArgs,
    grads: PyTree,
    opt_state: PyTree,
    params: Params,
    extra: Mapping[str, Any],
) -> tuple[PyTree, PyTree]:
    """Call `tx.update` with every extra argument that it takes.

    Optax asks of transformations with extra arguments that they ignore those of others.
    Sharpness-aware minimisation does not, so an argument that is refused by name is left
    out; one that is missed then raises the transformation's own error.

    Args:
        tx: A gradient transformation, after `optax.with_extra_args_support`.
        grads: The gradient.
        opt_state: Its state.
        params: The parameters.
        extra: Name -> argument.

    Returns:
        Updates and the new state.

    Raises:
        TypeError: If it asks for a loss to search along and the estimator has none.

    Example:
        >>> tx = optax.with_extra_args_support(optax.sgd(0.5))
        >>> updates, _ = update(tx, 2.0, tx.init(1.0), 1.0, {"value": 3.0})
        >>> float(updates)
        -1.0
    """
    names = list(extra)
    while True:
        try:
            return tx.update(grads, opt_state, params, **{name: extra[name] for name in names})
        except TypeError as error:
            missed, refused = (found.search(str(error)) for found in (_MISSED, _REFUSED))
            if missed is not None and missed[1] not in extra:
                raise TypeError(
                    f"tx: it asks for {missed[1]}, the loss along which it searches, and this "
                    "gradient estimator has none"
                ) from error
            if refused is None or refused[1] not in names:
                raise
            names.remove(refused[1])
