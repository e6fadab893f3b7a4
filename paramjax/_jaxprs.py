"""Traced programs and the programs inside them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import jax
from jax.interpreters import partial_eval

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


def runs_uncompiled() -> bool:
    """Whether the user turned compilation off, `jax_disable_jit`, to look at values."""
    config: Any = jax.config
    return bool(config.jax_disable_jit)


def live_part(program: Any) -> Any:
    """A closed program as an open one, without the equations that no result depends on.

    Those that have effects stay.
    """
    used = [True] * len(program.jaxpr.outvars)
    return partial_eval.dce_jaxpr(program.jaxpr, used, instantiate=True)[0]


class Live:
    """A jitted function without what its results do not depend on, for use inside a program.

    JAX lowers all equations of an inner function, such as the hashes of an unused key, and leaves
    it to XLA to drop those. For each form of its inputs the function is traced once.

    Args:
        function: Of trees of arrays.

    Example:
        >>> import jax.numpy as jnp
        >>> double = Live(lambda x: (jnp.sin(x), 2 * x)[1])
        >>> float(double(4.0))
        8.0
        >>> "sin" in str(jax.make_jaxpr(double)(4.0))
        False
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self._jitted = jax.jit(function)
        self._traced: dict[Any, tuple[Any, Any, Any]] = {}

    def __call__(self, *inputs: Any) -> Any:
        """Evaluate the function."""
        if runs_uncompiled():
            return self._jitted(*inputs)
        leaves, structure = jax.tree.flatten(inputs)
        form = (structure, *(jax.typeof(leaf) for leaf in leaves))
        if form not in self._traced:
            traced, shapes = jax.make_jaxpr(self._jitted, return_shape=True)(*inputs)
            results = jax.tree.structure(shapes)
            self._traced[form] = live_part(traced), traced.consts, results
        program, constants, results = self._traced[form]
        return jax.tree.unflatten(results, jax.core.eval_jaxpr(program, constants, *leaves))
