"""A module of another library as pure functions and plain dicts of arrays."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax

from paramjax._checks import check_same_form, describe, is_key, leaf_name
from paramjax._types import Key, ModelState, Params, PyTree

Names = tuple[str, ...]
"""The path of a leaf, `("layers", "0", "kernel")`: keys of nested dicts, outermost first."""


def _no_init(key: Key) -> Params:
    """What `Adapted.init` is for a module that was made with its values."""
    del key
    raise TypeError(
        "init: this module was adapted with the values it was made with; for one start for each "
        "seed use Problem(init=lambda key: adapt(make_module(key)).params), or pj.models.from_linen"
    )


@dataclass(frozen=True, eq=False)
class Adapted:
    """A module as paramjax trains it.

    `params` and `model_state` are nested dicts of arrays, so that they save, shard and match
    by path as those of a linen module do: `layers/0/kernel`.

    Attributes:
        apply: `(params, model_state, x, key=None, **inputs) -> (outputs, model_state)`, pure.
            For `losses.supervised(adapted.apply, loss, stateful=True, keyed=True)`; inputs
            after the first are passed by name.
        params: The floating-point parameters, which are trained.
        model_state: Every other array; `{}` if the module has no others.
        merge: `(params, model_state) -> module`, a new module of the class that was adapted.
        evaluate: `(params, model_state, x, **inputs) -> outputs`, pure, of a module that does not
            train: no dropout, running averages in the place of the batch's statistics.
        init: `(key) -> params`, drawn anew; raises TypeError for modules that are made with their
            values (`from_nnx`, `from_callable`).

    Example:
        >>> double = Adapted(
        ...     lambda w, s, x, key=None: (w * x, s), 2.0, {}, lambda w, s: w, lambda w, s, x: w * x
        ... )
        >>> double.apply(double.params, double.model_state, 4.0)
        (8.0, {})
        >>> double.evaluate(double.params, double.model_state, 4.0)
        8.0
    """

    apply: Callable[..., tuple[Any, ModelState]]
    params: Params
    model_state: ModelState
    merge: Callable[[Params, ModelState], Any]
    evaluate: Callable[..., Any]
    init: Callable[[Key], Params] = _no_init


def names_of(path: Sequence[Any]) -> Names:
    """The keys of a leaf's path as plain strings, so that int and str keys sort together."""
    return tuple(leaf_name((key,)) for key in path)


def nest(names: Sequence[Names], leaves: Sequence[Any]) -> dict[str, Any]:
    """Nested dicts that hold each leaf under its names."""
    tree: dict[str, Any] = {}
    for (*outer, last), leaf in zip(names, leaves, strict=True):
        inside = tree
        for name in outer:
            inside = inside.setdefault(name, {})
        inside[last] = leaf
    return tree


def pick(tree: PyTree, names: Sequence[Names]) -> list[Any]:
    """The leaves of nested dicts in the order of their names: the inverse of `nest`."""
    return [functools.reduce(operator.getitem, path, tree) for path in names]


def check_parts(
    params: Params, model_state: ModelState, first_params: Params, first_state: ModelState
) -> None:
    """Raise unless parameters and the tree of the state are those of the adapted module."""
    check_same_form("params", params, first_params)
    expected: Any = jax.tree.structure(first_state)
    found: Any = jax.tree.structure(model_state)
    if expected != found:
        raise ValueError(
            f"model_state: expected the tree of the module's own, {expected}, got {found}; start "
            "from adapted.model_state, pj.fit(..., model_state=adapted.model_state)"
        )


def check_first(params: Params, model_state: ModelState, *, what: str) -> None:
    """Raise for a module without parameters, or with random streams that are not threefry."""
    if not jax.tree.leaves(params):
        raise ValueError(f"module: expected at least one {what}, got none, so nothing to train")
    for path, leaf in jax.tree_util.tree_leaves_with_path(model_state):
        if is_key(leaf):
            implementation = str(jax.random.key_impl(leaf))
            if "threefry" not in implementation:
                raise ValueError(
                    f"module: random stream {leaf_name(path)} has a key of {implementation}, "
                    "expected threefry; make it with jax.random.key(0)"
                )


def check_call_key(key: Any) -> Key | None:
    """The key, or a TypeError unless it is one typed key or None."""
    if key is None or (hasattr(key, "dtype") and is_key(key)):
        checked: Key | None = key
        return checked
    raise TypeError(
        f"key: expected a typed key or None, got {describe(key)}; pass inputs after the first by "
        "name"
    )
