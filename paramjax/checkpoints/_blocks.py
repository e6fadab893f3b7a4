"""Many arrays as few blocks of bytes, one after the other.

The library that stores them spends time, and never gives back some memory, for each array that
it is handed (270 bytes a call, tensorstore 0.1.86), whatever its size.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

_BLOCK_BYTES = 2**26
"""Bytes of a block at most, unless it holds a single array."""


class Place(NamedTuple):
    """Where an array lies.

    Attributes:
        block: Number of its block.
        start: Its first byte in the block.
        end: The first byte behind it.
    """

    block: int
    start: int
    end: int


def places(sizes: Mapping[str, int]) -> dict[str, Place]:
    """Where each array lies: a function of their sizes in their order.

    Args:
        sizes: Name -> bytes.

    Returns:
        Name -> place.

    Example:
        >>> places({"w": 8, "b": 4})
        {'w': Place(block=0, start=0, end=8), 'b': Place(block=0, start=8, end=12)}
    """
    found: dict[str, Place] = {}
    block = end = 0
    for name, size in sizes.items():
        if end and end + size > _BLOCK_BYTES:
            block, end = block + 1, 0
        found[name] = Place(block, end, end + size)
        end += size
    return found


def block_sizes(placed: Mapping[str, Place]) -> list[int]:
    """Bytes of each block.

    Args:
        placed: What `places` returned.

    Example:
        >>> block_sizes(places({"w": 8, "b": 4}))
        [12]
    """
    sizes = [0] * (1 + max((place.block for place in placed.values()), default=-1))
    for place in placed.values():
        sizes[place.block] = max(sizes[place.block], place.end)
    return sizes


def pack(arrays: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    """The blocks of some arrays; one that is a block by itself is not copied.

    Args:
        arrays: Name -> array of any numbers.

    Returns:
        uint8[bytes] each.

    Example:
        >>> pack({"w": np.float32([1.0]), "b": np.uint8([7])})[0].tolist()
        [0, 0, 128, 63, 7]
    """
    blocks: dict[int, list[np.ndarray]] = {}
    for name, place in places({name: array.nbytes for name, array in arrays.items()}).items():
        blocks.setdefault(place.block, []).append(_as_bytes(arrays[name]))
    return [parts[0] if len(parts) == 1 else np.concatenate(parts) for parts in blocks.values()]


def _as_bytes(array: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8)
