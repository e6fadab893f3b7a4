"""Different optimizers for different leaves, chosen by their names."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import jax
import optax

from paramjax._paths import check_pattern, labels
from paramjax._types import Params, PyTree


def by_path(
    transforms: Mapping[str, optax.GradientTransformation],
) -> optax.GradientTransformationExtraArgs:
    """Update each leaf by the optimizer of the first pattern that matches its name.

    `optax.partition` with patterns as labels. A global norm is taken over the leaves of its
    group; to clip by the norm of all leaves, clip in a chain around this one. Extra arguments go
    to every group: those with the parameters' tree (`grad`) are cut down to the group's leaves,
    and functions of the parameters (`value_fn`, `grad_fn`) take the group's leaves with all
    others held fixed, so that a line search over one group works while others are frozen.

    Args:
        transforms: Pattern -> transformation, the particular patterns before the general. A
            pattern is a regular expression that matches the whole of a leaf's name:
            `{"encoder/.*": optax.set_to_zero(), ".*bias": optax.sgd(0.1), ".*": optax.adam(1e-3)}`.
            `losses.frozen` saves the backward pass of leaves that are set to zero.

    Returns:
        A gradient transformation; its state holds the state of each group under its pattern.

    Raises:
        TypeError: If a pattern is not a string, or a value not a gradient transformation.
        ValueError: If there are no patterns, or a pattern is not a regular expression; in
            `init`, if no pattern matches a leaf, or a pattern is the first match of no leaf.

    Example:
        >>> import jax.numpy as jnp
        >>> tx = by_path({".*bias": optax.set_to_zero(), ".*": optax.sgd(0.5)})
        >>> params = {"bias": jnp.ones(1), "kernel": jnp.ones(1)}
        >>> updates, _ = tx.update(params, tx.init(params), params)
        >>> float(updates["bias"][0]), float(updates["kernel"][0])
        (0.0, -0.5)
    """
    transforms = _checked(transforms)
    partitioned = optax.partition(
        transforms,
        lambda tree: labels(transforms, tree, what="by_path"),
        mask_compatible_extra_args=True,
    )

    def update(
        updates: PyTree, state: PyTree, params: Params | None = None, **extra_args: Any
    ) -> tuple[PyTree, PyTree]:
        for name, restrict in _FUNCTIONS_OF_PARAMS.items():
            if params is not None and callable(extra_args.get(name)):
                extra_args[name] = restrict(extra_args[name], params)
        new: tuple[PyTree, PyTree] = partitioned.update(updates, state, params, **extra_args)
        return new

    return optax.GradientTransformationExtraArgs(partitioned.init, update)


def _checked(
    transforms: Mapping[str, optax.GradientTransformation],
) -> dict[str, optax.GradientTransformation]:
    if not isinstance(transforms, Mapping) or not transforms:
        raise ValueError(
            "by_path: expected pattern -> gradient transformation for at least one pattern, such "
            "as {'.*': optax.adamw(1e-3)}"
        )
    for pattern, tx in transforms.items():
        check_pattern(pattern, what="by_path")
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
