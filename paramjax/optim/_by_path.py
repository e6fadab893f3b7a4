"""Different optimizers for different leaves, chosen by their names or shapes."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import jax
import optax

from paramjax._checks import describe, leaf_name
from paramjax._paths import check_pattern, labels
from paramjax._types import Params, PyTree


def by_path(
    transforms: Mapping[str, optax.GradientTransformation],
    group: Callable[[str, Any], str] | None = None,
) -> optax.GradientTransformationExtraArgs:
    """Update each leaf by the optimizer of the first pattern that matches its name.

    `optax.partition` with patterns as labels, or with labels that a function chooses by the name
    and shape of a leaf. A global norm is taken over the leaves of its
    group; to clip by the norm of all leaves, clip in a chain around this one. Extra arguments go
    to every group: those with the parameters' tree (`grad`) are cut down to the group's leaves,
    and functions of the parameters (`value_fn`, `grad_fn`) take the group's leaves with all
    others held fixed, so that a line search over one group works while others are frozen.

    Args:
        transforms: Pattern -> transformation, the particular patterns before the general. A
            pattern is a regular expression that matches the whole of a leaf's name:
            `{"encoder/.*": optax.set_to_zero(), ".*bias": optax.sgd(0.1), ".*": optax.adam(1e-3)}`.
            `losses.frozen` saves the backward pass of leaves that are set to zero.
        group: `(name, leaf) -> one of the keys of transforms`, which are then names of groups
            and not patterns. It may read the shape and dtype of the leaf, whose values may be
            traced:
            `lambda name, leaf: "matrices" if leaf.ndim >= 2 else "others"`.

    Returns:
        A gradient transformation; its state holds the state of each group under its pattern or
        name.

    Raises:
        TypeError: If a pattern is not a string, a value not a gradient transformation, or `group`
            not a function.
        ValueError: If there are no patterns, or a pattern is not a regular expression; in
            `init`, if no pattern matches a leaf, a pattern is the first match of no leaf, or
            `group` returns the name of no group.

    Example:
        >>> import jax.numpy as jnp
        >>> tx = by_path({".*bias": optax.set_to_zero(), ".*": optax.sgd(0.5)})
        >>> params = {"bias": jnp.ones(1), "kernel": jnp.ones(1)}
        >>> updates, _ = tx.update(params, tx.init(params), params)
        >>> float(updates["bias"][0]), float(updates["kernel"][0])
        (0.0, -0.5)
        >>> decayed = optax.adamw(1e-3, weight_decay=0.1)
        >>> tx = by_path(
        ...     {"matrices": decayed, "others": optax.adam(1e-3)},
        ...     lambda name, leaf: "matrices" if leaf.ndim >= 2 else "others",
        ... )
    """
    transforms = _checked(transforms, patterns=group is None)
    if group is not None and not callable(group):
        raise TypeError(f"by_path: group: expected a function (name, leaf), got {describe(group)}")

    def label(tree: PyTree) -> PyTree:
        if group is None:
            return labels(transforms, tree, what="by_path")
        return _grouped(group, transforms, tree)

    partitioned = optax.partition(transforms, label, mask_compatible_extra_args=True)

    def update(
        updates: PyTree, state: PyTree, params: Params | None = None, **extra_args: Any
    ) -> tuple[PyTree, PyTree]:
        for name, restrict in _FUNCTIONS_OF_PARAMS.items():
            if params is not None and callable(extra_args.get(name)):
                extra_args[name] = restrict(extra_args[name], params)
        new: tuple[PyTree, PyTree] = partitioned.update(updates, state, params, **extra_args)
        return new

    return optax.GradientTransformationExtraArgs(partitioned.init, update)


def _grouped(group: Callable[[str, Any], str], known: Mapping[str, Any], tree: PyTree) -> PyTree:
    """The group of each leaf, as a pytree of the same form."""

    def chosen(path: tuple[Any, ...], leaf: Any) -> str:
        name = group(leaf_name(path), leaf)
        if not isinstance(name, str) or name not in known:
            raise ValueError(
                f"by_path: group: expected one of {', '.join(map(repr, known))} for leaf "
                f"{leaf_name(path)}, {describe(leaf)}, got {name!r}"
            )
        return name

    return jax.tree_util.tree_map_with_path(chosen, tree)


def _checked(
    transforms: Mapping[str, optax.GradientTransformation], *, patterns: bool
) -> dict[str, optax.GradientTransformation]:
    if not isinstance(transforms, Mapping) or not transforms:
        raise ValueError(
            "by_path: expected pattern -> gradient transformation for at least one pattern, such "
            "as {'.*': optax.adamw(1e-3)}"
        )
    for pattern, tx in transforms.items():
        if callable(pattern):
            raise TypeError(
                "by_path: expected patterns or names of groups as keys, got a function; name the "
                "groups and pass as group= a function (name, leaf) -> name of its group"
            )
        if patterns:
            check_pattern(pattern, what="by_path")
        elif not isinstance(pattern, str):
            raise TypeError(f"by_path: expected names of groups, got {describe(pattern)}")
        if not isinstance(tx, optax.GradientTransformation):
            raise TypeError(
                f"by_path: pattern {pattern!r}: expected a gradient transformation such as "
                f"optax.sgd(0.1), got {type(tx).__name__}"
            )
    return dict(transforms)


def _of_group(function: Callable[..., Any], params: Params) -> Callable[..., Any]:
    """A function of all parameters as a function of a group's, whose tree has holes elsewhere."""

    # line searches read the signature to see which extra arguments the function takes
    @functools.wraps(function)
    def restricted(group: PyTree, *args: Any, **kwargs: Any) -> Any:
        return function(_fill(group, params), *args, **kwargs)

    return restricted


def _gradient_of_group(function: Callable[..., Any], params: Params) -> Callable[..., Any]:
    """A gradient at all parameters, cut down to the group's."""

    @functools.wraps(function)
    def restricted(group: PyTree, *args: Any, **kwargs: Any) -> PyTree:
        grads = function(_fill(group, params), *args, **kwargs)
        return jax.tree.map(lambda p, g: p if _is_hole(p) else g, group, grads, is_leaf=_is_hole)

    return restricted


def _fill(group: PyTree, params: Params) -> Params:
    """The group's leaves, and the parameters in its holes."""
    return jax.tree.map(lambda own, p: p if _is_hole(own) else own, group, params, is_leaf=_is_hole)


def _is_hole(leaf: Any) -> bool:
    return isinstance(leaf, optax.MaskedNode)


_FUNCTIONS_OF_PARAMS = {
    "value_fn": _of_group, "obj_fn": _of_group, "grad_fn": _gradient_of_group
}  # fmt: skip
"""Extra arguments that are functions of the parameters, and how they are restricted to a group."""
