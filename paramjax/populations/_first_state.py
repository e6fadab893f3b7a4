"""First states that the host knows: a run begins with its inputs, zeros and other constants.

Most optimizers begin so. Where a first state is computed from its inputs a program makes it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from paramjax._arrays import nbytes
from paramjax._checks import is_key
from paramjax._host_keys import as_key
from paramjax._jaxprs import runs_uncompiled
from paramjax._types import ModelState
from paramjax.populations._mapped_loop import Carry
from paramjax.populations._starts import PendingStarts
from paramjax.populations._traced_trainer import Numbers, TracedTrainer
from paramjax.step._state import TrainState

Source = int | np.ndarray
"""Where an output comes from: the number of the input that it is, or its constant value."""


_ON_HOST = 2**28
"""Bytes of first states that are made on the host and sent to an accelerator, 256 MiB."""


class HostStart:
    """Makes the carry of several runs before their first step with numpy."""

    def __init__(self, sources: Sequence[Source], state: TrainState, runs: int) -> None:
        self._sources, self._runs = sources, runs
        tree: Any
        self._forms, tree = jax.tree.flatten(state)
        self._tree = tree

    @classmethod
    def of(cls, traced: TracedTrainer, runs: int) -> HostStart | None:
        """How the runs of a trainer begin; None if a program has to compute it."""
        small = runs * nbytes(traced.init.out) <= _ON_HOST
        if runs_uncompiled() or not (small or jax.default_backend() == "cpu"):
            return None
        jaxpr = traced.init.jaxpr
        sources = _sources(jaxpr, range(len(jaxpr.jaxpr.invars)))
        known = [source for source in sources if source is not None]
        return cls(known, traced.init.out, runs) if len(known) == len(sources) else None

    def shapes(self) -> Carry:
        """Shapes and dtypes of the carry."""
        shape_of: Any = jax.ShapeDtypeStruct
        return self._carry([shape_of((self._runs, *f.shape), f.dtype) for f in self._forms])

    def carry(
        self, numbers: Numbers, seed_index: np.ndarray, starts: PendingStarts, model: ModelState
    ) -> Carry:
        """The carry, of arrays on the host."""
        key, params = starts.on_host()
        states = [np.asarray(leaf) for leaf in jax.tree.leaves(model)]
        inputs = [
            *jax.tree.leaves(numbers),
            key[seed_index],
            *(leaf[seed_index] for leaf in jax.tree.leaves(params)),
            *(np.broadcast_to(leaf, (self._runs, *leaf.shape)) for leaf in states),
        ]
        leaves = []
        for source, form in zip(self._sources, self._forms, strict=True):
            if isinstance(source, int):
                leaf = inputs[source]
            else:
                leaf = np.broadcast_to(source, (self._runs, *source.shape))
            leaves.append(as_key(leaf) if is_key(form) else leaf)
        return self._carry(leaves)

    def _carry(self, leaves: list[Any]) -> Carry:
        state: TrainState = self._tree.unflatten(leaves)
        runs = self._runs
        return Carry(state, np.ones(runs, bool), np.zeros(runs, np.int32))  # type: ignore[arg-type]


def _sources(jaxpr: Any, inputs: Sequence[Source | None]) -> list[Any]:
    """The source of each output of a closed jaxpr, None if it is computed."""
    bare = jaxpr.jaxpr
    known: dict[Any, Any] = dict(zip(bare.invars, inputs, strict=True))
    known |= {
        variable: None if is_key(value) else np.asarray(value)
        for variable, value in zip(bare.constvars, jaxpr.consts, strict=True)
    }
    made = {out: equation for equation in bare.eqns for out in equation.outvars}

    def source(variable: Any) -> Source | None:
        if hasattr(variable, "val"):
            return np.asarray(variable.val, variable.aval.dtype)
        if variable not in known:
            equation = made[variable]
            known.update(zip(equation.outvars, _outputs(equation, source), strict=True))
        found: Source | None = known[variable]
        return found

    return [source(variable) for variable in bare.outvars]


def _outputs(equation: Any, source: Callable[[Any], Source | None]) -> list[Source | None]:
    """The sources of an equation's outputs."""
    name, params = equation.primitive.name, equation.params
    if name in ("jit", "pjit"):
        return _sources(params["jaxpr"], [source(variable) for variable in equation.invars])
    first = source(equation.invars[0]) if equation.invars else None
    same = [variable.aval.dtype for variable in (*equation.invars[:1], *equation.outvars)]
    if name == "copy" or (name == "convert_element_type" and same[0] == same[1]):
        return [first]
    if name == "broadcast_in_dim" and isinstance(first, np.ndarray) and first.ndim == 0:
        return [np.broadcast_to(first, params["shape"])]
    return [None] * len(equation.outvars)
