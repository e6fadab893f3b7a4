"""Trees of arrays as bytes and back, exactly."""

from __future__ import annotations

import json
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from paramjax._arrays import numbers
from paramjax._checks import is_key
from paramjax._types import PyTree


def packed(tree: PyTree) -> bytes:
    """A tree of arrays as bytes: a line that says what they are, then their contents."""
    forms, contents = [], []
    for leaf in jax.tree.leaves(tree):
        kind = str(jax.random.key_impl(leaf)) if is_key(leaf) else None
        array = np.asarray(numbers(leaf))
        forms.append([str(array.dtype), array.shape, kind])
        contents.append(np.ascontiguousarray(array).tobytes())
    return b"".join([json.dumps(forms).encode(), b"\n", *contents])


def unpacked(blob: bytes, tree: PyTree) -> PyTree:
    """The arrays of `packed`."""
    head, _, contents = blob.partition(b"\n")
    leaves, start = [], 0
    for name, shape, kind in json.loads(head):
        dtype = np.dtype(name)
        size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        array = np.frombuffer(contents, dtype, size // dtype.itemsize, start).reshape(shape)
        leaves.append(
            array if kind is None else jax.random.wrap_key_data(jnp.asarray(array), impl=kind)
        )
        start += size
    structure: Any = jax.tree.structure(tree)
    if structure.num_leaves != len(leaves):
        raise ValueError(f"blob: expected {structure.num_leaves} arrays, got {len(leaves)}")
    return jax.tree.unflatten(structure, leaves)
