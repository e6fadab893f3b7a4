"""What an adapter makes of a module from elsewhere: pure functions and plain dicts of arrays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from paramjax._checks import check_same_form, describe, leaf_name
from paramjax._types import Key, ModelState, Params, PyTree

Names = tuple[str, ...]
"""Where a leaf is, `("layers", "0", "kernel")`: keys of nested dicts, from the outermost."""


@dataclass(frozen=True, eq=False)
class Adapted:
    """A module as paramjax trains it.

    `params` and `model_state` are nested dicts of arrays, so that they save, shard and match
    by path as those of a linen module do: `layers/0/kernel`.

    Attributes:
        apply: `(params, model_state, x, key=None, **inputs) -> (outputs, model_state)`, pure.
            It fits `losses.supervised(adapted.apply, loss, stateful=True, keyed=True)`;
            inputs after the first are passed by name.
        params: The floating-point parameters, what is estimated.
        model_state: Every other array; `{}` if there is none.
        merge: `(params, model_state) -> module`, a new module of the kind that was adapted.

    Example:
        >>> double = Adapted(lambda w, s, x, key=None: (w * x, s), 2.0, {}, lambda w, s: w)
        >>> double.apply(double.params, double.model_state, 4.0)
        (8.0, {})
    """

    apply: Callable[..., tuple[Any, ModelState]]
    params: Params
    model_state: ModelState
    merge: Callable[[Params, ModelState], Any]


def names_of(path: Sequence[Any]) -> Names:
    """The keys of a leaf's path as plain strings, so that int and str keys sort together.

    Args:
        path: What `jax.tree_util.tree_flatten_with_path` gives for a leaf.

    Returns:
        One string for each key.

    Example:
        >>> names_of(jax.tree_util.tree_leaves_with_path({"layers": [1.0]})[0][0])
        ('layers', '0')
    """
    return tuple(leaf_name((key,)) for key in path)


def nest(names: Sequence[Names], leaves: Sequence[Any]) -> dict[str, Any]:
    """Nested dicts that hold each leaf under its names.

    Args:
        names: Where each leaf is.
        leaves: The leaves, in the same order.

    Returns:
        Nested dicts.

    Example:
        >>> nest([("a", "b"), ("a", "c")], [1, 2])
        {'a': {'b': 1, 'c': 2}}
    """
    tree: dict[str, Any] = {}
    for (*outer, last), leaf in zip(names, leaves, strict=True):
        inside = tree
        for name in outer:
            inside = inside.setdefault(name, {})
        inside[last] = leaf
    return tree


def pick(tree: PyTree, names: Sequence[Names]) -> list[Any]:
    """The leaves of nested dicts in the order of their names: the way back from `nest`.

    Args:
        tree: Nested dicts.
        names: Where each leaf is.

    Returns:
        The leaves.

    Example:
        >>> pick({"a": {"b": 1, "c": 2}}, [("a", "c"), ("a", "b")])
        [2, 1]
    """
    leaves = []
    for path in names:
        inside = tree
        for name in path:
            inside = inside[name]
        leaves.append(inside)
    return leaves


def check_parts(params: Params, model_state: ModelState, first: Params, carried: PyTree) -> None:
    """Refuse parameters and state that are not those of the adapted module.

    Args:
        params: What came as parameters.
        model_state: What came as state; its shapes may change, its tree may not.
        first: The parameters that the module was adapted with.
        carried: Its first state.

    Raises:
        ValueError: If the trees, or the shape of a parameter, differ.

    Example:
        >>> check_parts({"w": jnp.ones(2)}, {}, {"w": jnp.zeros(2)}, {})
    """
    check_same_form("params", params, first)
    expected: Any = jax.tree.structure(carried)
    found: Any = jax.tree.structure(model_state)
    if expected != found:
        raise ValueError(
            f"model_state: expected the tree of the module's own, {expected}, got {found}; start "
            "from adapted.model_state, pj.fit(..., model_state=adapted.model_state)"
        )


def check_first(params: Params, model_state: ModelState, *, what: str) -> None:
    """Refuse a module without parameters, and random streams that are not threefry.

    Args:
        params: The parameters found in the module.
        model_state: Its other arrays.
        what: What counts as a parameter, for the message.

    Raises:
        ValueError: For either.

    Example:
        >>> check_first({"w": jnp.ones(2)}, {"key": jax.random.key(0)}, what="array")
    """
    if not jax.tree.leaves(params):
        raise ValueError(f"module: expected at least one {what}, got none, so nothing to train")
    for path, leaf in jax.tree_util.tree_leaves_with_path(model_state):
        if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            implementation = str(jax.random.key_impl(leaf))
            if "threefry" not in implementation:
                raise ValueError(
                    f"module: random stream {leaf_name(path)} has a key of {implementation}, "
                    "expected threefry; make it with jax.random.key(0)"
                )


def check_call_key(key: Any) -> Key | None:
    """Refuse what stands in the key's place but is none.

    Args:
        key: One typed key, or None.

    Returns:
        The key.

    Raises:
        TypeError: If it is neither.

    Example:
        >>> check_call_key(jax.random.key(0)).shape
        ()
    """
    dtype = getattr(key, "dtype", None)
    if key is not None and (dtype is None or not jnp.issubdtype(dtype, jax.dtypes.prng_key)):
        raise TypeError(
            f"key: expected a typed key or None, got {describe(key)}; pass inputs after the first "
            "by name"
        )
    return key
