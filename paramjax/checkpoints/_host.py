"""A tree's arrays on the host, in memory of their own."""

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
        array: Its numbers; a key's own, uint32[..., words].
        form: Dtype and shape as errors print them.
        key: The generator whose key it is, None for numbers.
    """

    array: np.ndarray
    form: str
    key: str | None

    def described(self) -> Leaf:
        """What the manifest says about it."""
        array = self.array
        hashed = array_hash(array, self.form)
        return Leaf(self.form, str(array.dtype), array.shape, self.key, hashed)


def named_leaves(tree: PyTree) -> dict[str, Any]:
    """The leaves by name, in the order of the tree.

    Args:
        tree: Any pytree.

    Returns:
        Name -> leaf. Where two would have one name, as in `{"a/b": 1, "a": {"b": 2}}`, all
        get the names that Python code would call them by.

    Raises:
        ValueError: If a node of a kind of its own gives two of its children one name.

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
    """Dtype and shape of an array, of what stands for one, or of a number.

    Args:
        leaf: The leaf.

    Example:
        >>> form_of(jax.random.key(0)), form_of(np.zeros((3, 2), np.float32)), form_of(1.5)
        ('key<fry>[]', 'float32[3,2]', 'float64[]')
    """
    return describe(leaf if hasattr(leaf, "dtype") else np.asarray(leaf))


def check_leaf(name: str, leaf: Any) -> None:
    """Refuse what is no array of numbers, or of keys.

    Args:
        name: What to call it.
        leaf: The leaf.

    Raises:
        TypeError: If it is something else.
    """
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
    """Copy an array to the host; all processes that hold a part of it must do so together.

    The copy is real. What numpy is shown of an array on a CPU is the array's own memory, which
    the next step takes over.

    Args:
        leaf: An array of jax or numpy, or a number.

    Returns:
        The whole of it.
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
