"""The results of a training as named arrays in one file, which processes pass to each other."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from paramjax._arrays import numbers
from paramjax._files import atomic_write, write_atomic
from paramjax._types import PyTree
from paramjax.checkpoints._leaves import named_leaves

Arrays = Mapping[str, np.ndarray]
"""Name of a leaf -> its array; a key is uint32[..., words]."""


def flatten(tree: PyTree) -> dict[str, np.ndarray]:
    """The leaves of a tree by name, on the host.

    Args:
        tree: Arrays, numbers and keys.

    Returns:
        Name -> array.

    Example:
        >>> flatten({"w": jax.numpy.zeros(2), "key": jax.random.key(7)})["key"]
        array([0, 7], dtype=uint32)
    """
    # gathers what lies on several devices; the copy is not memory that a step takes over
    return {n: np.array(jax.device_get(numbers(leaf))) for n, leaf in named_leaves(tree).items()}


def save_result(folder: Path, name: str, tree: PyTree) -> None:
    """Keep a result for another process."""
    # no leaf may have the name of an argument of savez
    arrays: dict[str, Any] = {f"/{leaf}": array for leaf, array in flatten(tree).items()}
    with atomic_write(folder / f"{name}.npz") as file:
        np.savez(file, **arrays)


def load_result(folder: Path, name: str) -> dict[str, np.ndarray]:
    """Read what `save_result` kept.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save_result(Path(folder), "run", {"file": 1.5})
        ...     load_result(Path(folder), "run")
        {'file': array(1.5)}
    """
    with np.load(folder / f"{name}.npz", allow_pickle=False) as file:
        return {leaf.removeprefix("/"): file[leaf] for leaf in file}


def save_facts(folder: Path, facts: dict[str, Any]) -> None:
    """Keep what a child found out about its machine, as JSON."""
    write_atomic(folder / "facts.json", json.dumps(facts))


def load_facts(folder: Path) -> dict[str, Any]:
    """Read what `save_facts` kept."""
    facts: dict[str, Any] = json.loads((folder / "facts.json").read_text(encoding="utf-8"))
    return facts
