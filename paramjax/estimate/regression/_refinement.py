"""Least squares to the last digit: corrections from residuals in twice the precision."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np
from scipy import linalg

from paramjax.estimate._linear_algebra import Decomposition

_SPLITTER = 2.0**27 + 1
_BLOCK = 2**11
"""Rows whose products are held at once, in the cache."""
_MODERATE = 64
"""Binary exponents of numbers whose products are far from overflow and underflow."""
_MOST = 20


def refined(
    X: np.ndarray, y: np.ndarray, weights: np.ndarray, found: Decomposition
) -> tuple[np.ndarray, np.ndarray]:
    """Weighted least squares by QR and corrections of its augmented system.

    r / w + X b = y and X' r = 0 are solved for weighted residuals r and coefficients b together;
    what they miss is computed in twice the precision of 64 bits, and solved for by the same QR
    (Bjorck, 1967, Iterative refinement of linear least squares solutions). So b is right to the
    last digits while the condition number of the scaled columns is below 1e15 or so.

    Args:
        X: float64[n, p].
        y: float64[n].
        weights: Above 0, float64[n].
        found: Of sqrt(w) X, of full rank.

    Returns:
        Coefficients, float64[p], and residuals without weights, float64[n].
    """
    # by powers of two, so that nothing is rounded and no product overflows or vanishes
    columns, heights, heavy = _power(X), _power(y[:, None])[0], _power(weights[:, None])[0]
    found = dataclasses.replace(found, scale=found.scale / (columns * np.sqrt(heavy)))
    scaled = X if (columns == 1).all() else X / columns
    b, residuals = _solved(scaled, y / heights, weights / heavy, found)
    return b * (heights / columns), residuals * heights


def _power(columns: np.ndarray) -> np.ndarray:
    """A power of four near the largest entry of each column; ones if none is far from one."""
    largest = np.maximum(columns.max(axis=0), -columns.min(axis=0))
    exponents = np.frexp(np.where(largest > 0, largest, 1.0))[1]
    if np.abs(exponents).max() < _MODERATE:
        return np.ones(len(largest))
    power: np.ndarray = np.ldexp(1.0, exponents // 2 * 2)
    return power


def _solved(
    X: np.ndarray, y: np.ndarray, weights: np.ndarray, found: Decomposition
) -> tuple[np.ndarray, np.ndarray]:
    root = np.sqrt(weights)
    change, b = _corrections(found, root * y, np.zeros(X.shape[1]))
    weighted = root * change
    before = float(np.linalg.norm(b * found.scale))
    for _ in range(_MOST):
        missed = _missed(X, b, y, weighted / weights)
        change, change_of_b = _corrections(found, root * missed, -_crossed(X, weighted))
        size = float(np.linalg.norm(change_of_b * found.scale))
        if not size < before / 2:  # nothing is gained any more, or it is not finite
            break
        weighted, b = weighted + root * change, b + change_of_b
        next_size = size * (size / before)  # each correction shrinks as the one before
        if next_size <= np.finfo(float).eps / 16 * np.linalg.norm(b * found.scale):
            break
        before = size
    return b, weighted / weights


def _corrections(
    found: Decomposition, missed: np.ndarray, crossed: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Solve v + A b = missed and A' v = crossed by the QR of A."""
    right = linalg.solve_triangular(found.r, (crossed / found.scale)[found.order], trans="T")
    part = found.q.T @ missed - right
    b = np.empty(len(crossed))
    b[found.order] = linalg.solve_triangular(found.r, part)
    return missed - found.q @ part, b / found.scale


def _missed(X: np.ndarray, b: np.ndarray, y: np.ndarray, residuals: np.ndarray) -> np.ndarray:
    """Y - residuals - X b, summed in twice the precision."""
    missed = np.empty_like(y)
    for block in _blocks(len(y)):
        high, low = y[block], 0.0
        for column, coefficient in zip(X[block].T, -b, strict=True):
            product, error = _product(column, coefficient)
            high, rest = _sum(high, product)
            low = low + (rest + error)
        high, rest = _sum(high, -residuals[block])
        missed[block] = high + (low + rest)
    return missed


def _crossed(X: np.ndarray, r: np.ndarray) -> np.ndarray:
    """X' r, summed in twice the precision."""
    high, low = np.zeros(X.shape[1]), np.zeros(X.shape[1])
    for block in _blocks(len(r)):
        product, error = _product(X[block], r[block, None])
        total, lost = _column_sums(product)
        high, rest = _sum(high, total)
        low += rest + lost + error.sum(axis=0)
    return high + low


def _blocks(n: int) -> Iterator[slice]:
    return (slice(start, start + _BLOCK) for start in range(0, n, _BLOCK))


def _column_sums(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sums over rows by halving, and what rounding took from them."""
    lost = np.zeros(values.shape[1])
    while len(values) > 1:
        half = len(values) // 2
        total, rest = _sum(values[:half], values[half : 2 * half])
        lost += rest.sum(axis=0)
        values = np.concatenate([total, values[2 * half :]])
    return values[0], lost


def _sum(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A sum and its rounding error, exactly (Knuth, 1969)."""
    total = a + b
    moved = total - a
    return total, (a - (total - moved)) + (b - moved)


def _product(a: np.ndarray, b: np.ndarray | float) -> tuple[np.ndarray, np.ndarray]:
    """A product and its rounding error, exactly (Dekker, 1971)."""
    product = a * b
    a_high, a_low = _halves(a)
    b_high, b_low = _halves(np.asarray(b))
    error = ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low
    return product, error


def _halves(a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    big = _SPLITTER * a
    high = big - (big - a)
    return high, a - high
