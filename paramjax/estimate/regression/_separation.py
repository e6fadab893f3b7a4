"""Whether columns separate the responses, so that a likelihood has no maximum."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import linalg

from paramjax.estimate.regression._generalised import Basis

_CLEAR = 1e-6
"""Shares of the largest below which a number is rounding of the linear program."""
_LARGE = 200_000
"""Entries of a matrix beyond which every column of the direction is named, not the fewest."""
_STEEPEST = 1e5
"""Of columns of length one a row: how far a coefficient may go to move a row by one."""


class Separation(NamedTuple):
    """A direction along which the likelihood rises without end.

    Attributes:
        direction: Of the coefficients, float64[p].
        complete: Whether every row gains (complete separation), or some do (quasi-complete).
        columns: The fewest columns that do it, int[...].
        endless: Coefficients that have no finite estimate, bool[p].
        moved: Rows that gain, bool[n].
    """

    direction: np.ndarray
    complete: bool
    columns: np.ndarray
    endless: np.ndarray
    moved: np.ndarray


def separation_of(
    matrix: np.ndarray,
    basis: Basis,
    towards: np.ndarray,
    intercepts: np.ndarray | None = None,
    information: np.ndarray | None = None,
) -> Separation | None:
    """A direction that raises the likelihood of some rows and lowers that of none.

    By linear programming (Konis, 2007, Linear programming algorithms for detecting separated
    data in binary logistic regression models; Albert and Anderson, 1984). For counts a row of
    zero may sink, and the others must stay (Santos Silva and Tenreyro, 2010).

    Args:
        matrix: The columns, float64[n, p].
        basis: Of the same span.
        towards: Of each row, where its linear predictor may go: 1 up, -1 down, 0 nowhere.
        intercepts: Columns that are not named as the cause if others are, bool[p]; None for the
            constant ones.
        information: On the basis, where the iterations ended: what separates lies where it is
            flat, which leaves few rows and directions to look at. None to look at all.

    Returns:
        What separates, or None.

    Example:
        >>> from paramjax.estimate.regression._design import Design
        >>> from paramjax.estimate.regression._generalised import basis_of
        >>> x = np.array([[1.0, 1], [1, 2], [1, 3], [1, 4]])
        >>> basis = basis_of(Design(x, ("one", "x"), 1e-14))
        >>> found = separation_of(x, basis, np.array([-1, -1, 1, 1]))
        >>> found.complete, found.endless.tolist()
        (True, [True, True])
        >>> separation_of(x, basis, np.array([-1, 1, -1, 1])) is None
        True
    """
    flat = (
        np.eye(basis.columns.shape[1]) if information is None else _flat(information, len(matrix))
    )
    gains = _most_gains(basis.columns @ flat, towards) if flat.size else None
    if gains is None:
        return None
    gains = gains._replace(direction=flat @ gains.direction)
    best = basis.root @ gains.direction
    sizes = np.abs(best) * np.abs(matrix).max(axis=0)
    complete = bool(gains.moved.all())
    endless = sizes > _CLEAR * sizes.max()
    if matrix.size > _LARGE:
        shifts = np.ptp(matrix, axis=0) == 0 if intercepts is None else intercepts
        columns = np.flatnonzero(endless & ~shifts if (endless & ~shifts).any() else endless)
    else:
        columns = _fewest(matrix, towards, gains.moved, complete, intercepts)
    return Separation(best, complete, columns, endless, gains.moved)


def _flat(information: np.ndarray, rows: int) -> np.ndarray:
    """Directions along which an information [r, r] is next to zero, float64[r, k]."""
    if not np.isfinite(information).all():
        return np.eye(len(information))
    values, vectors = np.linalg.eigh(information)
    flat: np.ndarray = vectors[:, values < _CLEAR * rows]
    return flat


class _Gains(NamedTuple):
    direction: np.ndarray
    moved: np.ndarray


def _most_gains(basis: np.ndarray, towards: np.ndarray) -> _Gains | None:
    """The direction in which as many rows as can be gain."""
    from scipy import optimize, sparse  # at the call, for it takes 0.2 s

    largest = np.abs(basis).max(axis=1, initial=0.0)
    moving = largest > 1e-9 * largest.max(initial=0.0)
    still = basis[(towards == 0) & moving]
    free = linalg.null_space(still, rcond=1e-9) if len(still) else np.eye(basis.shape[1])
    moves = (towards != 0) & moving
    signed = (towards[moves, None] * basis[moves]) @ free
    if not signed.size:
        return None
    rows, size = signed.shape
    # what moves at all can be scaled to move by one, so that the sum counts the rows that move
    found = optimize.linprog(
        np.concatenate([np.zeros(size), -np.ones(rows)]),
        A_ub=sparse.hstack([sparse.csr_array(-signed), sparse.eye_array(rows)]),
        b_ub=np.zeros(rows),
        bounds=[(-_STEEPEST, _STEEPEST)] * size + [(0, 1)] * rows,
    )
    if not found.success or -found.fun < 0.5:
        return None
    moved = np.zeros(len(basis), bool)
    moved[moves] = found.x[size:] > 0.5
    return _Gains(free @ found.x[:size], moved)


def _fewest(
    matrix: np.ndarray,
    towards: np.ndarray,
    moved: np.ndarray,
    complete: bool,
    intercepts: np.ndarray | None,
) -> np.ndarray:
    """Columns of the flattest direction, without those that it can do without."""
    spread = matrix.std(axis=0)
    largest = np.abs(matrix).max(axis=0)
    constant = spread <= 1e-12 * largest
    centre = np.where(constant, 0.0, matrix.mean(axis=0)) if constant.any() else 0.0
    scaled = (matrix - centre) / np.where(constant, largest, spread)
    allowed = np.ones(len(spread), bool)
    shifts = constant if intercepts is None else intercepts
    sizes = _flattest(scaled, towards, moved, complete, allowed)
    if sizes is None:
        return np.flatnonzero(~shifts)
    for column in np.argsort(sizes):
        without = allowed.copy()
        without[column] = False
        if shifts[column] or sizes[column] <= _CLEAR * sizes.max():
            allowed &= without | shifts
        elif _flattest(scaled, towards, moved, complete, without) is not None:
            allowed = without
    moving = allowed & ~shifts
    return np.flatnonzero(moving if moving.any() else allowed)


def _flattest(
    scaled: np.ndarray,
    towards: np.ndarray,
    moved: np.ndarray,
    complete: bool,
    allowed: np.ndarray,
) -> np.ndarray | None:
    """Sizes of the direction with the smallest sum of sizes that separates, if there is one."""
    gain, stay = towards != 0, towards == 0
    from scipy import optimize

    signed = scaled[gain] * towards[gain, None]
    least = np.full(len(signed), float(complete))
    upper, limit = -signed, -least
    if not complete:
        upper = np.vstack([upper, -signed[moved[gain]].mean(axis=0)])
        limit = np.append(limit, -1.0)
    equal = scaled[stay]
    p = len(allowed)
    found = optimize.linprog(
        np.ones(2 * p),
        A_ub=np.hstack([upper, -upper]),
        b_ub=limit,
        A_eq=np.hstack([equal, -equal]) if len(equal) else None,
        b_eq=np.zeros(len(equal)) if len(equal) else None,
        bounds=[(0, _STEEPEST if may else 0) for may in np.tile(allowed, 2)],
    )
    if not found.success:
        return None
    sizes: np.ndarray = np.abs(found.x[:p] - found.x[p:])
    return sizes
