"""Where the trainings of a population start: one program, compiled once and shared.

Initial parameters and the order of batches depend on the seed alone, so every trial and
every optimizer with that seed starts and reads alike: that is what pairs them.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp

from paramjax.cache import enable_cache
from paramjax.checks import check_seed
from paramjax.data.sampler import batch_order
from paramjax.types import Array, Key, Params


class Starts(NamedTuple):
    """The starts of several seeds.

    Attributes:
        params: Initial parameters, leaves [seeds, ...].
        key: The key of each run's state, [seeds].
        order: int32[steps, seeds, batch], rows of each step; None for all rows.
    """

    params: Params
    key: Key
    order: Array | None


def prepare_starts(
    init: Callable[[Key], Params],
    key: Key,
    seeds: Sequence[int],
    *,
    rows: int,
    steps: int,
    batch_size: int | None,
) -> Starts:
    """Initialise every seed, one after the other inside one program.

    Args:
        init: `(key) -> params`.
        key: The key of the whole population.
        seeds: Numbers of the seeds, each in [0, 2**32).
        rows: Rows of the training data.
        steps: Steps of each run.
        batch_size: Rows a step; None for all.

    Returns:
        The starts, in the order of `seeds`.

    Raises:
        ValueError: If a seed is out of range or a batch larger than the data.

    Example:
        >>> draw = lambda key: jax.random.normal(key, (2,))
        >>> key = jax.random.key(0)
        >>> prepare_starts(draw, key, [0, 1], rows=6, steps=4, batch_size=3).order.shape
        (4, 2, 3)
    """
    # here, because initialisation is the first program that a population compiles
    enable_cache()
    numbers = jnp.array([check_seed(seed) for seed in seeds], jnp.uint32)
    return _prepare(init, key, numbers, rows=rows, steps=steps, batch_size=batch_size)


@functools.partial(jax.jit, static_argnames=("init", "rows", "steps", "batch_size"))
def _prepare(
    init: Callable[[Key], Params],
    key: Key,
    seeds: Array,
    *,
    rows: int,
    steps: int,
    batch_size: int | None,
) -> Starts:
    def one(seed: Array) -> Starts:
        init_key, state_key, data_key = jax.random.split(jax.random.fold_in(key, seed), 3)
        order = None if batch_size is None else batch_order(data_key, rows, batch_size, steps)
        return Starts(init(init_key), state_key, order)

    # mapped, not vmapped: the unrolled generator would compile once for every seed
    starts = jax.lax.map(one, seeds)
    order = None if starts.order is None else jnp.swapaxes(starts.order, 0, 1)
    return starts._replace(order=order)
