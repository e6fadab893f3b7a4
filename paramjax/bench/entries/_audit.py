"""What an optimizer's program costs and contains, found before it trains."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import jax

from paramjax._hashes import content_hash, file_hash
from paramjax._types import Batch, Params
from paramjax.bench.entries._cost import flops, flops_of
from paramjax.bench.entries._entries import Entry
from paramjax.bench.entries._findings import Findings, findings, gradients, switches
from paramjax.bench.entries._loss import LossProgram, loss_program
from paramjax.bench.entries._refused import RefusedError
from paramjax.bench.entries._spaces import describe_space
from paramjax.bench.entries._structures import Structures, structures
from paramjax.bench.entries._traced import Programs, Setting, refuse_foreign, trace
from paramjax.bench.workloads._workload import Workload
from paramjax.optim import Optimizer
from paramjax.populations._traced_trainer import TracedTrainer
from paramjax.populations.planning._guess import operations

FEW, MANY = 24, 64
"""Numbers that the program of any optimizer may hold, and that no optimizer's needs to."""


class Audit(NamedTuple):
    """What was found in the program of an optimizer.

    Attributes:
        flops: Floating-point operations of one step, as XLA counts them, of the costliest of its
            structures.
        gradients: Gradients of the loss evaluated at a step, most of its structures; a value
            counts as a third. Infinity if a loop over them has no known end.
        constants: Bytes of the numbers that are written into its program.
        flags: What a reader of the verdict must know, in sentences.
        program: Hash of what it computes, whatever the text of its file.
    """

    flops: float
    gradients: float
    constants: int
    flags: list[str]
    program: str


def audit(
    workload: Workload,
    entry: Entry,
    clip_norm: float,
    *,
    params: Params,
    batch: Batch,
    trained: Sequence[TracedTrainer] = (),
) -> Audit:
    """Look at the initialisation and the update of an optimizer, of every structure of its space.

    Nothing is compiled or run.

    Args:
        workload: A workload whose model state is loaded.
        entry: The optimizer.
        clip_norm: Global norm at which gradients are clipped.
        params: Parameters of one seed, or their shapes.
        batch: The rows of one step, or their shapes.
        trained: The programs that will be trained, which a factory may have traced to something
            else than it does here; they are searched too, and their operations are counted if
            they are more.

    Returns:
        What was found.

    Raises:
        RefusedError: If it cannot be traced, calls the host or foreign code, keeps state outside
            its state, has a batching rule of its own, or nothing depends on one of its structural
            hyperparameters.

    Example:
        >>> import jax.numpy as jnp
        >>> from paramjax.bench.entries import entry_of
        >>> from paramjax.bench.workloads import Workload
        >>> loss_fn = lambda params, batch, key: (jnp.mean((batch @ params) ** 2), {})
        >>> bowl = Workload(
        ...     name="bowl", init=lambda key: jnp.ones(3), loss_fn=loss_fn, data=jnp.ones((5, 3))
        ... )
        >>> found = audit(
        ...     bowl, entry_of("adam", "adam"), 1.0, params=jnp.ones(3), batch=jnp.ones((5, 3))
        ... )
        >>> found.gradients, found.flags
        (1.0, [])
    """
    setting = Setting(workload, entry, clip_norm, params, batch)
    space = structures(entry.optimizer.space)
    programs = [trace(setting, point) for point in space.points]
    refuse_foreign(*(program.jaxpr for one in trained for program in (one.init, one.step)))
    pairs = [(one.init, one.step) for one in programs] + [(one.init, one.step) for one in trained]
    found = findings(*(one.jaxpr for pair in pairs for one in pair))
    loss = loss_program(setting)
    _refuse_unused(space, programs)
    declared = entry.optimizer.extra_args
    own = found.without(loss.findings) if declared or trained else found
    counted = [gradients(one.step.jaxpr) if declared else 1.0 for one in programs]
    return Audit(
        _flops(programs, loss, trained, whole=bool(declared)),
        max(counted),
        sum(size for _, size in own.constants.values()) + 4 * len(own.scalars),
        [
            *_constants(own, params, len(entry.optimizer.space)), *_loops(own, max(counted)),
            *_declared(entry.optimizer), *_portfolio(space, programs),
        ],
        _hash(space, programs, entry),
    )  # fmt: skip


def _flops(
    programs: Sequence[Programs],
    loss: LossProgram,
    trained: Sequence[TracedTrainer],
    *,
    whole: bool,
) -> float:
    """Operations of a step of the costliest structure; equal structures are counted once.

    Programs that are not `whole` lack the gradient. What is trained is counted by itself where
    it holds more than these programs.
    """
    distinct = {one.hash: one for one in programs}.values()
    known = max(flops(one.step) for one in distinct) + (0.0 if whole else loss.flops)
    rough = max(operations(one.step.jaxpr) for one in distinct)
    rough += 0.0 if whole else loss.operations
    more = [one.step.jaxpr for one in trained if operations(one.step.jaxpr) > 1.05 * rough]
    return max([known, *map(flops_of, more)])


def _refuse_unused(space: Structures, programs: Sequence[Programs]) -> None:
    """Raise if a structural hyperparameter changes no program."""
    if not space.complete:
        return
    for name in space.names:
        groups: dict[str, set[str]] = {}
        for point, one in zip(space.points, programs, strict=True):
            others = {n: v for n, v in point.items() if n != name and n in space.names}
            # hyperparameters that exist with one option only are another structure
            groups.setdefault(f"{others} {sorted(point)}", set()).add(one.hash)
        options = {repr(point[name]) for point in space.points if name in point}
        if len(options) > 1 and len(groups) < len(programs) and max(map(len, groups.values())) < 2:
            raise RefusedError(
                f"its search space: nothing depends on {name!r}; let the factory read it, or take "
                "it out of the space"
            )


def _constants(own: Findings, params: Params, searched: int) -> list[str]:
    """A flag for constants that could hold what was learned elsewhere."""
    leaves = [math.prod(leaf.shape) for leaf in jax.tree.leaves(params)]
    arrays = sorted(own.constants.values(), key=lambda one: -one[1])
    numbers = sum(_size(form) for form, _ in arrays) + len(own.scalars)
    large = [form for form, _ in arrays if _size(form) in leaves and _size(form) > 3]
    if not large and numbers + searched <= max(FEW, min(MANY, sum(leaves) // 2)):
        return []
    shown = ", ".join([form for form, _ in arrays][:3]) or "single numbers"
    return [
        f"Its program holds {numbers} numbers as constants ({shown}) beside {searched} "
        f"hyperparameters, while the model has {sum(leaves)} parameters: they may have been "
        "learned elsewhere."
    ]


def _size(form: str) -> int:
    """The elements of an array written as `float32[2,3]`."""
    inside = form[form.index("[") + 1 : -1]
    return math.prod(int(axis) for axis in inside.split(",")) if inside else 1


def _loops(own: Findings, counted: float) -> list[str]:
    """Flags for what the counts leave out."""
    flags = []
    if math.isinf(counted):
        flags.append("It evaluates the loss in a loop whose length is not known beforehand.")
    elif own.loops:
        flags.append("Its operations count a loop of unknown length as one pass.")
    if own.uncounted:
        names = ", ".join(sorted(own.uncounted))
        flags.append(f"Its operations leave out {names}, which XLA does not count.")
    return flags


def _declared(optimizer: Optimizer) -> list[str]:
    """A flag for extra arguments, which go around the clipping."""
    if not optimizer.extra_args:
        return []
    names = ", ".join(optimizer.extra_args)
    return [f"It asks for {names}: gradients that are not clipped as those of others are."]


def _portfolio(space: Structures, programs: Sequence[Programs]) -> list[str]:
    """Flags for a space that chooses between optimizers."""
    flags = []
    updates, states = {one.hash for one in programs}, {one.state for one in programs}
    if len(updates) > 1:
        by = ", ".join(map(repr, space.names))
        more = "" if space.complete else "more than "
        of = f", of {len(states)} kinds of state" if len(states) > 1 else ""
        flags.append(
            f"Its space is a portfolio: {by} chooses between {more}{len(updates)} updates{of}."
        )
    if any(switches(one.step.jaxpr, one.numbers) for one in programs):
        flags.append("It switches between updates by the value of a hyperparameter: a portfolio.")
    return flags


def _hash(space: Structures, programs: Sequence[Programs], entry: Entry) -> str:
    """A hash of all programs; of the file too, if there are more structures than were traced."""
    text = " ".join(one.hash for one in programs)
    if not space.complete:
        text += str(describe_space(entry.optimizer)) + (
            "" if entry.file is None else file_hash(entry.file)
        )
    return content_hash(text)[:16]
