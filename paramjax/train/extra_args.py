"""Optax's extra arguments: each transformation gets those that it takes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import optax

from paramjax.types import Params, PyTree

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
            refused = _REFUSED.search(str(error))
            if refused is None or refused[1] not in names:
                raise
            names.remove(refused[1])
