"""The base of our modules: flax's, with first values that need one small program or none."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import numpy as np

from paramjax._partial import evaluated, is_tracing
from paramjax._types import PyTree


class Module(nn.Module):
    """A `flax.linen.Module` whose `init` draws its random words on the host.

    Attributes: none of its own.
    """

    @nn.nowrap
    def init(self, rngs: Any, *args: Any, **kwargs: Any) -> Any:
        """The module's first variables: those of `jax.jit(module.init)`, bit for bit.

        Flax alone computes them one operation after the other, each a program of its own, and the
        outputs of the module with them. While it is being traced, and where `mutable`, `method` or
        `capture_intermediates` ask for more, flax does all of it.

        Args:
            rngs: A typed key, or a dict of them by name.
            *args: What the module is called with; of arrays only shapes and dtypes count.
            **kwargs: Further arguments of the module, and those of `flax.linen.Module.init`.
        """
        leaves, structure = jax.tree.flatten(((rngs, *args), kwargs))
        arrays = [leaf for leaf in leaves if isinstance(leaf, jax.Array | np.ndarray)]
        special = not kwargs.keys().isdisjoint(("mutable", "method", "capture_intermediates"))
        traced = any(isinstance(array, jax.core.Tracer) for array in arrays) or is_tracing()
        start = None if special or traced or self.scope else _start(self, structure, leaves)
        if start is not None:
            with contextlib.suppress(jax.errors.ConcretizationTypeError):  # it looks at numbers
                return start(arrays)
        return super().init(rngs, *args, **kwargs)


_ARRAY = object()
"""Stands for an array among the arguments."""


def _start(module: Module, structure: Any, leaves: list[Any]) -> Callable[..., PyTree] | None:
    """The initialisation of a module, None if one of its fields or arguments has no hash."""
    fields = ((field.name, getattr(module, field.name)) for field in dataclasses.fields(module))
    lists: dict[str, Any] = {
        name: tuple(value) for name, value in fields if isinstance(value, list)
    }
    others = tuple(_ARRAY if isinstance(leaf, jax.Array | np.ndarray) else leaf for leaf in leaves)
    try:
        return _start_of(module.clone(**lists) if lists else module, structure, others)
    except TypeError:
        return None


@functools.lru_cache(maxsize=64)
def _start_of(module: Module, structure: Any, others: tuple[Any, ...]) -> Callable[..., PyTree]:
    """The initialisation of a module as a function of the arrays among its arguments."""
    seen: dict[Any, Any] = {}  # structure of variables -> their names in order

    def start(arrays: list[Any]) -> PyTree:
        given = iter(arrays)
        leaves = [next(given) if other is _ARRAY else other for other in others]
        inputs, named = jax.tree.unflatten(structure, leaves)
        variables = nn.Module.init(module, *inputs, **named)
        seen[jax.tree.structure(variables)] = _names(variables)
        return variables

    jitted = jax.jit(start)

    def started(arrays: list[Any]) -> PyTree:
        variables = evaluated(jitted, arrays)
        return _in_order_of(variables, seen[jax.tree.structure(variables)])

    return started


def _names(tree: PyTree) -> Any:
    """The keys of nested dicts in their order, which JAX's own functions of trees sort."""
    return {name: _names(part) for name, part in tree.items()} if type(tree) is dict else None


def _in_order_of(made: PyTree, names: Any) -> PyTree:
    """Nested dicts with their keys in the order in which the module made them."""
    if names is None:
        return made
    return {name: _in_order_of(made[name], below) for name, below in names.items()}
