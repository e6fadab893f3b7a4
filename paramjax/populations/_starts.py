"""Initial parameters and keys of the seeds: keys and random words on the host.

Initial parameters and the order of batches depend on the seed alone, so all trials and all
optimizers with one seed are paired.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh

from paramjax._arrays import numbers, on_device
from paramjax._checks import check_key, check_seed, is_key
from paramjax._host_keys import as_key
from paramjax._partial import pending
from paramjax._programs import owned_jit
from paramjax._threefry import Words, fold_in, split, words
from paramjax._types import Key, Params
from paramjax.populations._compiler_options import owned_jit_to_run_once
from paramjax.populations._devices import placed

_ALONE = 64
"""Seeds whose parameters are drawn one by one, the random words on the host; a program of their
own draws those of more seeds faster."""


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
    """Starts whose parameters are computed when first asked for; safe to use from several threads.

    Attributes:
        shapes: Shapes and dtypes of the starts.
        key: The keys of the states, [seeds].
        data_key: The keys of the orders, [seeds].
    """

    def __init__(self, params: Callable[[], Params], shapes: Params, key: Key, data_key: Key):
        self.shapes = Starts(shapes, *jax.eval_shape(lambda *same: same, key, data_key))
        self.key, self.data_key = key, data_key
        self._params, self._origin = params, self
        self._made: Starts | None = None
        self._hosted: tuple[Words, Params] | None = None
        self._lock = threading.Lock()

    @classmethod
    def of(cls, starts: Starts | PendingStarts) -> PendingStarts:
        """The starts as pending ones, whether or not they are computed already."""
        if isinstance(starts, PendingStarts):
            return starts
        shapes = jax.eval_shape(lambda same: same, starts.params)
        return cls(lambda: starts.params, shapes, starts.key, starts.data_key)

    def with_data_key(self, data_key: Key) -> PendingStarts:
        """The same starts, with other orders."""
        return PendingStarts(lambda: self.made().params, self.shapes.params, self.key, data_key)

    def placed(self, mesh: Mesh | None) -> PendingStarts:
        """The same starts, on all devices."""
        keys = placed((self.key, self.data_key), mesh, split=False)
        there = PendingStarts(
            lambda: placed(self.made().params, mesh, split=False), self.shapes.params, *keys
        )
        there._origin = self
        return there

    def on_host(self) -> tuple[Words, Params]:
        """The words of the states' keys, [seeds, 2], and the parameters, as numpy arrays."""
        own = self._origin
        params = own.made().params
        with self._lock:
            if self._hosted is None:
                self._hosted = words(own.key), jax.device_get(params)
            return self._hosted

    def made(self) -> Starts:
        """The starts."""
        with self._lock:
            if self._made is None:
                self._made = Starts(self._params(), self.key, self.data_key)
            return self._made


def pending_starts(init: Callable[[Key], Params], key: Key, seeds: Sequence[int]) -> PendingStarts:
    """The starts of every seed, traced now and computed later, while other programs compile."""
    drawn = split(fold_in(words(check_key(key)), list(map(check_seed, seeds))), 3)
    init_key, state_key, data_key = (as_key(drawn[:, index]) for index in range(3))
    if len(drawn) > _ALONE:
        initialise = owned_jit_to_run_once(_initialise).of(init)
        shapes = initialise.eval_shape(init_key)
        return PendingStarts(lambda: initialise(init_key), shapes, state_key, data_key)
    one = _initialise_one.of(init)
    alone = [pending(one, as_key(own)) for own in drawn[:, 0]]
    shape_of: Any = jax.ShapeDtypeStruct
    shapes = jax.tree.map(
        lambda leaf: shape_of((len(alone), *leaf.shape), leaf.dtype),
        one.eval_shape(as_key(drawn[0, 0])),
    )
    return PendingStarts(lambda: _stacked([own() for own in alone]), shapes, state_key, data_key)


def prepare_starts(init: Callable[[Key], Params], key: Key, seeds: Sequence[int]) -> Starts:
    """Initialise every seed, one after the other.

    Args:
        init: `(key) -> params`.
        key: A typed key, the same for the whole population.
        seeds: The seeds, each in [0, 2**32).

    Returns:
        Initial parameters and keys, leaves [seeds, ...] in the order of `seeds`.

    Raises:
        TypeError: If the key is a legacy one.
        ValueError: If a seed is out of range, or the key is no threefry key.

    Example:
        >>> draw = lambda key: jax.random.normal(key, (2,))
        >>> prepare_starts(draw, jax.random.key(0), [0, 1]).params.shape
        (2, 2)
    """
    return pending_starts(init, key, seeds).made()


def _initialise(init: Callable[[Key], Params], key: Key) -> Params:
    """The parameters of many seeds, one after the other inside one program."""
    # not vmap: it would unroll the generator and compile it once for every seed
    params: Params = jax.lax.map(init, key)
    return params


@owned_jit()
def _initialise_one(init: Callable[[Key], Params], key: Key) -> Params:
    return init(key)


def _stacked(trees: Sequence[Params]) -> Params:
    """Trees with the same leaves as one, leaves [trees, ...], without a compilation."""

    def stacked(*leaves: Any) -> Any:
        whole = np.stack([np.asarray(numbers(leaf)) for leaf in leaves])
        return as_key(whole) if is_key(leaves[0]) else on_device(whole)

    return jax.tree.map(stacked, *trees)
