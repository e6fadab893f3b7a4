"""Seconds that forms of a layer take, each as a part of a compiled loop."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

Form = Callable[..., Any]
"""`(*operands, **details) -> arrays`; its operands are arrays, its details not."""


def timed(
    forms: Mapping[str, Form], operands: Sequence[Any], details: dict[str, Any], rounds: int
) -> dict[str, float]:
    """Form -> the median of its seconds, in rounds that interleave them, within a loop.

    Example:
        >>> shape = jax.ShapeDtypeStruct((2, 2), "float32")
        >>> seconds = timed({"sum": lambda x: x + x}, [shape], {}, rounds=1)
        >>> seconds["sum"] > 0
        True
    """
    rng = np.random.default_rng(0)
    values = [jnp.asarray(rng.normal(size=o.shape), o.dtype) for o in operands]
    runs = {name: _loop(functools.partial(form, **details), values) for name, form in forms.items()}
    taken: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            start = time.perf_counter()
            _wait(run(*values))
            taken[name].append(time.perf_counter() - start)
    return {name: float(np.median(values)) / _PASSES for name, values in taken.items()}


_PASSES = 3
"""Passes of a loop that is timed; in a loop some forms are slower than outside."""


def _loop(form: Form, values: list[Any]) -> Any:
    """A compiled loop over a form, warm; each pass needs the whole result of the one before."""

    def body(carry: tuple[Any, Any], rest: list[Any]) -> tuple[Any, Any]:
        first, last = carry
        corner = (0,) * first.ndim
        small = (1e-30 * jax.tree.leaves(last)[0].ravel()[0]).astype(first.dtype)
        first = first.at[corner].add(small)
        return first, form(first, *rest)

    def loop(first: Any, *rest: Any) -> Any:
        shapes = jax.eval_shape(form, first, *rest)
        start = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
        repeated = lax.scan(
            lambda c, _: (body(c, list(rest)), None), (first, start), length=_PASSES
        )
        return repeated[0][1]

    compiled = jax.jit(loop).lower(*values).compile()
    _wait(compiled(*values))
    return compiled


def _wait(arrays: Any) -> None:
    for leaf in jax.tree.leaves(arrays):
        leaf.block_until_ready()
