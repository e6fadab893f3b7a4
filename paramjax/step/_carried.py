"""What goes from step to step keeps its form: compiled loops take nothing else."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from paramjax._checks import describe, is_key, leaf_name
from paramjax._types import PyTree


def strongly_typed(leaf: Any) -> Any:
    """The leaf with a fixed dtype: a weakly typed one would change it, and trace again."""
    if is_key(leaf):
        return leaf
    return jax.lax.convert_element_type(leaf, jnp.result_type(leaf))


def carried(what: str, before: PyTree, after: PyTree, *, hint: str = "") -> PyTree:
    """The new value of what a step carries, or an error that names the leaf that changed form.

    Raises:
        ValueError: If tree, shape or dtype of a leaf differ.
    """
    form: Any = jax.tree.structure(before)
    if form == jax.tree.structure(after):
        return jax.tree_util.tree_map_with_path(
            lambda path, old, new: _leaf(what, path, old, new, hint), before, after
        )
    old, new = _named(before), _named(after)
    gone, added = [name for name in old if name not in new], [n for n in new if n not in old]
    changes = [f"leaf {name}, {describe(old[name])}, is gone" for name in gone[:3]]
    changes += [f"leaf {name}, {describe(new[name])}, is new" for name in added[:3]]
    trees = f"{form} before and {jax.tree.structure(after)} after"
    raise ValueError(
        f"{what}: its tree changed in the step: {', '.join(changes) or trees}; expected the same "
        f"tree before and after{hint}"
    )


def _leaf(what: str, path: Any, before: Any, after: Any, hint: str) -> Any:
    if after is before:
        return after
    strong = strongly_typed(after)
    if jnp.shape(before) != jnp.shape(strong) or jnp.result_type(before) != strong.dtype:
        raise ValueError(
            f"{what}: leaf {leaf_name(path)} was {describe(before)} before the step and is "
            f"{describe(strong)} after it; expected the same shape and dtype{hint}"
        )
    return strong


def _named(tree: PyTree) -> dict[str, Any]:
    return {leaf_name(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(tree)}
