"""What processes that run one program together must agree on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils

from paramjax._checks import leaf_name
from paramjax._hashes import array_hash
from paramjax._types import PyTree


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
        f"{name} {leaf_name(path)}": int(array_hash(leaf)[:8], 16)
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


def agreed(most: int, *flags: bool) -> tuple[Any, ...]:
    """What all processes go by: as far as the slowest can, with every flag that any of them set.

    Args:
        most: A count.
        flags: Whether something is to be done.

    Returns:
        The smallest count, and the flags, the same in every process.

    Example:
        >>> agreed(5, False, True)
        (5, False, True)
    """
    everyone = multihost_utils.process_allgather(np.array([-most, *flags], np.int32))
    largest = everyone.reshape(-1, 1 + len(flags)).max(axis=0)
    return -int(largest[0]), *(bool(flag) for flag in largest[1:])


def spans_processes(tree: PyTree) -> bool:
    """Whether a part of some array lies in another process.

    Args:
        tree: A pytree of arrays.

    Example:
        >>> spans_processes({"w": np.zeros(2)})
        False
    """
    return not all(getattr(leaf, "is_fully_addressable", True) for leaf in jax.tree.leaves(tree))
