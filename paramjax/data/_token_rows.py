"""What tokenisers share: texts as they come, and rows of ids with padding."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from paramjax._checks import check_count

PADDING, UNKNOWN = 0, 1

Encoded = tuple[np.ndarray, np.ndarray]
"""Ids int32 [texts, length], and the length of each row before its padding, int32 [texts]."""


def strings(texts: Any, kinds: tuple[type, ...] = (str,)) -> Sequence[Any]:
    """The texts as a list, if each is one."""
    if isinstance(texts, str | bytes) or not isinstance(texts, Iterable):
        raise TypeError(f"texts: expected a list of texts, got {kind(texts)}; write [text]")
    every = list(texts)
    for number, text in enumerate(every):
        if not isinstance(text, kinds):
            raise TypeError(
                f"texts: expected {' or '.join(one.__name__ for one in kinds)}, got "
                f"{kind(text)} at {number}"
            )
    return every


def kind(value: Any) -> str:
    """Type and beginning of a value, for messages."""
    return f"{type(value).__name__} {str(value)[:40]!r}"


def padded(every: Sequence[Any], length: int | None) -> Encoded:
    """Rows of ids in one array, cut or filled up to a length, and the length of each."""
    if length is None:
        length = max(1, *map(len, every), 1)
    check_count("length", length)
    lengths = np.array([min(len(row), length) for row in every], np.int32)
    ids = np.full((len(every), length), PADDING, np.int32)
    for number, row in enumerate(every):
        ids[number, : lengths[number]] = row[:length]
    return ids, lengths


def rows(ids: Any, size: int) -> list[list[int]]:
    """Rows of ids as lists, if each is one."""
    try:
        array = np.asarray(ids)
    except ValueError:
        raise ValueError("ids: expected rows of one length; decode them one by one") from None
    if array.ndim != 2:
        raise ValueError(f"ids: expected [texts, length], got shape {array.shape}")
    if not (np.issubdtype(array.dtype, np.integer) or array.size == 0):
        raise TypeError(f"ids: expected integers, got {array.dtype}")
    if array.size and not 0 <= array.min() <= array.max() < size:
        raise ValueError(
            f"ids: expected ids from 0 to {size - 1}, got {array.min()} to {array.max()}; was "
            "another tokeniser used?"
        )
    every: list[list[int]] = array.astype(int).tolist()
    return every
