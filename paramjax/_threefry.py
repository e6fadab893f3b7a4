"""JAX's threefry generator on the host, bit for bit: keys and orders that need no compiler.

Threefry-2x32 with 20 rounds (Salmon, Moraes, Dror and Shaw, 2011), and what `jax.random` makes of
it, under either setting of `jax_threefry_partitionable`.
"""

from __future__ import annotations

import math
from typing import Any

import jax
import numpy as np

from paramjax._types import Key

Words = np.ndarray[Any, np.dtype[np.uint32]]

_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
_PARITY = np.uint32(0x1BD11BDA)

_BLOCK = 2**15
"""Words that are hashed together: of fewer numpy's calls take most of the time, more leave the
cache of a core. A word of a long row takes 13 ns, its sorting 4 to 40."""


def words(key: Key) -> Words:
    """The two words of a typed threefry key, uint32[..., 2], fetched without a compilation.

    Example:
        >>> words(jax.random.key(7)).tolist()
        [0, 7]
    """
    return np.asarray(jax.random.key_data(key))


def fold_in(key: Words, numbers: Any) -> Words:
    """`jax.random.fold_in` for each of several numbers in [0, 2**32), uint32[..., 2].

    Example:
        >>> fold_in(words(jax.random.key(0)), [1, 2]).shape
        (2, 2)
    """
    folded = np.asarray(numbers, np.uint32)
    return np.stack(_hash(key[..., 0], key[..., 1], np.zeros_like(folded), folded), axis=-1)


def split(key: Words, num: int = 2) -> Words:
    """`jax.random.split` of keys [..., 2], uint32[..., num, 2].

    Example:
        >>> split(words(jax.random.key(0)), 3).shape
        (3, 2)
    """
    first, second = key[..., :1], key[..., 1:]
    if _is_partitionable():
        counts = np.arange(num, dtype=np.uint32)
        return np.stack(_hash(first, second, np.zeros_like(counts), counts), axis=-1)
    flat = _halves(first, second, 2 * num)
    return flat.reshape(*flat.shape[:-1], num, 2)


def bits(key: Words, count: int) -> Words:
    """`jax.random.bits` of keys [..., 2]: `count` words of each in its order, uint32[..., count].

    Example:
        >>> bits(words(jax.random.key(0)), 5).shape
        (5,)
    """
    first, second = key[..., :1], key[..., 1:]
    if not _is_partitionable():
        return _halves(first, second, count)
    flat = key.reshape(-1, 2)
    out = np.empty((len(flat), count), np.uint32)
    counts = np.arange(count, dtype=np.uint32)
    height, width = max(1, _BLOCK // max(1, count)), max(1, min(count, _BLOCK))
    for row in range(0, len(flat), height):
        for column in range(0, count, width):
            part = slice(row, row + height), slice(column, column + width)
            low = counts[part[1]]
            high = np.zeros_like(low)
            one, other = _hash(flat[part[0], :1], flat[part[0], 1:], high, low)
            np.bitwise_xor(one, other, out=out[part])
    return out.reshape(*key.shape[:-1], count)


def permutations(key: Words, rows: int) -> np.ndarray:
    """`jax.random.permutation` of `rows` with each of several keys [..., 2], int32[..., rows].

    Example:
        >>> permutations(words(jax.random.key(3)), 5).tolist()
        [0, 4, 2, 1, 3]
        >>> jax.random.permutation(jax.random.key(3), 5).tolist()
        [0, 4, 2, 1, 3]
    """
    place = np.arange(rows, dtype=np.uint64)
    order = np.broadcast_to(place.astype(np.int32), (*key.shape[:-1], rows))
    # as many rounds as JAX takes, so that equal words in one of them do not tell
    for turn in range(math.ceil(3 * np.log(max(1, rows)) / np.log(np.iinfo(np.uint32).max))):
        pair = split(key)
        key, own = pair[..., 0, :], pair[..., 1, :]
        # a sort by word and place is the stable one, and numpy's fastest
        both = bits(own, rows).astype(np.uint64) << np.uint64(32)
        both |= place
        both.sort(axis=-1)
        taken = both.astype(np.uint32).view(np.int32)  # of the place, which is the lower half
        order = taken if turn == 0 else np.take_along_axis(order, taken, axis=-1)
    return np.ascontiguousarray(order)


def _is_partitionable() -> bool:
    return bool(getattr(jax.config, "jax_threefry_partitionable", True))


def _halves(first: Words, second: Words, count: int) -> Words:
    """The hash of 0 to `count`, its first half beside its second, as JAX did it before."""
    counts = np.zeros(count + count % 2, np.uint32)
    counts[:count] = np.arange(count, dtype=np.uint32)
    return np.concatenate(_hash(first, second, *np.split(counts, 2)), axis=-1)[..., :count]


def _hash(first: Words, second: Words, x: Words, y: Words) -> tuple[Words, Words]:
    """Threefry-2x32 of the words x and y under the keys of words `first` and `second`."""
    keys = first, second, first ^ second ^ _PARITY
    x, y = np.broadcast_arrays(x + keys[0], y + keys[1])
    x, y = np.array(x), np.array(y)
    moved = np.empty_like(y)
    for group in range(5):
        for rotation in _ROTATIONS[group % 2]:
            x += y
            np.right_shift(y, np.uint32(32 - rotation), out=moved)
            y <<= np.uint32(rotation)
            y |= moved
            y ^= x
        x += keys[(group + 1) % 3]
        y += keys[(group + 2) % 3] + np.uint32(group + 1)
    return x, y
