"""The leaves of a tree: their names, and copies of them on the host."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import numpy as np
from jax.experimental import multihost_utils

from paramjax._checks import describe, is_key, leaf_name
from paramjax._hashes import array_hash
from paramjax._types import PyTree
from paramjax.checkpoints._arrays import named_dtype
from paramjax.checkpoints._manifest import Leaf


class HostLeaf(NamedTuple):
    """An array as it is stored.

    Attributes:
        array: The numbers; those of a key are uint32[..., words].
        form: Dtype and shape as errors print them.
        key: The generator of a key, None for other arrays.
    """

    array: np.ndarray
    form: str
    key: str | None

    def described(self) -> Leaf:
        """The entry of the manifest."""
        array = self.array
        hashed = array_hash(array, self.form)
        return Leaf(self.form, str(array.dtype), array.shape, self.key, hashed)


def named_leaves(tree: PyTree) -> dict[str, Any]:
    """The leaves by name, in the order of the tree.

    Where two leaves would share a name, as in `{"a/b": 1, "a": {"b": 2}}`, all leaves get the
    names that Python code would use.

    Raises:
        ValueError: If a registered node gives two of its children the same key.

    Example:
        >>> named_leaves({"a": {"b": 1}, "c": 2})
        {'a/b': 1, 'c': 2}
        >>> list(named_leaves({"a/b": 1, "a": {"b": 2}}))
        ["['a']['b']", "['a/b']"]
    """
    paths = jax.tree_util.tree_leaves_with_path(tree)
    for name in (leaf_name, jax.tree_util.keystr):
        named = {name(path): leaf for path, leaf in paths}
        if len(named) == len(paths):
            return named
    raise ValueError(
        f"checkpoint: expected a name of its own for each of the {len(paths)} leaves, got "
        f"{len(named)} names; give the children of each registered node different keys"
    )


def form_of(leaf: Any) -> str:
    """Dtype and shape of an array, of a `jax.ShapeDtypeStruct`, or of a number.

    Example:
        >>> form_of(jax.random.key(0)), form_of(np.zeros((3, 2), np.float32)), form_of(1.5)
        ('key<fry>[]', 'float32[3,2]', 'float64[]')
    """
    return describe(leaf if hasattr(leaf, "dtype") else np.asarray(leaf))


def check_leaf(name: str, leaf: Any) -> None:
    """Raise `TypeError` unless a leaf is an array of numbers or of keys."""
    dtype = leaf.dtype if hasattr(leaf, "dtype") else np.asarray(leaf).dtype
    if isinstance(leaf, jax.Array) and is_key(leaf):
        return
    widest = {"f": 8, "c": 16}.get(dtype.kind, 8)
    numbers = dtype.kind in "biufc" and dtype.itemsize <= widest and dtype.isnative
    if not numbers and not (dtype.kind == "V" and _is_known(str(dtype))):
        raise TypeError(
            f"checkpoint: leaf {name} is {describe(leaf)}, expected an array of numbers"
        )


def _is_known(name: str) -> bool:
    try:
        return named_dtype(name).name == name
    except TypeError:
        return False


def to_host(leaf: Any) -> HostLeaf:
    """Copy an array or a number to the host; all processes that hold a part must call together.

    The copy is real: what numpy sees of an array on a CPU is memory that the next step may reuse.
    """
    form, key = form_of(leaf), None
    if isinstance(leaf, jax.Array):
        if is_key(leaf):
            key, leaf = str(jax.random.key_impl(leaf)), jax.random.key_data(leaf)
        if not leaf.is_fully_addressable and not leaf.is_fully_replicated:
            leaf = multihost_utils.process_allgather(leaf, tiled=True)
    return HostLeaf(np.array(leaf, order="C"), form, key)


def start_transfer(leaves: dict[str, Any]) -> None:
    """Let a device send all arrays at once, rather than one after the other when asked."""
    for leaf in leaves.values():
        if isinstance(leaf, jax.Array) and not is_key(leaf) and leaf.is_fully_addressable:
            leaf.copy_to_host_async()
