"""Arrays that may be typed keys: their numbers, where they lie, and memory to share with XLA."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import PartitionSpec

from paramjax._checks import is_key
from paramjax._types import Array, PyTree

partition_spec: Callable[..., PartitionSpec] = PartitionSpec
"""The specification of a sharding; JAX leaves its constructor without types."""


def numbers(leaf: Any) -> Any:
    """The leaf itself, or the numbers of a key, uint32[..., words].

    Example:
        >>> numbers(jax.random.key(7)).tolist(), numbers(0.5)
        ([0, 7], 0.5)
    """
    return jax.random.key_data(leaf) if is_key(leaf) else leaf


def chosen(where: Array, new: PyTree, old: PyTree) -> PyTree:
    """The new tree where true, else the old: bool[] for whole leaves, bool[runs] for their rows.

    Example:
        >>> chosen(jnp.array([True, False]), jnp.ones((2, 1)), jnp.zeros((2, 1))).tolist()
        [[1.0], [0.0]]
    """

    def leaf(new: Any, old: Any) -> Any:
        if new is old:
            return new
        if is_key(new):  # choosing would use up both keys under `jax_debug_key_reuse`
            impl = jax.random.key_impl(new)
            return jax.random.wrap_key_data(leaf(numbers(new), numbers(old)), impl=impl)
        return jnp.where(where.reshape(where.shape + (1,) * (new.ndim - where.ndim)), new, old)

    return jax.tree.map(leaf, new, old)


def by_numpy(function: Callable[..., Any], *trees: PyTree) -> PyTree:
    """`jax.tree.map` of a function of numpy arrays, of keys by their numbers: nothing compiles.

    Example:
        >>> keys = by_numpy(lambda *leaves: np.stack(leaves), jax.random.key(1), jax.random.key(7))
        >>> jax.random.key_data(keys).tolist()
        [[0, 1], [0, 7]]
    """

    def leaf(*own: Any) -> Any:
        made = function(*(np.asarray(numbers(one)) for one in own))
        if not is_key(own[0]):
            return made
        return jax.random.wrap_key_data(made, impl=jax.random.key_impl(own[0]))

    return jax.tree.map(leaf, *trees)


def rows_at(leaf: Any, places: Array) -> Array:
    """The rows at these places, which are neither negative nor beyond the last one.

    What an index needs otherwise costs more than a step of the smallest models.

    Example:
        >>> rows_at(np.array([5.0, 6.0, 7.0]), jnp.array([2, 0])).tolist()
        [7.0, 5.0]
    """
    rows: Array = (
        jnp.asarray(leaf).at[places].get(mode="promise_in_bounds", wrap_negative_indices=False)
    )
    return rows


def nbytes(tree: PyTree) -> int:
    """Bytes of the arrays of a tree, or of what their shapes say.

    Example:
        >>> nbytes({"w": np.zeros(3, np.float32)})
        12
    """
    return sum(int(leaf.size) * int(leaf.dtype.itemsize) for leaf in jax.tree.leaves(tree))


def place(leaf: Any, sharding: jax.sharding.Sharding) -> Any:
    """An array on the devices of a sharding; where those span processes, each holds all of it.

    Example:
        >>> one_device = jax.sharding.SingleDeviceSharding(jax.devices()[0])
        >>> place(np.ones(2, np.float32), one_device).sharding == one_device
        True
    """
    if sharding.is_fully_addressable:
        return jax.device_put(leaf, sharding)
    if is_key(leaf):
        data = place(jax.random.key_data(leaf), sharding)
        return jax.random.wrap_key_data(data, impl=jax.random.key_impl(leaf))
    host = np.asarray(jnp.asarray(leaf))  # 32 bits, as a device would hold it
    return jax.make_array_from_callback(host.shape, sharding, lambda index: host[index])


_ALIGNMENT = 64
"""Bytes; XLA on a CPU takes over an array that begins at a multiple without a copy."""


def aligned(shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    """An uninitialised array; its pages cost nothing before they are written."""
    count = math.prod(shape) * np.dtype(dtype).itemsize
    memory = np.empty(count + _ALIGNMENT, np.uint8)
    first = -memory.ctypes.data % _ALIGNMENT
    array: np.ndarray = memory[first : first + count].view(dtype).reshape(shape)
    return array


def on_device(leaf: Any) -> Any:
    """An array of JAX as it is; any other copied to the device, which compiles nothing.

    `jnp.asarray` compiles a program for each shape, and `jax.device_put` shares the memory.

    Example:
        >>> on_device(np.ones(2)).dtype
        dtype('float32')
    """
    if not isinstance(leaf, np.ndarray):
        return jax.device_put(leaf)
    copied = aligned(leaf.shape, leaf.dtype)
    copied[...] = leaf
    return jax.device_put(copied)


def own_copy(leaf: Any) -> Any:
    """An array in memory of its own, where it lies, copied without a compilation."""
    if isinstance(leaf, jax.Array) and not is_key(leaf):
        return jax.device_put(leaf, may_alias=False)
    return on_device(leaf)
