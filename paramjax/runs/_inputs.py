"""What a run was given beside its data, so that it goes on only with the same."""

from __future__ import annotations

import dataclasses
import datetime
import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from paramjax._hashes import checksums
from paramjax._types import Batch, PyTree
from paramjax.checkpoints._restore import ProgramWarning
from paramjax.runs._nonfinite import Rollback
from paramjax.runs._rollbacks import Rollbacks
from paramjax.runs._start import Start
from paramjax.runs._validation import Validation
from paramjax.step._state import Trainer


class Inputs(NamedTuple):
    """What a run was given, as JSON.

    Attributes:
        start: Leaf -> form and hash, of where it begins.
        validation: Setting -> value, and leaf -> form and hash of the held-out data.
        evaluate: Hash of what validation computes, "" without one.
        runtime: The version of JAX and the devices.
    """

    start: dict[str, Any]
    validation: dict[str, Any]
    evaluate: str
    runtime: str


@dataclass(frozen=True)
class RunConfig:
    """What a run is asked to do.

    Attributes:
        trainer: What a step is.
        steps: Steps in all.
        nonfinite: What to do about a step that is not finite.
        joint: Whether several processes run it together.
        burst: Steps that the device takes without asking the host.
        every: Steps, or time, between checkpoints; None where none are written.
        inputs: What it was given beside its data, for checkpoints.
        allow_new_program: Whether it may go on with another evaluation.
    """

    trainer: Trainer
    steps: int
    nonfinite: str | Rollback
    joint: bool
    burst: int = 1
    every: int | datetime.timedelta | None = None
    inputs: Inputs | None = None
    allow_new_program: bool = False


def start_identity(start: Start) -> dict[str, Any]:
    """The leaves with which a run begins; those that lie in other processes, too, by form only."""
    begun = start._asdict() if start.state is None else {"state": start.state}
    return {
        name: value
        for part, tree in begun.items()
        for name, value in checksums(part, _addressable(tree)).items()
    }


def _addressable(tree: PyTree) -> PyTree:
    return jax.tree.map(
        lambda leaf: leaf if getattr(leaf, "is_fully_addressable", True) else None, tree
    )


def validation_identity(validation: Validation | None) -> dict[str, Any]:
    """What decides about scores and stopping, but what `evaluate` computes."""
    if validation is None:
        return {}
    early = validation.early_stopping
    return {
        "validation every": validation.every,
        "validation batch_size": validation.batch_size,
        "validation metric": validation.metric,
        "validation maximise": validation.maximise,
        "validation early_stopping": None if early is None else dataclasses.asdict(early),
        **checksums("validation data", validation.data),
    }


def check_saved(extra: Mapping[str, Any], folder: Path, config: RunConfig) -> bool:
    """Raise if the run in a folder was given something else; return whether scores compare."""
    done = Rollbacks.from_json(extra["rollbacks"]).done
    # checkpoints of older versions say less
    _check_same_rollback(folder, done, extra.get("factor"), config.nonfinite)
    given = extra.get("inputs")
    if given is None or config.inputs is None:
        return True
    return _check_inputs(Inputs(*given), config.inputs, folder, config.allow_new_program)


def _check_inputs(before: Inputs, now: Inputs, folder: Path, allow_new_program: bool) -> bool:
    same = before.runtime == now.runtime
    # where the start is drawn on other devices or by another JAX, its last bits may differ
    pairs = [(before.validation, now.validation)] + [(before.start, now.start)] * same
    differing = [line for old, new in pairs for line in _differing(old, new)]
    if differing:
        lines = "".join(f"\n  {line}" for line in differing)
        raise ValueError(
            f"checkpoints: the run in {folder} is another one, for these differ:{lines}\npass what "
            "that run had, choose another folder, or start over with Checkpoints(fresh=True)"
        )
    if not same or before.evaluate == now.evaluate:
        return True
    text = (
        "validation: evaluate, or a constant in it, computes something else than the one of the "
        f"run in {folder}, so their scores cannot be compared"
    )
    if not allow_new_program:
        raise ValueError(
            f"{text}; pass the one that the run had, choose another folder, start over with "
            "Checkpoints(fresh=True), or go on with allow_new_program=True, which forgets the best"
        )
    warnings.warn(f"{text}; the best one so far is forgotten", ProgramWarning, stacklevel=4)
    return False


def _check_same_rollback(folder: Path, done: int, factor: float | None, now: Any) -> None:
    """Raise if a run that went back `done` times goes on with other rollbacks."""
    if done and factor is not None and not (isinstance(now, Rollback) and now.factor == factor):
        raise ValueError(
            f"nonfinite: the run in {folder} went back {done} times with "
            f"pj.Rollback({factor:g}), got {now!r}; pass that, choose another folder, or start "
            "over with Checkpoints(fresh=True)"
        )


def _differing(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    return [
        f"{name}: {_shown(old, name)} in the checkpoint, {_shown(new, name)} now"
        for name in {**old, **new}
        if _shown(old, name) != _shown(new, name)
    ]


def _shown(values: Mapping[str, Any], name: str) -> str:
    return json.dumps(values[name], sort_keys=True) if name in values else "nothing"


def form_to_json(batch: Batch) -> Any:
    """The form of a batch as JSON, from which `form_from_json` makes it again.

    None for a batch with nodes other than dicts with names, lists and tuples.

    Example:
        >>> form = form_to_json({"x": jax.ShapeDtypeStruct((2,), "float32")})
        >>> form_from_json(form)["x"].shape
        (2,)
    """
    try:
        return _form(batch)
    except TypeError:
        return None


def _form(tree: Any) -> Any:
    if tree is None:
        return {"none": []}
    if type(tree) is dict and all(isinstance(name, str) for name in tree):
        return {"dict": {name: _form(part) for name, part in tree.items()}}
    if type(tree) in (list, tuple):
        return {type(tree).__name__: [_form(part) for part in tree]}
    if not jax.tree_util.all_leaves([tree]):
        raise TypeError(type(tree).__name__)
    return {"leaf": [list(tree.shape), str(tree.dtype)]}


def form_from_json(form: Any) -> Batch:
    """The inverse of `form_to_json`."""
    ((kind, content),) = form.items()
    if kind == "leaf":
        shape, dtype = content
        return jax.eval_shape(lambda: jnp.zeros(shape, dtype))
    if kind == "none":
        return None
    if kind == "dict":
        return {name: form_from_json(part) for name, part in content.items()}
    parts = [form_from_json(part) for part in content]
    return tuple(parts) if kind == "tuple" else parts
