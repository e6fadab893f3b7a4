"""The covariance at a solution: the inverse of the information that the data hold."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from scipy import linalg

_TOGETHER = 1e-7
"""Share in a direction that the data leave open, from which on a parameter is undetermined."""


class Covariance(NamedTuple):
    """What the data determine, and how well.

    Attributes:
        covariance: float64[p, p]; NaN in the rows and columns of what is not determined.
        determined: Which parameters have a standard error, bool[p].
        rank: Of the Jacobian's or the information's free columns.
        notes: A sentence for each reason why a parameter has no standard error.
    """

    covariance: np.ndarray
    determined: np.ndarray
    rank: int
    notes: tuple[str, ...]


def covariance_of_jacobian(
    jacobian: np.ndarray,
    names: Sequence[str],
    *,
    scale: float = 1.0,
    held: np.ndarray | None = None,
    at_bound: np.ndarray | None = None,
) -> Covariance:
    r"""The covariance of least squares from the weighted Jacobian at the solution.

    $$\hat V = s^2 (J^\top J)^{-1}, \quad J_{ij} = \sqrt{w_i}\, \partial r_i / \partial \theta_j$$
    which is the inverse of the expected information under normal errors (Bates and Watts, 1988,
    Nonlinear Regression Analysis and its Applications, eq. 2.33). Its columns are scaled to the
    same length and the product is never formed, so that a Jacobian of condition 1e12 still has
    deviations of some digits.

    Args:
        jacobian: Derivatives of the residuals times the root of their weights, [n, p].
        names: Of the parameters, [p].
        scale: Variance of the residuals of weight 1, by which the covariance is multiplied.
        held: Parameters that were fixed at their start, bool[p]; they get NaN, and no note.
        at_bound: Parameters that lie at a bound, bool[p]; they get NaN and are named, and the
            others' errors are those with these held there.

    Returns:
        The covariance, NaN where there is none, with the reasons.

    Example:
        >>> found = covariance_of_jacobian(np.array([[1.0, 0, 0], [0, 2, 2]]), ["a", "b", "c"])
        >>> found.covariance.tolist()
        [[1.0, nan, nan], [nan, nan, nan], [nan, nan, nan]]
        >>> found.notes
        ('b, c: the data determine only a combination of them (rank 2 of 3)',)
    """
    rows = np.asarray(jacobian, np.float64)
    free = _free(rows.shape[1], held, at_bound)
    if not np.isfinite(rows[:, free]).all():
        return _not_finite(names, free, ~np.isfinite(rows.sum(axis=0)))
    part = rows[:, free]
    lengths = _lengths(np.sqrt(np.einsum("ij,ij->j", part, part)))
    scaled = part / lengths
    factor = linalg.qr(scaled, mode="r", check_finite=False)[0] if len(part) else scaled
    factor = factor[: part.shape[1]]  # the rows below are zero, and as many as the data's
    values, vectors = _singular(factor, free.sum())
    kept = values > max(part.shape) * np.finfo(float).eps * values.max(initial=0.0)
    return _assembled(values**2, vectors, kept, lengths, free, names, scale, at_bound)


def covariance_of_information(
    information: np.ndarray,
    names: Sequence[str],
    *,
    held: np.ndarray | None = None,
    at_bound: np.ndarray | None = None,
) -> Covariance:
    r"""The covariance of maximum likelihood from the information at the solution.

    $$\hat V = I(\hat\theta)^{-1}$$
    (Fisher, 1925). The information is the observed one, minus the Hessian of the log likelihood,
    or its expectation, or the sum of the outer products of the scores.

    Args:
        information: Symmetric, [p, p].
        names: Of the parameters, [p].
        held: See `covariance_of_jacobian`.
        at_bound: See `covariance_of_jacobian`.

    Returns:
        The covariance, NaN where there is none, with the reasons. An information with a negative
        direction belongs to a saddle point: every parameter with a share in it gets NaN.

    Example:
        >>> covariance_of_information(np.diag([4.0, 0.0]), ["a", "b"]).notes
        ('b: does not enter: the derivative of every row is zero',)
    """
    matrix = np.asarray(information, np.float64)
    free = _free(len(matrix), held, at_bound)
    part = matrix[np.ix_(free, free)]
    if not np.isfinite(part).all():
        return _not_finite(names, free, ~np.isfinite(np.diag(matrix)))
    lengths = _lengths(np.sqrt(np.abs(np.diag(part))))
    values, vectors = linalg.eigh(part / np.outer(lengths, lengths), check_finite=False)
    size = np.abs(values).max(initial=0.0)
    least = 10 * len(part) * np.finfo(float).eps * size
    found = _assembled(values, vectors, values > least, lengths, free, names, 1.0, at_bound)
    # an eigenvalue that is as far below zero is no rounding of zero
    saddle = values < -100 * least
    if not saddle.any():
        return found
    shares = np.abs(vectors[:, saddle]).max(axis=1) > _TOGETHER
    note = (
        f"{_listed(names, np.flatnonzero(free)[shares])}: the likelihood has no maximum here but "
        "a saddle point; start elsewhere"
    )
    return found._replace(notes=(*_bound_notes(names, at_bound), note))


def _not_finite(names: Sequence[str], free: np.ndarray, wrong: np.ndarray) -> Covariance:
    p = len(free)
    listed = _listed(names, np.flatnonzero(wrong & free if (wrong & free).any() else free))
    note = f"{listed}: the derivatives at the solution are not finite, so no standard errors"
    return Covariance(np.full((p, p), np.nan), np.zeros(p, bool), 0, (note,))


def _bound_notes(names: Sequence[str], at_bound: np.ndarray | None) -> list[str]:
    if at_bound is None or not np.any(at_bound):
        return []
    listed = _listed(names, np.flatnonzero(at_bound))
    return [f"{listed}: at a bound, so no standard error; those of the others hold it there"]


def _free(p: int, *masks: np.ndarray | None) -> np.ndarray:
    free = np.ones(p, bool)
    for mask in masks:
        if mask is not None:
            free &= ~np.asarray(mask, bool)
    return free


def _lengths(lengths: np.ndarray) -> np.ndarray:
    return np.where(lengths > 0, lengths, 1.0)


def _singular(factor: np.ndarray, p: int) -> tuple[np.ndarray, np.ndarray]:
    """Singular values [p] and right vectors [p, p]; zeros where there are fewer rows."""
    if not p:
        return np.zeros(0), np.zeros((0, 0))
    _, values, rows = linalg.svd(factor, full_matrices=True, check_finite=False)
    return np.pad(values, (0, p - len(values))), rows.T


def _assembled(
    values: np.ndarray,
    vectors: np.ndarray,
    kept: np.ndarray,
    lengths: np.ndarray,
    free: np.ndarray,
    names: Sequence[str],
    scale: float,
    at_bound: np.ndarray | None,
) -> Covariance:
    """The covariance of the determined among the free, and the notes of the others."""
    p = len(free)
    root = vectors[:, kept] / np.sqrt(values[kept]) / lengths[:, None]
    share = np.sqrt(np.sum(vectors[:, ~kept] ** 2, axis=1))  # in the directions left open
    settled, absent = share <= _TOGETHER, share > 1 - _TOGETHER
    with np.errstate(over="ignore"):
        vanished = ~np.isfinite(np.sum(root**2, axis=1))  # no number holds the variance
    settled, absent = settled & ~vanished, absent | vanished
    covariance, determined = np.full((p, p), np.nan), free.copy()
    determined[free] = settled
    covariance[np.ix_(determined, determined)] = scale * root[settled] @ root[settled].T
    where, rank = np.flatnonzero(free), int(kept.sum())
    notes = _bound_notes(names, at_bound)
    if absent.any():
        notes.append(
            f"{_listed(names, where[absent])}: does not enter: the derivative of every row is zero"
        )
    if (~settled & ~absent).any():
        notes.append(
            f"{_listed(names, where[~settled & ~absent])}: the data determine only a combination "
            f"of them (rank {rank} of {len(where)})"
        )
    return Covariance(covariance, determined, rank, tuple(notes))


def _listed(names: Sequence[str], indices: Iterable[int]) -> str:
    return ", ".join(names[i] for i in indices)
