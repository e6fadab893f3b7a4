"""A flax linen module as pure functions, with its batch statistics and dropout."""

from __future__ import annotations

import inspect
from typing import Any

import flax.linen as nn
import jax

from paramjax._checks import check_key
from paramjax._partial import evaluated
from paramjax._types import Key, ModelState, Params, PyTree
from paramjax.models._adapted import Adapted, check_call_key, check_first, check_parts

_MODES = {
    "train": True,
    "training": True,
    "is_training": True,
    "deterministic": False,
    "inference": False,
    "use_running_average": False,
}
"""Names under which modules take whether they train, and the value that says yes."""


def from_linen(module: nn.Module, x: Any, key: Key, **inputs: Any) -> Adapted:
    """Adapt a flax linen module, so that batch statistics and dropout need no further code.

    The collection `params` becomes the parameters, all other collections, such as `batch_stats`,
    the model state. `apply` trains: it says so to a module whose call has a parameter `train`,
    `training`, `is_training`, `deterministic`, `inference` or `use_running_average` (one of another
    name is an input, passed to `apply` and `evaluate` by name), returns the collections that the
    call changed, and feeds its key to every random stream of the module, such as `dropout`.
    `evaluate` says the opposite and changes nothing. `init` draws parameters from another key, for
    the seeds of a `Problem`; the model state that belongs to it is the one of `key`, which for
    batch statistics (mean 0, variance 1) does not depend on a key.

    A module without dropout and state needs no adapter: `module.init` and `module.apply` are pure.

    Args:
        module: A linen module.
        x: Inputs of the shape of a batch, from which flax reads the shapes of the parameters.
        key: Draws the parameters.
        inputs: What else the module's call needs, by name.

    Returns:
        An `Adapted`, whose `apply` and `evaluate` take further inputs of the module by name.

    Raises:
        TypeError: If it is not a linen module, or the key is not a typed key.
        ValueError: If it has no parameters; in `apply`, if parameters or state have another form
            than the module's, or if the call adds to a collection.

    Example:
        >>> import jax.numpy as jnp
        >>> from paramjax.models import MLP
        >>> x = jnp.ones((4, 3))
        >>> net = from_linen(MLP((8, 2), batch_norm=True, dropout=0.5), x, jax.random.key(0))
        >>> outputs, state = jax.jit(net.apply)(net.params, net.model_state, x, jax.random.key(1))
        >>> outputs.shape, list(state)
        ((4, 2), ['batch_stats'])
        >>> jax.jit(net.evaluate)(net.params, state, x).shape
        (4, 2)
        >>> jax.tree.map(jnp.shape, net.init(jax.random.key(2))["Dense_1"])
        {'bias': (2,), 'kernel': (8, 2)}
    """
    _check_module(module)
    check_key(key)
    training = _training_mode(module)
    evaluation = {name: not value for name, value in training.items()}

    @jax.jit
    def start(key: Key) -> tuple[Params, ModelState]:
        variables = dict(nn.meta.unbox(module.init(key, x, **{**evaluation, **inputs})))
        return variables.pop("params", {}), variables

    first_params, first_state = evaluated(start, key)
    check_first(first_params, first_state, what="parameter")

    def variables(params: Params, model_state: ModelState) -> dict[str, Any]:
        check_parts(params, model_state, first_params, first_state)
        return {"params": params, **model_state}

    def apply(
        params: Params, model_state: ModelState, x: Any, key: Key | None = None, **inputs: Any
    ) -> tuple[Any, ModelState]:
        # the stream "params" serves all that are not named
        rngs: Any = {} if check_call_key(key) is None else {"params": key}
        given = variables(params, model_state)
        mutable = list(model_state)
        outputs, changed = module.apply(
            given, x, rngs=rngs, mutable=mutable, **{**training, **inputs}
        )
        _check_unchanged_form(changed, model_state)
        return outputs, dict(changed)

    def evaluate(params: Params, model_state: ModelState, x: Any, **inputs: Any) -> Any:
        return module.apply(variables(params, model_state), x, **{**evaluation, **inputs})

    return Adapted(
        apply,
        first_params,
        first_state,
        lambda params, model_state: module.bind(variables(params, model_state)),
        evaluate,
        lambda key: evaluated(start, key)[0],
    )


def _check_module(module: Any) -> None:
    if not isinstance(module, nn.Module):
        raise TypeError(
            f"module: expected a flax linen module, got {type(module).__name__}; "
            "pj.models.from_nnx takes nnx modules, and pj.models.from_callable callable pytrees"
        )


def _training_mode(module: nn.Module) -> dict[str, bool]:
    """What a call must be told to train; nothing that the module's own fields fix."""
    taken = inspect.signature(module.__call__).parameters
    return {
        name: value
        for name, value in _MODES.items()
        if name in taken and getattr(module, name, None) is None
    }


def _check_unchanged_form(changed: PyTree, model_state: ModelState) -> None:
    expected: Any = jax.tree.structure(dict(model_state))
    found: Any = jax.tree.structure(dict(changed))
    if expected != found:
        raise ValueError(
            f"module: its call changed the tree of its collections from {expected} to {found}; "
            "sow into the collection `intermediates` only, which a step does not keep"
        )
