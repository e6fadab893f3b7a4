"""A checkpoint, from its folder to arrays on the devices of a run."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from paramjax._arrays import place
from paramjax._format import printable
from paramjax._types import PyTree
from paramjax.checkpoints._arrays import ARRAYS, HISTORY, read_arrays
from paramjax.checkpoints._folder import checkpoint, examine, steps_in
from paramjax.checkpoints._leaves import form_of, named_leaves
from paramjax.checkpoints._manifest import DamageError, Leaf, Manifest
from paramjax.checkpoints._write import Origin


class DamageWarning(UserWarning):
    """A checkpoint is not as it was written, and an older one is restored."""


class ProgramWarning(UserWarning):
    """The training step computes something else than the one that wrote a checkpoint."""


Contents = tuple[Manifest, PyTree, dict[str, np.ndarray]]
"""Manifest, tree, and the arrays of the history by name."""


def newest(folder: Path, like: PyTree, origin: Origin, most: int | None = None) -> Contents | None:
    """Read the newest good checkpoint as `read_checkpoint` does; None if the folder has none.

    With `most`, those of later steps are passed over.

    Raises:
        ValueError: If it belongs to another run or has other leaves, or all are damaged.

    Warns:
        DamageWarning: For each damaged one that is passed over, with what is wrong.
    """
    steps = [step for step in steps_in(folder) if most is None or step <= most]
    for step in reversed(steps):
        path = checkpoint(folder, step)
        try:
            return read_checkpoint(path, like, origin)
        except DamageError as error:
            warnings.warn(
                f"checkpoint {path} is damaged: {error}; the one before it is taken",
                DamageWarning,
                stacklevel=4,
            )
    if steps:
        raise ValueError(
            f"checkpoints: none of the {len(steps)} checkpoints in {folder} is as it was "
            "written; restore the folder from a copy, or begin again in another one"
        )
    return None


def read_checkpoint(path: Path, like: PyTree, origin: Origin) -> Contents:
    """Read a checkpoint onto the devices of `like`, if it is whole and belongs to this run.

    Raises:
        DamageError: If it is not as it was written.
        ValueError: If it belongs to another run, or to one whose state has another form.
    """
    manifest = examine(path)
    _check_identity(path, manifest, origin)
    wanted = named_leaves(like)
    _check_leaves(path, manifest.leaves, wanted)
    history = read_arrays(path / HISTORY, manifest.history)
    arrays = read_arrays(path / ARRAYS, manifest.leaves)
    leaves = (_put(arrays[name], manifest.leaves[name], leaf) for name, leaf in wanted.items())
    return manifest, jax.tree.unflatten(jax.tree.structure(like), leaves), history


def check_program(manifest: Manifest, origin: Origin, allow_new: bool) -> None:
    """Raise, or warn, if a run goes on with another step than it began with.

    A hash is followed by the version of JAX and the devices: if these differ, the same step has
    another hash, so a warning is all that can be said.
    """
    if not manifest.program or origin.program == manifest.program:
        return  # a run that ended before its first batch never knew its program
    (_, _, before), (_, _, now) = (o.program.partition(" ") for o in (manifest, origin))
    changed = f"now {now}, then {before}" if before != now else "its loss, optimizer or a constant"
    text = (
        f"the training step computes something else than the one that wrote the checkpoint of step "
        f"{manifest.step} ({changed})"
    )
    if before == now and not allow_new:
        raise ValueError(
            f"checkpoints: {text}; pass the trainer that the run had, choose another folder, start "
            "over with Checkpoints(fresh=True), or go on with allow_new_program=True"
        )
    warnings.warn(
        f"{text}; what follows is not what the same run without a stop would have given",
        ProgramWarning,
        stacklevel=4,
    )


def _check_identity(path: Path, manifest: Manifest, origin: Origin) -> None:
    """Refuse a checkpoint of another run."""
    old, new = manifest.identity, origin.identity
    differing = [
        f"{name}: {_shown(old, name)} in the checkpoint, {_shown(new, name)} now"
        for name in {**old, **new}
        if _shown(old, name) != _shown(new, name)
    ]
    if differing:
        raise ValueError(
            f"checkpoint {path}: expected one of this run, got one of another, for these differ:"
            f"{_listed(differing)}\npass what that run had, choose another folder, or start over "
            "with Checkpoints(fresh=True)"
        )


def _shown(values: Mapping[str, Any], name: str) -> str:
    """The value as JSON, in which a tuple equals a list, and nan itself."""
    return json.dumps(values[name], sort_keys=True) if name in values else "nothing"


def _check_leaves(path: Path, leaves: Mapping[str, Leaf], wanted: Mapping[str, Any]) -> None:
    """Refuse a checkpoint of another form; nothing is ever cast, left out or made up."""
    stored = {name: leaf.form for name, leaf in leaves.items()}
    forms = {name: form_of(leaf) for name, leaf in wanted.items()}
    differing = [
        f"{name}: expected {forms.get(name, 'nothing')}, got {stored.get(name, 'nothing')}"
        for name in {**forms, **stored}
        if forms.get(name) != stored.get(name)
    ]
    if differing:
        raise ValueError(
            f"checkpoint {path}: expected the leaves of this run, got others:"
            f"{_listed(differing)}\nuse the model, optimizer and hooks that wrote it, or choose "
            "another folder"
        )


def _listed(lines: list[str]) -> str:
    return "".join(f"\n  {printable(line)}" for line in lines)


def _put(array: np.ndarray, leaf: Leaf, like: Any) -> Any:
    """The array as the type of `like`, on its devices."""
    if isinstance(like, np.ndarray):
        return array
    if isinstance(like, np.generic):
        return array[()]
    if not isinstance(like, jax.Array | jax.ShapeDtypeStruct):
        return type(like)(array.item())
    value: Any = array
    if leaf.key is not None:
        value = jax.random.wrap_key_data(jnp.asarray(array), impl=leaf.key)
    elif getattr(like, "weak_type", False):
        value = _weak(array)
    sharding = like.sharding
    if sharding is None or not getattr(like, "committed", True):
        return jax.device_put(value)
    return place(value, sharding)


def _weak(array: np.ndarray) -> jax.Array:
    """An array that gives way to the dtypes of others, as the number 1.0 in a program does."""
    zero = jnp.asarray(array.dtype.type(0).item())
    return jnp.broadcast_to(zero, array.shape).at[...].set(array)
