"""Norms of trees that are finite exactly where all of their entries are, and dtypes to keep."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from paramjax._types import Array, PyTree

_EXPONENT = {4: 80, 8: 600}
"""Bytes of a float -> k: no square of an entry times 2**-k overflows, nor do 2**32 of them."""


def real_dtype(*leaves: Any) -> Any:
    """The dtype to compute norms and averages of these arrays in: real, at least float32."""
    wide = jnp.result_type(jnp.float32, *(jnp.result_type(leaf) for leaf in leaves))
    return np.finfo(wide).dtype


def widest_float() -> Any:
    """float64 where JAX's x64 is on, else float32: in which scores and statistics are kept."""
    return jax.dtypes.canonicalize_dtype(jnp.float64)


def infinite() -> float:
    """Infinity, or the largest float32 where `jax_debug_infs` would take it for a fault."""
    config: Any = jax.config
    return float(np.finfo(np.float32).max) if config.jax_debug_infs else float("inf")


def widened(leaf: Any) -> Array:
    """The array in at least float32: half precision loses what norms and averages add up."""
    return jnp.asarray(leaf, jnp.promote_types(jnp.result_type(leaf), jnp.float32))


class Squares(NamedTuple):
    """The sum of the squares of a tree, and of its entries times `factor`, which is finite.

    Attributes:
        plain: Exact unless it overflows, at least float32[].
        scaled: The sum over the entries times the factor, finite where all entries are.
        factor: A power of two.
    """

    plain: Array
    scaled: Array
    factor: Array


def squares_of(tree: PyTree) -> Squares:
    """Both sums of the squares of all entries of a tree (Blue, 1978, accumulates likewise)."""
    leaves = jax.tree.leaves(tree)
    dtype = real_dtype(*leaves)
    factor = jnp.asarray(2.0 ** -_EXPONENT[dtype.itemsize], dtype)
    sizes = [part.astype(dtype) for leaf in leaves for part in _real_parts(widened(leaf))]
    plain = _sum_of_squares(sizes, dtype)
    return Squares(plain, _sum_of_squares([size * factor for size in sizes], dtype), factor)


def _real_parts(leaf: Array) -> list[Array]:
    """The entries as real numbers: the size of a finite complex number may overflow."""
    return [leaf.real, leaf.imag] if jnp.iscomplexobj(leaf) else [leaf]


def _sum_of_squares(sizes: list[Array], dtype: Any) -> Array:
    return jnp.asarray(sum(jnp.sum(jax.lax.square(size)) for size in sizes), dtype)


def norm_of(tree: PyTree) -> Array:
    r"""The global norm of a tree, at least float32[], finite exactly where all entries are.

    The sum of squares of a float32 vector overflows from a length of 1.8e19 on, of a float16
    vector from 256 on. Beyond, n finite entries count with at most $\sqrt{M / n}$ each, for the
    largest number M, so that the norm is a lower bound of about 1e19, and finite. A second,
    scaled sum would be exact there, and cost the smallest loops four times their step.

    The plain sum of many entries is the one that `optax.clip_by_global_norm` makes, so that XLA
    takes both for one. On an accelerator the norm is infinite where it overflows: to look costs
    a tenth of a small step there.
    """
    if jax.default_backend() != "cpu":
        return jnp.sqrt(total_square(tree))
    leaves = jax.tree.leaves(tree)
    if sum(jnp.size(leaf) for leaf in leaves) < _MANY:
        return jnp.sqrt(_bounded_square(leaves))
    return jnp.sqrt(_bounded_where_infinite(total_square(tree), leaves))


_MANY = 4096
"""Entries from which on to look at the plain sum costs less than to bound all of them."""


def _bounded_where_infinite(square: Array, leaves: list[Any]) -> Array:
    """The squared norm, or that of bounded entries where it overflowed.

    A loop of one turn at most, for of several mapped trees `lax.cond` computes both.
    """
    plain = jax.lax.stop_gradient(leaves)
    _, bounded = jax.lax.while_loop(
        lambda own: own[0],
        lambda own: (jnp.bool_(False), _bounded_square(plain)),
        (~jnp.isfinite(jax.lax.stop_gradient(square)), jnp.zeros_like(square)),
    )
    return jnp.where(jnp.isfinite(square), square, bounded)


def _bounded_square(leaves: list[Any]) -> Array:
    """The sum of the squares of entries that are bounded, so that it does not overflow."""
    dtype = real_dtype(*leaves)
    parts = [part for leaf in leaves for part in _real_parts(widened(leaf))]
    entries = max(1, sum(part.size for part in parts))
    # a little less, because the sum is rounded up
    bound = 0.99 * math.sqrt(float(np.finfo(dtype).max) / entries)
    return _sum_of_squares([_at_most(bound, part.astype(dtype)) for part in parts], dtype)


def _at_most(bound: float, part: Array) -> Array:
    """Finite entries within the bound; what is not finite stays."""
    # of lax, for each function of jnp is a program within the program
    low, high = (jnp.asarray(end, part.dtype) for end in (-bound, bound))
    return jax.lax.select(jax.lax.is_finite(part), jax.lax.clamp(low, part, high), part)


def total_square(tree: PyTree) -> Array:
    """The squared global norm of a tree, at least float32[]; it overflows above 1.8e19 squared."""
    leaves = jax.tree.leaves(tree)
    dtype = real_dtype(*leaves)
    parts = [part for leaf in leaves for part in _real_parts(widened(leaf))]
    return _sum_of_squares([part.astype(dtype) for part in parts], dtype)
