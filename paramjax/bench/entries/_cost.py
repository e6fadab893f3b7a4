"""Floating-point operations of a traced program, as XLA counts them."""

from __future__ import annotations

from typing import Any

import jax
from jax.extend.core import ClosedJaxpr, jaxpr_as_fun

from paramjax.bench.entries._findings import scans


def flops(traced: Any) -> float:
    """Operations of a traced function; nothing is compiled or run.

    XLA counts the body of a loop once, so the bodies of scans are counted by themselves and
    multiplied by their lengths. Loops whose length is not known beforehand count once.

    Args:
        traced: What `jax.jit(function).trace(...)` returns.

    Example:
        >>> import jax.numpy as jnp
        >>> matrix = jax.ShapeDtypeStruct((8, 8), jnp.float32)
        >>> flops(jax.jit(jnp.matmul).trace(matrix, matrix))
        1024.0
    """
    return _once(traced) + _repeats(traced.jaxpr)


def flops_of(program: ClosedJaxpr) -> float:
    """Operations of a closed jaxpr, as `flops` counts them."""
    return flops(_traced(program))


def _once(traced: Any) -> float:
    """Operations with every loop body counted once."""
    analysis = traced.lower().cost_analysis() or {}
    return float(analysis.get("flops", 0.0))


def _repeats(program: Any) -> float:
    """Operations of the passes through scans after the first."""
    more = 0.0
    for scan in scans(program):
        body = scan.params["jaxpr"]
        once, repeats = _once(_traced(body)), _repeats(body)
        more += (scan.params["length"] - 1) * once + scan.params["length"] * repeats
    return more


def _traced(program: ClosedJaxpr) -> Any:
    """A program as a traced function of its own."""
    shape_of: Any = jax.ShapeDtypeStruct
    shapes = [shape_of(v.aval.shape, v.aval.dtype) for v in program.jaxpr.invars]
    return jax.jit(jaxpr_as_fun(program)).trace(*shapes)
