"""How many parameters of a state are not finite, counted by numpy where it compiles nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from paramjax._ahead import Ahead
from paramjax._checks import is_key
from paramjax._programs import owned_jit
from paramjax._types import Array, Params, PyTree
from paramjax.step._state import Trainer, TrainState

_SMALL = 2**16
"""Numbers that are fetched after each chunk rather than counted by a program of their own."""

_SHARED = 2**22
"""The same on a CPU, whose memory numpy reads where it is: a millisecond for as many."""


class Faults:
    """Counts the parameters of a state, and those to evaluate, that are not finite.

    Args:
        trainer: Says which parameters are evaluated, for a program that counts many.
        state: The first state of a run.
        evaluated: Makes the parameters to evaluate, by a program that is there in any case.

    Example:
        >>> trainer = Trainer(None, None, lambda state: state.params)
        >>> state = TrainState(0, np.float32([0, np.nan, -np.inf]), (), (), (), None)
        >>> faults = Faults(trainer, state, trainer.eval_params)
        >>> faults.counts(jax.device_get(faults.seen(state)))
        (2, 2)
    """

    def __init__(
        self, trainer: Trainer, state: TrainState, evaluated: Callable[[TrainState], Params]
    ) -> None:
        self._trainer, self._evaluated = trainer, evaluated
        leaves = jax.tree.leaves(state.params)
        near = all(getattr(leaf, "is_fully_addressable", True) for leaf in leaves)
        self._on_host = near and sum(map(np.size, leaves)) < _most(leaves)
        self._ahead: Ahead | None = None

    def ahead(self, state: TrainState) -> None:
        """Begin to compile what counts them."""
        if not self._on_host:
            self._ahead = Ahead(_counted.of(self._trainer), state)

    def seen(self, state: TrainState) -> PyTree:
        """What `counts` must know of a state, to be fetched from the device."""
        if self._on_host:
            return _inexact(state.params), _inexact(self._evaluated(state))
        if self._ahead is not None:
            self._ahead.wait()
        return _counted(self._trainer, state)

    def counts(self, seen: PyTree) -> tuple[int, int]:
        """How many are not finite: parameters, and parameters to evaluate."""
        own, evaluated = jax.tree.map(self._count, seen)
        return sum(own), sum(evaluated)

    def _count(self, leaf: Any) -> int:
        return int(np.count_nonzero(~np.isfinite(leaf)) if self._on_host else leaf)


def _most(leaves: list[Any]) -> int:
    """How many numbers are fetched at most."""
    places = [place for leaf in leaves if isinstance(leaf, jax.Array) for place in leaf.devices()]
    return _SHARED if places and all(place.platform == "cpu" for place in places) else _SMALL


@owned_jit()
def _counted(trainer: Trainer, state: TrainState) -> tuple[list[Array], list[Array]]:
    evaluated = trainer.eval_params(state)
    return [count_nonfinite(state.params)], [count_nonfinite(evaluated)]


def count_nonfinite(tree: PyTree) -> Array:
    """How many numbers of a tree are not finite, float32[], for an integer could wrap to none.

    Example:
        >>> float(count_nonfinite({"w": jnp.array([0.0, jnp.nan, -jnp.inf]), "n": 3}))
        2.0
    """
    found = [~jnp.isfinite(leaf) for leaf in _inexact(tree)]
    small = [mask.ravel() for mask in found if mask.size < _SMALL]
    parts = [mask for mask in found if mask.size >= _SMALL]
    if small:  # together, for each is one kernel to compile
        parts.append(jnp.concatenate(small))
    counts = [part.sum(dtype=jnp.float32) for part in parts]
    return jnp.asarray(sum(counts), jnp.float32)


def _inexact(tree: PyTree) -> list[Any]:
    return [
        leaf
        for leaf in jax.tree.leaves(tree)
        if not is_key(leaf) and jnp.issubdtype(jnp.result_type(leaf), jnp.inexact)
    ]
