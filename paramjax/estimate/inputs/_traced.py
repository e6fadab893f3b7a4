"""What goes wrong when a user's function is traced, in words that say what to write instead."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np

from paramjax._checks import describe
from paramjax._programs import kept_on
from paramjax._types import PyTree


@contextlib.contextmanager
def explained(name: str) -> Iterator[None]:
    """Turn JAX's errors on functions that cannot be traced into ones that name the function.

    Example:
        >>> with explained("residual_fn"):  # doctest: +ELLIPSIS
        ...     jax.eval_shape(lambda x: 1.0 if x > 0 else 2.0, 1.0)
        Traceback (most recent call last):
        TypeError: residual_fn: expected one formula for all values, got Python's if, ...
    """
    try:
        yield
    except jax.errors.TracerBoolConversionError as error:
        raise TypeError(
            f"{name}: expected one formula for all values, got Python's if, and, or, min, max or "
            "while on a value that depends on the parameters or the data; write "
            "jnp.where(condition, a, b), jnp.minimum or jnp.maximum"
        ) from error
    except (jax.errors.TracerArrayConversionError, jax.errors.ConcretizationTypeError) as error:
        raise TypeError(
            f"{name}: expected functions of jax.numpy, got one of numpy, math or another library, "
            "or float or int, applied to the parameters or the data; write jnp.exp for np.exp and "
            "math.exp"
        ) from error


def check_callable_solver(solver: Any) -> None:
    """Raise unless it makes a solver, or is None.

    Raises:
        TypeError: If it cannot be called.
    """
    if solver is not None and not callable(solver):
        raise TypeError(
            "solver: expected a function of the rows such as pj.estimate.solvers.newton, or None, "
            f"got {describe(solver)}"
        )


def refuse_traced(name: str, value: Any) -> None:
    """Raise if a value is traced: estimates are made on the host.

    Raises:
        TypeError: Inside `jax.jit`, `jax.grad`, `jax.vmap`.
    """
    if any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(value)):
        raise TypeError(
            f"{name}: expected numbers, got traced ones; call it outside of jax.jit, jax.grad and "
            "jax.vmap, for it computes on the host; least_squares_many fits many problems at once"
        )


def traced_rows(name: str, rows: Callable[..., Any], size: int, data: PyTree) -> Any:
    """What the rows of `size` parameters are, traced once for the shapes of the data."""
    leaves, treedef = jax.tree.flatten(data)
    shapes = tuple((leaf.shape, leaf.dtype.str) for leaf in leaves)

    def shape() -> Any:
        with jax.enable_x64(True), explained(name):
            return jax.eval_shape(rows, np.zeros(size), data)

    return kept_on(rows, (name, treedef, shapes), shape)
