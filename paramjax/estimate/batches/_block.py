"""One block of many problems: solved by the fast method, finished by the thorough one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from paramjax._programs import kept_on
from paramjax._types import Array, PyTree
from paramjax.estimate._outcome import Outcome
from paramjax.estimate._parameters import Parameters
from paramjax.estimate.solvers import Inputs, Solved, Solver, levenberg_marquardt
from paramjax.estimate.solvers._levenberg_marquardt import factors_of
from paramjax.estimate.solvers._many import solve_and_keep
from paramjax.estimate.solvers._small import (
    MOST_PARAMETERS,
    information_of,
    ldl,
    small_levenberg_marquardt,
)
from paramjax.estimate.uncertainty._information import covariance_of_jacobian

_FAST_ITERATIONS = 40
"""Of the fast method; what it has not finished by then is the thorough one's."""

_WEAK = {np.dtype(np.float64): 1e-9, np.dtype(np.float32): 1e-4}
"""Normal equations with a smaller pivot, over its diagonal, have lost too many digits."""

ENDED = [o.code for o in (Outcome.CONVERGED, Outcome.AT_BOUND, Outcome.SINGULAR)]
"""Codes of those whose parameters are at a minimum."""

_DEPENDENT = 1e-12

_CHUNK_OF_REST = 64


class Machine(NamedTuple):
    """Where and how the problems run."""

    dtype: Any
    chunk: int | None
    devices: Sequence[jax.Device] | None
    threads: int | None
    max_iterations: int


class Solvers(NamedTuple):
    """The rows of one problem, on numbers or on a vector, and the methods made for them."""

    rows: Callable[[Any, PyTree], Array]
    fast: Solver | None
    thorough: Solver


class Block(NamedTuple):
    """What was found for some problems; see `Estimates`."""

    theta: np.ndarray
    packed: np.ndarray
    outcome: np.ndarray
    value: np.ndarray
    iterations: np.ndarray
    rows: np.ndarray


class _Found(NamedTuple):
    """Solutions, covariances for residuals of variance 1, ranks, and which were found well."""

    solved: Solved
    packed: np.ndarray
    rank: np.ndarray
    well: np.ndarray


def solvers_of(residual_fn: Callable[..., Any], parameters: Parameters, key: Any) -> Solvers:
    """The same objects for the same function and form of the parameters."""
    return kept_on(residual_fn, ("many", key), lambda: _solvers(residual_fn, parameters))


def _solvers(residual_fn: Callable[..., Any], parameters: Parameters) -> Solvers:
    def rows(theta: Any, data: PyTree) -> Array:
        residuals: Array = residual_fn(parameters.tree(theta), data)
        return residuals

    p = parameters.size
    fast = small_levenberg_marquardt(rows, p) if p <= MOST_PARAMETERS else None
    return Solvers(rows, fast, levenberg_marquardt(rows))


def solve_block(
    solvers: Solvers, starts: np.ndarray, inputs: Inputs, axes: Inputs, machine: Machine
) -> tuple[Solved, np.ndarray, np.ndarray]:
    """Solutions, their covariances for variance 1 as packed triangles, and the ranks."""
    if solvers.fast is None:
        found = _thorough(solvers, starts, inputs, axes, machine)
        return found.solved, found.packed, found.rank
    found = _fast(solvers, solvers.fast, starts, inputs, axes, machine)
    rest = np.flatnonzero(~found.well)
    if len(rest):
        first, part = _again(found, starts, rest), take(inputs, axes, rest)
        better = _thorough(solvers, first, part, axes, _for_rest(machine))
        for whole, some in zip(found.solved, better.solved, strict=True):
            whole[rest] = some
        found.packed[rest], found.rank[rest] = better.packed, better.rank
    return found.solved, found.packed, found.rank


def _for_rest(machine: Machine) -> Machine:
    """Few and long problems, on the processor of the host."""
    if machine.devices is None and jax.default_backend() == "cpu":
        return machine
    try:
        return machine._replace(devices=jax.devices("cpu")[:1])
    except RuntimeError:  # where JAX was told to know no processor
        return machine


def _again(found: _Found, starts: np.ndarray, rest: np.ndarray) -> np.ndarray:
    """Where the rest begins: at its solution if that lacks digits, else where it began."""
    ended: np.ndarray = found.solved.outcome[rest] == Outcome.CONVERGED.code
    again: np.ndarray = np.where(ended[:, None], found.solved.theta[rest], starts[rest])
    return again


def take(inputs: Inputs, axes: Inputs, at: Any) -> Inputs:
    """The inputs of some problems."""
    part: Inputs = jax.tree.map(
        lambda axis, tree: jax.tree.map(
            lambda leaf: leaf if axis is None else np.asarray(leaf[at]), tree
        ),
        axes,
        inputs,
        is_leaf=lambda axis: axis is None,
    )
    return part


def _fast(
    solvers: Solvers, solver: Solver, starts: np.ndarray, inputs: Inputs, axes: Inputs,
    machine: Machine,
) -> _Found:  # fmt: skip
    solved, information = solve_and_keep(
        solvers.rows, solver, starts, inputs, axes, information_of, chunk=machine.chunk,
        max_iterations=min(_FAST_ITERATIONS, machine.max_iterations), devices=machine.devices,
        threads=machine.threads, dtype=machine.dtype,
    )  # fmt: skip
    held = at_bound(solved.theta, inputs)
    packed, weakest = _inverse(information, held)
    well = solved.outcome == Outcome.CONVERGED.code
    well &= weakest > _WEAK[np.dtype(machine.dtype)]
    if held is not None:
        solved.outcome[well & held.any(axis=1)] = Outcome.AT_BOUND.code
    return _Found(solved, packed, _free_of(solved, held).sum(axis=1), well)


def _free_of(solved: Solved, held: np.ndarray | None) -> np.ndarray:
    """Which parameters lie between their bounds, bool[m, p]."""
    return np.ones(solved.theta.shape, bool) if held is None else ~held


def at_bound(theta: np.ndarray, inputs: Inputs) -> np.ndarray | None:
    """Which parameters lie at a bound, bool[m, p]; None without bounds."""
    if inputs.low is None or inputs.high is None:
        return None
    held: np.ndarray = (theta <= inputs.low) | (theta >= inputs.high)
    return held


def _inverse(information: np.ndarray, held: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Inverses of packed lower triangles, [m, q], and the smallest pivot over its diagonal, [m].

    By columns over all problems at once, for numpy inverts small matrices one by one.
    """
    size = int(np.sqrt(2 * information.shape[1]))
    columns = list(np.ascontiguousarray(information.T))
    if held is not None:
        _hold(columns, held)
    with np.errstate(all="ignore"):
        lower, pivots = ldl(columns, size)
        diagonal = [columns[k * (k + 3) // 2] for k in range(size)]
        weakest = np.min([p / d for p, d in zip(pivots, diagonal, strict=True)], axis=0)
        packed = np.stack(_from_factors(lower, pivots), axis=1)
    if held is not None:
        low, high = np.tril_indices(size)
        packed[held[:, low] | held[:, high]] = np.nan
    return packed, np.where(np.isfinite(weakest), weakest, 0.0)


def _hold(columns: list[np.ndarray], held: np.ndarray) -> None:
    """Take the parameters at a bound out of the triangles."""
    low, high = np.tril_indices(held.shape[1])
    for at, (i, j) in enumerate(zip(low, high, strict=True)):
        columns[at] = np.where(held[:, i] | held[:, j], float(i == j), columns[at])


def _from_factors(lower: dict[tuple[int, int], Any], pivots: list[Any]) -> list[Any]:
    """The packed inverse of L D L'."""
    size = len(pivots)
    inverse: dict[tuple[int, int], Any] = {}
    for i in range(size):
        for j in range(i):
            inner = (inverse[k, j] * lower[i, k] for k in range(j + 1, i))
            inverse[i, j] = -lower[i, j] - sum(inner, 0.0)
    for k in range(size):
        inverse[k, k] = np.ones_like(pivots[k])
    return [
        sum((inverse[k, i] * inverse[k, j] / pivots[k] for k in range(i, size)), 0.0)
        for i in range(size)
        for j in range(i + 1)
    ]


def _thorough(
    solvers: Solvers, starts: np.ndarray, inputs: Inputs, axes: Inputs, machine: Machine
) -> _Found:
    """By QR, as a single problem is solved."""
    m, p = starts.shape
    if solvers.fast is not None:
        # programs of few sizes: the last problem stands in the places that are left
        size = min(_CHUNK_OF_REST, 2 ** int(np.ceil(np.log2(m))))
        padded = np.minimum(np.arange(-(-m // size) * size), m - 1)
        starts, inputs = starts[padded], take(inputs, axes, padded)
        machine = machine._replace(chunk=size)
    solved, triangles = solve_and_keep(
        solvers.rows, solvers.thorough, starts, inputs, axes, factors_of, chunk=machine.chunk,
        max_iterations=machine.max_iterations, devices=machine.devices,
        threads=machine.threads, dtype=machine.dtype,
    )  # fmt: skip
    solved = Solved(*(part[:m] for part in solved))
    held = at_bound(solved.theta, inputs)
    moved = triangles[:m, p * p :] > 0
    moved |= False if held is None else held
    factors = triangles[:m, : p * p].reshape(m, p, p) * moved[:, None, :]
    return _with_covariances(solved, factors, held)


def _with_covariances(solved: Solved, triangles: np.ndarray, held: np.ndarray | None) -> _Found:
    """Covariances from the triangles of the Jacobians; where there is none, an outcome says so."""
    m, p = solved.theta.shape
    ended = np.isin(solved.outcome, ENDED)
    low, high = np.tril_indices(p)
    packed = np.full((m, len(low)), np.nan)
    names = [str(k) for k in range(p)]
    lengths = np.sqrt((triangles**2).sum(axis=1))
    with np.errstate(all="ignore"):
        scaled = triangles / lengths[:, None, :]
        firm = np.abs(np.diagonal(scaled, axis1=1, axis2=2)).min(axis=1) > _DEPENDENT
    free = _free_of(solved, held)
    rank = free.sum(axis=1)
    firm &= ended & free.all(axis=1) & (solved.outcome != Outcome.SINGULAR.code)
    root = np.linalg.inv(scaled[firm]) / lengths[firm][:, :, None]
    with np.errstate(over="ignore", invalid="ignore"):
        packed[firm] = (root @ root.transpose(0, 2, 1))[:, low, high]
    firm &= np.isfinite(packed).all(axis=1)
    for at in np.flatnonzero(ended & ~firm):
        found = covariance_of_jacobian(triangles[at], names, at_bound=~free[at])
        packed[at], rank[at] = found.covariance[low, high], found.rank
        lost = not (found.determined | ~free[at]).all()
        bound = Outcome.CONVERGED if free[at].all() else Outcome.AT_BOUND
        solved.outcome[at] = (Outcome.SINGULAR if lost else bound).code
    return _Found(solved, packed, rank, ended)
