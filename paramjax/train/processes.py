"""What processes that run one program together must agree on."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils

from paramjax.checks import leaf_name
from paramjax.types import PyTree


def check_agreement(inputs: Mapping[str, PyTree]) -> None:
    """Refuse host arrays that differ between the processes.

    A program over several processes takes an array of each of them for the same one, and
    computes nonsense in silence where it is not.

    Args:
        inputs: Name -> pytree of arrays; those that are spread over processes already pass.

    Raises:
        ValueError: If an array differs; the message names it.

    Example:
        >>> check_agreement({"data": {"x": np.zeros(3)}, "key": jax.random.key(0)})
    """
    sums = {
        f"{name} {leaf_name(path)}": _checksum(leaf)
        for name, tree in inputs.items()
        for path, leaf in jax.tree_util.tree_leaves_with_path(tree)
        if getattr(leaf, "is_fully_addressable", True)
    }
    mine = np.array(list(sums.values()), np.uint32)
    everyone = multihost_utils.process_allgather(mine).reshape(-1, mine.size)
    differing = (everyone != everyone[:1]).any(axis=0)
    if differing.any():
        names = [name for name, differs in zip(sums, differing, strict=True) if differs]
        raise ValueError(
            f"fit: expected the same arrays in every process, got different ones for "
            f"{', '.join(names)}; draw and shuffle from the same seed in each of them"
        )


def _checksum(leaf: Any) -> int:
    """32 bits of the contents; keys count by the numbers in them."""
    if jnp.issubdtype(jnp.result_type(leaf), jax.dtypes.extended):
        leaf = jax.random.key_data(leaf)
    return zlib.crc32(np.ascontiguousarray(leaf).tobytes())
