"""Optax's extra arguments: what a step offers, and how each transformation gets what it takes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax

from paramjax._checks import describe, leaf_name
from paramjax._types import Array, Batch, Key, Params, PyTree
from paramjax.step._gradients import GradFn
from paramjax.step._keys import used_again
from paramjax.step._state import TrainState

_MISSING = re.compile(r"missing \d+ required keyword-only arguments?: .*'(value_fn|obj_fn)'")
_REFUSED = re.compile(r"unexpected keyword argument '(\w+)'")


def extra_arguments(grad_fn: GradFn, state: TrainState, batch: Batch, key: Key) -> dict[str, Any]:
    """`grad_fn(params, i)`, `value_fn(params)` and `obj_fn(params)` of the batch, for searches."""
    # the model state is held fixed along the search
    model_state = grad_fn.model_state_args(state.model_state)
    loss_fn = grad_fn.loss_fn

    def gradient_at(params: Params, index: Any = None) -> PyTree:
        del index
        return grad_fn(params, *model_state, batch, used_again(key))[0]

    if loss_fn is None:
        return {"grad_fn": gradient_at}

    def objective(params: Params) -> Array:
        _check_real(params)
        return loss_fn(params, *model_state, batch, used_again(key))[0]

    # zoom line search refuses arguments that its value_fn does not name
    def value_fn(params: Params, obj_fn: Any = None, grad_fn: Any = None) -> Array:
        del obj_fn, grad_fn
        return objective(params)

    return {"grad_fn": gradient_at, "value_fn": value_fn, "obj_fn": objective}


def _check_real(params: Params) -> None:
    """Raise where `tx` would differentiate along complex parameters: JAX has the conjugate."""
    for path, leaf in jax.tree_util.tree_leaves_with_path(params):
        if jnp.iscomplexobj(leaf):
            raise TypeError(
                f"tx: it searches along the loss, which needs real parameters, but leaf "
                f"{leaf_name(path)} is {describe(leaf)}; keep the real and the imaginary part as "
                "two leaves"
            )


def update_with(
    tx: optax.GradientTransformationExtraArgs,
    grads: PyTree,
    opt_state: PyTree,
    params: Params,
    extra: Mapping[str, Any],
) -> tuple[PyTree, PyTree]:
    """Call `tx.update` with every extra argument that it takes.

    Optax asks transformations with extra arguments to ignore those of others. Sharpness-aware
    minimisation does not, so an argument that `tx` refuses by name is left out.
    """
    names = list(extra)
    while True:
        try:
            given = {name: extra[name] for name in names}
            updates, new_state = tx.update(grads, opt_state, params, **given)
            return updates, new_state
        except TypeError as error:
            missing, refused = (found.search(str(error)) for found in (_MISSING, _REFUSED))
            if missing is not None and missing[1] not in extra:
                raise TypeError(
                    f"tx: it asks for {missing[1]}, the loss along which it searches, but this "
                    "gradient estimator has no loss_fn"
                ) from error
            if refused is None or refused[1] not in names:
                raise
            names.remove(refused[1])
