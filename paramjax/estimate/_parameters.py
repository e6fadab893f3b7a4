"""A pytree of parameters as a flat vector of named numbers, and back."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from paramjax._checks import leaf_name
from paramjax._types import Array, Params


@dataclass(frozen=True, eq=False)
class Parameters:
    """Names, shapes and start of the parameters of an estimation.

    Attributes:
        names: One for each number, [p]: the leaf's name, and its index in brackets.
        start: The numbers to start from, float64[p].
        shapes: Of the leaves.
        treedef: Of the user's pytree.
    """

    names: tuple[str, ...]
    start: np.ndarray
    shapes: tuple[tuple[int, ...], ...]
    treedef: Any

    @property
    def size(self) -> int:
        """How many numbers are estimated."""
        return len(self.names)

    def tree(self, theta: Array | np.ndarray | Sequence[Any]) -> Params:
        """The user's pytree of p numbers, given as [p] or as p scalars, traced or not.

        A leaf of shape [] is the number itself, so that the derivative with respect to one
        number passes through that leaf alone.
        """
        leaves, at = [], 0
        for shape in self.shapes:
            size = int(np.prod(shape))
            leaves.append(_leaf(theta, at, size, shape))
            at += size
        return jax.tree.unflatten(self.treedef, leaves)


def _leaf(theta: Any, at: int, size: int, shape: tuple[int, ...]) -> Any:
    if not shape:
        return theta[at]
    part = theta[at : at + size]
    if isinstance(part, np.ndarray):
        return part.reshape(shape)
    return (jnp.stack(part) if isinstance(part, (list, tuple)) else part).reshape(shape)


def flatten(params: Params) -> np.ndarray:
    """The numbers of a pytree, float64[p], in the order of its leaves.

    Example:
        >>> flatten({"b": 3.0, "w": np.ones((1, 2))}).tolist()
        [3.0, 1.0, 1.0]
    """
    leaves = [np.asarray(leaf, np.float64).ravel() for leaf in jax.tree.leaves(params)]
    return np.concatenate(leaves) if leaves else np.zeros(0)


def parameters_of(params: Params) -> Parameters:
    """The parameters that a start names.

    Raises:
        TypeError: If a leaf is not a number or an array of real numbers.
        ValueError: If there are none, or one is not finite; it is named.

    Example:
        >>> parameters_of({"b": 1.0, "w": np.zeros(2)}).names
        ('b', 'w[0]', 'w[1]')
    """
    leaves, treedef = jax.tree_util.tree_flatten_with_path(params)
    shapes, names = [], []
    for path, leaf in leaves:
        array = np.asarray(leaf)
        if array.dtype.kind not in "fiu" and array.dtype.name != "bfloat16":
            raise TypeError(f"params0: expected real numbers, got {array.dtype} at {_name(path)}")
        shapes.append(array.shape)
        names += [_name(path, index) for index in itertools.product(*map(range, array.shape))]
    if not names:
        raise ValueError("params0: expected at least one number to estimate, got none")
    start = flatten(params)
    if not np.isfinite(start).all():
        wrong = names[int(np.argmin(np.isfinite(start)))]
        raise ValueError(
            f"params0: expected finite numbers to start from, got {wrong} = nan or inf"
        )
    return Parameters(tuple(names), start, tuple(shapes), treedef)


def _name(path: tuple[Any, ...], index: tuple[int, ...] = ()) -> str:
    name = leaf_name(path) if path else "theta"
    return f"{name}[{', '.join(map(str, index))}]" if index else name
