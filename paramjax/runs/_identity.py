"""What names a run: for a later start, and for the processes that run it together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils

from paramjax._arrays import numbers
from paramjax._checks import leaf_name
from paramjax._choices import in_use
from paramjax._hashes import array_hash, checksums, program_hash
from paramjax._types import Batch, Key, PyTree
from paramjax.runs._batch_spec import BatchSpec
from paramjax.step._state import Trainer, TrainState


def identity(spec: BatchSpec, key: Key, data: PyTree, *, streamed: bool) -> dict[str, Any]:
    """What a checkpoint must agree with before a run goes on from it, as JSON.

    Example:
        >>> spec, data = BatchSpec(rows=2), {"x": np.zeros(2, np.float32)}
        >>> identity(spec, jax.random.key(7), data, streamed=False)["key"]
        [0, 7]
    """
    named = {"data": "stream"} if streamed else checksums("data", data) or {"data": "none"}
    return {
        "key": np.asarray(numbers(key)).tolist(),
        "batch_size": spec.batch_size,
        "last_batch": spec.last,
        **({} if spec.shuffle else {"shuffle": False}),
        **named,
    }


def program(trainer: Trainer, state: TrainState, batch: Batch) -> str:
    """A fingerprint of what a step computes, with the version of JAX, devices and measured forms.

    Example:
        >>> import optax
        >>> from paramjax import train_step
        >>> def of_rate(rate):
        ...     trainer = train_step(lambda p, batch, key: (p**2, {}), optax.sgd(rate))
        ...     return program(trainer, trainer.init(jax.random.key(0), jax.numpy.zeros(())), None)
        >>> of_rate(0.1) == of_rate(0.1), of_rate(0.1) == of_rate(0.2)
        (True, False)
    """
    with jax.disable_jit(False):  # with which functions are printed without their names
        traced = jax.make_jaxpr(jax.jit(trainer.step))(state, batch)
        digits = program_hash(traced)
    return ", ".join(filter(None, (f"{digits} {runtime(state)}", in_use(traced))))


def runtime(state: TrainState) -> str:
    """The version of JAX and the devices of a state."""
    devices = len(set().union(*(leaf.devices() for leaf in jax.tree.leaves(state))))
    return f"JAX {jax.__version__} on {devices} {jax.default_backend()}"


def check_agreement(inputs: Mapping[str, PyTree]) -> None:
    """Raise if host arrays differ between the processes, with the names of those that do.

    A program over several processes takes an array of each of them for the same one, and
    computes nonsense in silence where it is not.

    Example:
        >>> check_agreement({"data": {"x": np.zeros(3)}, "key": jax.random.key(0)})
    """
    sums = {
        f"{name} {leaf_name(path)}": int(array_hash(leaf)[:8], 16)
        for name, tree in inputs.items()
        for path, leaf in jax.tree_util.tree_leaves_with_path(tree)
        if getattr(leaf, "is_fully_addressable", True)
    }
    own = np.array(list(sums.values()), np.uint32)
    everyone = multihost_utils.process_allgather(own).reshape(-1, own.size)
    differing = (everyone != everyone[:1]).any(axis=0)
    if differing.any():
        names = [name for name, differs in zip(sums, differing, strict=True) if differs]
        raise ValueError(
            f"fit: expected the same arrays in every process, got different ones for "
            f"{', '.join(names)}; draw and shuffle from the same seed in each of them"
        )


def agreed(most: int, *flags: bool) -> tuple[Any, ...]:
    """The smallest count of all processes, and the flags that any of them set.

    Example:
        >>> agreed(5, False, True)
        (5, False, True)
    """
    everyone = multihost_utils.process_allgather(np.array([-most, *flags], np.int32))
    largest = everyone.reshape(-1, 1 + len(flags)).max(axis=0)
    return -int(largest[0]), *(bool(flag) for flag in largest[1:])


def spans_processes(tree: PyTree) -> bool:
    """Whether a part of some array lies in another process."""
    return not all(getattr(leaf, "is_fully_addressable", True) for leaf in jax.tree.leaves(tree))
