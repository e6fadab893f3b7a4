"""A pytree of parameters as a flat vector of named numbers, and back."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from paramjax._checks import leaf_name
from paramjax._types import Array, Params
from paramjax.estimate._transforms import Transform
from paramjax.estimate.inputs._traced import refuse_traced


class Held(NamedTuple):
    """What of a pytree is not estimated.

    Attributes:
        places: Where the numbers that are estimated lie among all, [p].
        everything: All numbers at the start.
    """

    places: np.ndarray
    everything: np.ndarray

    def whole(self, theta: Any, rest: float | None) -> Any:
        """All numbers of the pytree, of those that are estimated."""
        others = self.everything if rest is None else np.full(self.everything.shape, rest)
        if isinstance(theta, np.ndarray):
            whole = others.copy()
            whole[self.places] = theta
            return whole
        found = dict(zip(self.places.tolist(), theta, strict=True))
        return [found.get(at, others[at]) for at in range(len(others))]


@dataclass(frozen=True, eq=False)
class Parameters:
    """Names, shapes and start of the parameters of an estimation.

    What is held fixed is no parameter: it has no name here, and `tree` puts it in its place.

    Attributes:
        names: One for each number that is estimated, [p]: the leaf's name, and its index in
            brackets.
        start: The numbers to start from, float64[p].
        shapes: Of the leaves.
        treedef: Of the user's pytree.
        held: What of the pytree is held fixed, or None.
        transforms: For each number the transform on whose scale the solver moves it, or None;
            or None for all.
    """

    names: tuple[str, ...]
    start: np.ndarray
    shapes: tuple[tuple[int, ...], ...]
    treedef: Any
    held: Held | None = None
    transforms: tuple[Transform | None, ...] | None = None

    @property
    def size(self) -> int:
        """How many numbers are estimated."""
        return len(self.names)

    def tree(self, theta: Array | np.ndarray | Sequence[Any], held: float | None = None) -> Params:
        """The user's pytree of p numbers, given as [p] or as p scalars, traced or not.

        A leaf of shape [] is the number itself, so that the derivative with respect to one
        number passes through that leaf alone. `held` stands where numbers are held fixed,
        or else those of the start.
        """
        whole = theta if self.held is None else self.held.whole(theta, held)
        leaves, at = [], 0
        for shape in self.shapes:
            size = int(np.prod(shape))
            leaves.append(_leaf(whole, at, size, shape))
            at += size
        return jax.tree.unflatten(self.treedef, leaves)

    def flat(self, params: Params) -> np.ndarray:
        """The numbers that are estimated, float64[p], out of a pytree of the user's form."""
        numbers = flatten(params)
        return numbers if self.held is None else numbers[self.held.places]

    def to_user(self, theta: Any) -> Any:
        """Numbers on the scale of the user, of those on which the solver moves, [..., p]."""
        return _each(self.transforms, "forward", theta)

    def to_solver(self, theta: Any) -> Any:
        """Numbers on the scale on which the solver moves, of those of the user, [..., p]."""
        return _each(self.transforms, "inverse", theta)


def slopes(parameters: Parameters, theta: np.ndarray) -> np.ndarray:
    """Derivatives of the user's numbers by those on which the solver moves, float64[p]."""
    if parameters.transforms is None:
        return np.ones(parameters.size)
    with jax.enable_x64(True):
        return np.asarray(slopes_at(parameters, jnp.asarray(theta)))


def slopes_at(parameters: Parameters, theta: Array) -> Array:
    """As `slopes`, to be traced."""
    derivatives: Array = jax.jvp(parameters.to_user, (theta,), (jnp.ones_like(theta),))[1]
    return derivatives


def _each(transforms: tuple[Transform | None, ...] | None, way: str, theta: Any) -> Any:
    """Transform number by number along the last axis; a numpy array gives a numpy array."""
    if transforms is None:
        return theta
    if not isinstance(theta, np.ndarray):
        return _columns(transforms, way, theta)
    with jax.enable_x64(True):
        return np.asarray(_columns(transforms, way, jnp.asarray(theta)))


def _columns(transforms: tuple[Transform | None, ...], way: str, theta: Any) -> Any:
    columns = [
        theta[..., at] if transform is None else getattr(transform, way)(theta[..., at])
        for at, transform in enumerate(transforms)
    ]
    return jnp.stack(columns, axis=-1)


def _leaf(theta: Any, at: int, size: int, shape: tuple[int, ...]) -> Any:
    if not shape:
        return float(theta[at]) if isinstance(theta, np.ndarray) else theta[at]
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
    refuse_traced("params0", params)
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
