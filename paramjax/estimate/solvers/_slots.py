"""Buffers of a fixed number of problems, whose places are refilled."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from paramjax._types import PyTree
from paramjax.estimate.solvers._solver import Inputs

_CACHE_BYTES = 2**21
"""Rows and derivatives of a chunk stay below this, so that they stay in a core's cache."""

_MEMORY_BYTES = 2**31
"""The same of a device that has no such cache, but many cores."""

_FEWEST, _MOST = 16, 2048


class Problems(NamedTuple):
    """Starts of all problems, the leaves that differ between them, and those that all share."""

    thetas: Any
    own: list[Any]
    shared: list[Any]
    is_own: tuple[bool, ...]
    treedef: Any

    def merge(self, own: list[Any], shared: list[Any]) -> tuple[Inputs, PyTree]:
        """The inputs of such leaves, and the axes over which to map."""
        mine, common = iter(own), iter(shared)
        leaves = [next(mine if differs else common) for differs in self.is_own]
        axes = [0 if differs else None for differs in self.is_own]
        return jax.tree.unflatten(self.treedef, leaves), jax.tree.unflatten(self.treedef, axes)

    def on_host(self) -> Problems:
        """The same, with no leaf on a device, so that parts of it are cheap."""
        own = [np.asarray(leaf) if isinstance(leaf, jax.Array) else leaf for leaf in self.own]
        return self._replace(own=own)


def problems_of(thetas: np.ndarray, inputs: Inputs, in_axes: PyTree) -> Problems:
    """The leaves of the inputs, apart by whether they differ; real ones as the thetas.

    Raises:
        ValueError: If a leaf that differs has another leading axis than the starts.
    """
    axes = jax.tree.map(
        lambda axis, part: jax.tree.map(lambda _: axis is not None, part),
        in_axes,
        inputs,
        is_leaf=lambda axis: axis is None,
    )
    leaves, treedef = jax.tree.flatten(inputs)
    is_own = tuple(jax.tree.leaves(axes))
    own = [leaf for leaf, differs in zip(leaves, is_own, strict=True) if differs]
    shared = [leaf for leaf, differs in zip(leaves, is_own, strict=True) if not differs]
    for leaf in own:
        if np.shape(leaf)[:1] != (len(thetas),):
            raise ValueError(
                f"inputs: expected a leading axis of {len(thetas)} problems, got {np.shape(leaf)}"
            )
    shared = [np.asarray(leaf, _type(leaf, thetas.dtype)) for leaf in shared]
    return Problems(thetas, own, shared, is_own, treedef)


def slots_for(problems: Problems, platform: str) -> int:
    """As many as fit a core's cache, or an accelerator's memory."""
    rows = [int(np.prod(leaf.shape[1:])) for leaf in problems.own]
    shared = max((leaf.size for leaf in problems.shared), default=1)
    size = problems.thetas.shape[1]
    if platform != "cpu":
        return int(max(_MEMORY_BYTES // (8 * (max(sum(rows), shared) + size**2)), 1))
    numbers = sum(rows) + size * max([*rows, shared, 1])
    fewest = int(np.clip(_MEMORY_BYTES // (8 * numbers), 1, _FEWEST))
    return int(np.clip(2 ** int(np.log2(max(_CACHE_BYTES // (8 * numbers), 1))), fewest, _MOST))


class Slots:
    """Places of one program: which problem lies in each, and what it reads."""

    def __init__(self, problems: Problems, size: int) -> None:
        self._problems = problems
        self._at = np.full(size, -1)
        self._whole = size == len(problems.thetas)
        real = problems.thetas.dtype
        self.thetas = np.array(problems.thetas[:size])
        self.own: list[Any] = [
            _plain(leaf, real) if self._whole else np.array(leaf[:size], _type(leaf, real))
            for leaf in problems.own
        ]

    @property
    def free(self) -> int:
        """How many places are free."""
        return int((self._at < 0).sum())

    @property
    def empty(self) -> bool:
        """Whether all of them are."""
        return bool((self._at < 0).all())

    def fill(self, taken: range) -> np.ndarray:
        """Put problems into free places; which those are, bool[slots]."""
        places = np.flatnonzero(self._at < 0)[: len(taken)]
        self._at[places] = taken
        # neighbours are copied as one piece, and nothing at all where every problem has its place
        if not self._whole and len(places):
            run = slice(places[0], places[-1] + 1)
            where = run if run.stop - run.start == len(places) else places
            span = slice(taken.start, taken.stop)
            self.thetas[where] = self._problems.thetas[span]
            for buffer, leaf in zip(self.own, self._problems.own, strict=True):
                buffer[where] = leaf[span]
        fresh = np.zeros(len(self._at), bool)
        fresh[places] = True
        return fresh

    def ended(self, ended: np.ndarray) -> np.ndarray:
        """The places, by their index, whose problem has ended."""
        return np.flatnonzero(ended & (self._at >= 0))

    def release(self, places: np.ndarray) -> np.ndarray:
        """Free some places; the problems that lay there, by their index."""
        problems: np.ndarray = self._at[places]
        self._at[places] = -1
        return problems


def _plain(leaf: Any, real: np.dtype[Any]) -> Any:
    """A leaf that a program takes as it is, on its device where it lies on one."""
    kind = _type(leaf, real)
    return leaf.astype(kind) if isinstance(leaf, jax.Array) else np.asarray(leaf, kind)


def _type(leaf: Any, real: np.dtype[Any]) -> Any:
    """The type of a leaf in the program: real numbers have one type."""
    kind = np.result_type(leaf)
    return real if jnp.issubdtype(kind, np.floating) else kind
