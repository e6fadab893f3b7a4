"""A callable pytree, such as an Equinox module, as pure functions."""

from __future__ import annotations

import inspect
import sys
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from paramjax._types import Key, ModelState, Params
from paramjax.models._adapted import (
    Adapted,
    Names,
    check_call_key,
    check_first,
    check_parts,
    names_of,
    nest,
    pick,
)


def from_callable(module: Any) -> Adapted:
    """Adapt a callable pytree whose leaves are arrays, functions and numbers.

    Its floating-point arrays are the parameters, its other arrays (integers, masks, keys)
    are `model_state`, and functions and Python numbers stay in the module: Equinox's
    `partition(module, is_inexact_array)` and `combine` (Kidger and Garcia, 2021).

    A call cannot change a pytree, so `apply` returns its `model_state` unchanged; a new state
    that the module returns with its output stays in the output. `apply` passes its key to
    modules whose call has a parameter `key`, `evaluate` none.

    Args:
        module: A callable of any registered pytree type.

    Returns:
        An `Adapted`. Modules written for one example are mapped over a batch inside a loss:
        `jax.vmap(adapted.merge(params, {}))(batch["x"])`.

    Raises:
        TypeError: If it is not callable, or is an nnx module; in `apply`, if the key is not a
            typed key.
        ValueError: If it has no floating-point array, a key is not threefry, or one array is
            two of its leaves, which would be trained as two; in `apply`, if parameters or state
            have another form than the module's.

    Example:
        >>> from dataclasses import dataclass
        >>> @jax.tree_util.register_dataclass
        ... @dataclass
        ... class Line:
        ...     slope: jax.Array
        ...     def __call__(self, x):
        ...         return self.slope * x
        >>> net = from_callable(Line(jnp.float32(2.0)))
        >>> net.apply(net.params, net.model_state, 3.0)[0].item()
        6.0
        >>> net.merge({"slope": jnp.float32(5.0)}, {})(3.0).item()
        15.0
    """
    _check_module(module)
    found, treedef = jax.tree_util.tree_flatten_with_path(module)
    names = [names_of(path) for path, _ in found]
    leaves = [jnp.asarray(leaf) if _is_array(leaf) else leaf for _, leaf in found]
    trained = [i for i, leaf in enumerate(leaves) if _is_floating(leaf)]
    others = [i for i, leaf in enumerate(leaves) if _is_array(leaf) and not _is_floating(leaf)]
    _check_unshared([(names[i], found[i][1]) for i in trained])
    first_params, first_state = (
        nest([names[i] for i in indices], [leaves[i] for i in indices])
        for indices in (trained, others)
    )
    check_first(first_params, first_state, what="floating-point array in a registered pytree")
    takes_key = "key" in inspect.signature(module).parameters

    def merge(params: Params, model_state: ModelState) -> Any:
        check_parts(params, model_state, first_params, first_state)
        filled = list(leaves)
        for indices, tree in ((trained, params), (others, model_state)):
            for i, leaf in zip(indices, pick(tree, [names[i] for i in indices]), strict=True):
                filled[i] = leaf
        return jax.tree.unflatten(treedef, filled)

    def apply(
        params: Params, model_state: ModelState, x: Any, key: Key | None = None, **inputs: Any
    ) -> tuple[Any, ModelState]:
        if check_call_key(key) is not None and takes_key:
            inputs["key"] = key
        return merge(params, model_state)(x, **inputs), model_state

    def evaluate(params: Params, model_state: ModelState, x: Any, **inputs: Any) -> Any:
        return merge(params, model_state)(x, **inputs)

    return Adapted(apply, first_params, first_state, merge, evaluate)


def _is_array(leaf: Any) -> bool:
    return isinstance(leaf, jax.Array | np.ndarray | np.generic)


def _is_floating(leaf: Any) -> bool:
    return _is_array(leaf) and bool(jnp.issubdtype(leaf.dtype, jnp.inexact))


def _check_module(module: Any) -> None:
    if not callable(module):
        raise TypeError(
            f"module: expected a callable pytree, got {type(module).__name__}; give it a __call__"
        )
    # an nnx module exists only if nnx was imported, so that this costs no import
    nnx = sys.modules.get("flax.nnx")
    if nnx is not None and isinstance(module, nnx.Module):
        raise TypeError(
            "module: expected a callable pytree, got a flax nnx module, whose batch statistics "
            "would be trained as parameters; use pj.models.from_nnx"
        )


def _check_unshared(trained: list[tuple[Names, Any]]) -> None:
    first: dict[int, Names] = {}
    for names, leaf in trained:
        other = first.setdefault(id(leaf), names)
        if other is not names:
            raise ValueError(
                f"module: {'/'.join(names)} is the same array as {'/'.join(other)}, but a pytree "
                "would train them as two; copy one with jnp.array, or hold it once and use it "
                "twice in the call"
            )
