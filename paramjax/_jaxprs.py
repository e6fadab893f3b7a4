"""Traced programs and the programs inside them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

# told by what they hold: jax.extend.core, which has their types, takes 50 ms to import


def open_jaxpr(program: Any) -> Any:
    """The jaxpr of a closed one, an open one as it is."""
    return getattr(program, "jaxpr", program)


def is_literal(variable: Any) -> bool:
    """Whether an input of an equation is a constant in its text."""
    return hasattr(variable, "val")


def inner_programs(equation: Any) -> Iterator[Any]:
    """The programs in the parameters of an equation: bodies, branches, called functions."""
    for value in equation.params.values():
        for part in value if isinstance(value, tuple | list) else (value,):
            if hasattr(part, "eqns"):
                yield part


def programs_within(program: Any) -> Iterator[Any]:
    """A program and every program inside it, at any depth."""
    yield program
    for equation in open_jaxpr(program).eqns:
        for part in inner_programs(equation):
            yield from programs_within(part)


def constants(program: Any) -> Iterator[Any]:
    """Every constant of a program, at any depth: arrays that it closes over, and literals.

    Example:
        >>> import jax
        >>> import numpy as np
        >>> inner = jax.jit(lambda x: x + np.arange(3.0))
        >>> found = constants(jax.make_jaxpr(lambda x: inner(x) * 0.5)(1.0))
        >>> sorted(map(np.shape, found))
        [(), (3,)]
    """
    for part in programs_within(program):
        yield from getattr(part, "consts", ())
        jaxpr = open_jaxpr(part)
        inputs = (variable for equation in jaxpr.eqns for variable in equation.invars)
        yield from (v.val for v in (*inputs, *jaxpr.outvars) if is_literal(v))
