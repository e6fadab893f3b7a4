"""Typed keys made on the host, equal to those of `jax.random` and without a compilation."""

from __future__ import annotations

from typing import Any

import jax

from paramjax._threefry import Words, fold_in, split, words
from paramjax._types import Key


def as_key(numbers: Words) -> Key:
    """The threefry keys of words uint32[..., 2].

    Example:
        >>> bool(as_key(words(jax.random.key(7))) == jax.random.key(7))
        True
    """
    wrap: Any = jax.random.wrap_key_data
    key: Key = wrap(numbers, impl="threefry2x32")
    return key


def split_key(key: Key, num: int = 2) -> tuple[Key, ...]:
    """`jax.random.split` of a key.

    Example:
        >>> bool(split_key(jax.random.key(7))[1] == jax.random.split(jax.random.key(7))[1])
        True
    """
    return tuple(as_key(own) for own in split(words(key), num))


def fold_in_key(key: Key, numbers: Any) -> Key:
    """`jax.random.fold_in` of a key with several numbers in [0, 2**32), one key each.

    Example:
        >>> fold_in_key(jax.random.key(7), [0, 1]).shape
        (2,)
    """
    return as_key(fold_in(words(key), numbers))
