"""Initial parameters and keys of the seeds: one program, compiled once and shared.

Initial parameters and the order of batches depend on the seed alone, so all trials and all
optimizers with one seed are paired.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp

from paramjax._checks import check_seed
from paramjax._types import Array, Key, Params
from paramjax.populations._compiler_options import owned_jit_to_run_once


class Starts(NamedTuple):
    """Initial parameters and keys of several seeds.

    Attributes:
        params: Initial parameters, leaves [seeds, ...].
        key: The key of each run's state, [seeds].
        data_key: The key of each run's order of batches, [seeds].
    """

    params: Params
    key: Key
    data_key: Key


class PendingStarts:
    """Starts that are computed when first asked for; safe to use from several threads."""

    def __init__(self, make: Callable[[], Starts], shapes: Starts) -> None:
        self.shapes = shapes
        self._make = make
        self._made: Starts | None = None
        self._lock = threading.Lock()

    @classmethod
    def of(cls, starts: Starts | PendingStarts) -> PendingStarts:
        """The starts as pending ones, whether or not they are computed already."""
        if isinstance(starts, PendingStarts):
            return starts
        return cls(lambda: starts, jax.eval_shape(lambda same: same, starts))

    def made(self) -> Starts:
        """The starts."""
        with self._lock:
            if self._made is None:
                self._made = self._make()
            return self._made


def pending_starts(init: Callable[[Key], Params], key: Key, seeds: Sequence[int]) -> PendingStarts:
    """The starts of every seed, traced now and computed later, while other programs compile."""
    numbers = jnp.array([check_seed(seed) for seed in seeds], jnp.uint32)
    prepare = owned_jit_to_run_once(_prepare).of(init)
    shapes = prepare.eval_shape(key, numbers)
    return PendingStarts(lambda: prepare(key, numbers), shapes)


def prepare_starts(init: Callable[[Key], Params], key: Key, seeds: Sequence[int]) -> Starts:
    """Initialise every seed, one after the other inside one compiled program.

    Args:
        init: `(key) -> params`.
        key: A typed key, the same for the whole population.
        seeds: The seeds, each in [0, 2**32).

    Returns:
        Initial parameters and keys, leaves [seeds, ...] in the order of `seeds`.

    Raises:
        ValueError: If a seed is out of range.

    Example:
        >>> draw = lambda key: jax.random.normal(key, (2,))
        >>> prepare_starts(draw, jax.random.key(0), [0, 1]).params.shape
        (2, 2)
    """
    return pending_starts(init, key, seeds).made()


def _prepare(init: Callable[[Key], Params], key: Key, seeds: Array) -> Starts:
    def one(seed: Array) -> Starts:
        init_key, state_key, data_key = jax.random.split(jax.random.fold_in(key, seed), 3)
        return Starts(init(init_key), state_key, data_key)

    # not vmap: it would unroll the generator and compile it once for every seed
    starts: Starts = jax.lax.map(one, seeds)
    return starts
