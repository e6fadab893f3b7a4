"""Which columns of a matrix are independent, in words, and the inverse of its square."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import linalg

from paramjax._format import number

_TALL = 2**17
"""Entries of a matrix from which its QR is made of products."""
_INDEPENDENT = 1e-5
"""What is left of each column beside those before it, for that."""
_TERMS = 6
"""Terms of a combination that a sentence shows."""


@dataclass(frozen=True, eq=False)
class Decomposition:
    """QR with column pivoting of a matrix X [n, p] whose columns were scaled to length one.

    X = Q R P' S with P the order of the columns and S their lengths. A diagonal entry of R is
    the part of a column that those before it do not explain; the rank counts the entries above
    the tolerance.

    Attributes:
        q: Orthonormal columns, float64[n, min(n, p)].
        r: Upper triangular, float64[min(n, p), p].
        order: Of the columns, int[p]: the k-th of Q R is X's `order[k]`-th.
        scale: Lengths of the columns, float64[p]; 1 for a column of zeros.
        rank: Columns that are independent.
    """

    q: np.ndarray
    r: np.ndarray
    order: np.ndarray
    scale: np.ndarray
    rank: int

    @property
    def size(self) -> int:
        """Columns of the matrix."""
        return len(self.scale)

    @property
    def full(self) -> bool:
        """Whether all columns are independent."""
        return self.rank == self.size

    @cached_property
    def condition(self) -> float:
        """Condition number of the scaled columns, inf where they are dependent."""
        if not self.full:
            return float("inf")
        singular = linalg.svdvals(self.r)
        return float(singular[0] / singular[-1])

    @cached_property
    def root(self) -> np.ndarray:
        """A root T [p, p] of the inverse of X'X, which equals T T'; for full rank."""
        inverse = linalg.solve_triangular(self.r[: self.size], np.eye(self.size))
        root = np.empty_like(inverse)
        root[self.order] = inverse
        scaled: np.ndarray = root / self.scale[:, None]
        return scaled

    @cached_property
    def null_space(self) -> np.ndarray:
        """Combinations of the scaled columns that vanish, orthonormal, float64[p, p - rank]."""
        if self.full:
            return np.zeros((self.size, 0))
        head, tail = self.r[: self.rank, : self.rank], self.r[: self.rank, self.rank :]
        free = np.eye(self.size - self.rank)
        vanishing = np.concatenate([-linalg.solve_triangular(head, tail), free])
        basis = np.empty_like(vanishing)
        basis[self.order] = linalg.qr(vanishing, mode="economic")[0]
        return basis

    @cached_property
    def undetermined(self) -> np.ndarray:
        """Columns that enter a vanishing combination, bool[p]: their coefficients are free."""
        entries: np.ndarray = np.abs(self.null_space).max(axis=1, initial=0.0) > 1e-6
        return entries

    @cached_property
    def dependent(self) -> np.ndarray:
        """The last columns that those before them explain, int[p - rank], ascending."""
        return np.sort(self._echelon[0])

    @property
    def independent(self) -> np.ndarray:
        """The other columns, int[rank], ascending."""
        return np.setdiff1d(np.arange(self.size), self.dependent)

    @cached_property
    def combinations(self) -> np.ndarray:
        """Each dependent column as a sum of the independent ones, float64[p - rank, p]."""
        at, reduced = self._echelon
        explained = -reduced[np.argsort(at)]
        explained[:, self.dependent] = 0.0
        explained[np.abs(explained) < 1e-6] = 0.0  # of columns of length one
        combinations: np.ndarray = explained * self.scale[self.dependent][:, None] / self.scale
        return combinations

    @cached_property
    def _echelon(self) -> tuple[np.ndarray, np.ndarray]:
        """Vanishing combinations, each with a 1 at its last column where the others have 0."""
        rows = self.null_space.T
        for least in (1e-4, 1e-7, 0.0):  # a column that enters by less than that is no pivot
            at = _last_pivots(rows, least)
            if len(at) == len(rows):
                break
        return at, np.linalg.solve(rows[:, at], rows)


def _last_pivots(rows: np.ndarray, least: float) -> np.ndarray:
    """The last independent columns of a few orthonormal rows, from the right."""
    pivots: list[int] = []
    left = rows
    for column in range(rows.shape[1] - 1, -1, -1):
        length = np.linalg.norm(left[:, column])
        if len(pivots) < len(rows) and length > least:
            direction = left[:, column] / length
            left = left - np.outer(direction, direction @ left)
            pivots.append(column)
    return np.array(pivots, int)


def decompose(matrix: np.ndarray, *, resolution: float | None = None) -> Decomposition:
    """Decompose a matrix and count its independent columns.

    A column counts as explained by others if what is left of it, over its length, is below the
    resolution: what rounding alone leaves of a column that was computed from the others.

    Args:
        matrix: X, finite, float64[n, p].
        resolution: Relative; by default that of 64 bits.

    Example:
        >>> found = decompose(np.array([[1.0, 0, 1], [1, 1, 2], [1, 2, 3]]))
        >>> found.rank, found.dependent.tolist(), found.combinations.round(9).tolist()
        (2, [2], [[1.0, 1.0, 0.0]])
    """
    n, p = matrix.shape
    if resolution is None:
        resolution = resolution_of(np.float64, max(n, p))
    largest = np.maximum(matrix.max(axis=0, initial=0.0), -matrix.min(axis=0, initial=0.0))
    largest[largest == 0] = 1.0
    scaled = matrix / largest  # first, so that no square overflows
    length = np.sqrt(np.einsum("ij,ij->j", scaled, scaled))
    length[length == 0] = 1.0
    scaled /= length
    q, r, order = _pivoted_qr(scaled)
    rank = int(np.sum(np.abs(np.diag(r)) > resolution))
    return Decomposition(q, r, order, largest * length, rank)


def _pivoted_qr(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """QR with column pivoting; of a tall matrix by way of its QR without, which is faster."""
    n, p = matrix.shape
    if n <= 8 * p:
        q, r, order = linalg.qr(matrix, mode="economic", pivoting=True, check_finite=False)
        return q, r, order
    tall, root, square = _tall_qr(matrix)
    q, r, order = linalg.qr(square, pivoting=True)
    return _times(tall, root @ q), r, order


def _tall_qr(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """QR of columns of length one: Q is the first of three times the second, R the third.

    Of many rows it is made of products alone, which are faster: Cholesky's root of X'X gives
    columns that are orthogonal but for rounding, and the same once more rids them of it
    (Yamamoto, Nakatsukasa, Yanagisawa and Fukaya, 2015), which is as exact as Householder's
    while the columns are far from dependent.
    """
    if matrix.size >= _TALL:
        try:
            first = linalg.cholesky(matrix.T @ matrix)
            if np.diag(first).min() > _INDEPENDENT:
                near = _times(matrix, linalg.inv(first))
                second = linalg.cholesky(near.T @ near)
                return near, linalg.inv(second), second @ first
        except linalg.LinAlgError:  # the columns are dependent
            pass
    q, r = linalg.qr(matrix, mode="economic", check_finite=False)
    return q, np.eye(len(r)), r


def _times(tall: np.ndarray, square: np.ndarray) -> np.ndarray:
    """Their product, whose columns lie one after the other: several times faster than as it is."""
    product: np.ndarray = (square.T @ tall.T).T
    return product


def resolution_of(dtype: np.dtype | type, size: int) -> float:
    """What rounding leaves of a column of data of a dtype that others explain, relative.

    Not less than 2e-12: a column that was centred and divided after it was computed from others
    has lost some digits. The least independent columns of certified tables, NIST's Filip, keep
    1e-9.
    """
    own, ours = float(np.finfo(dtype).eps), float(np.finfo(np.float64).eps)
    return max(20 * own, 10 * float(np.sqrt(size)) * ours, 2e-12)


def inverse_gram(matrix: np.ndarray) -> tuple[np.ndarray, Decomposition]:
    """The inverse of X'X, NaN in rows and columns of coefficients that X does not determine.

    The others' entries are those of the pseudo-inverse, in which nothing moves along the
    combinations that vanish.

    Example:
        >>> inverse_gram(np.array([[1.0, 1, 0], [1, 1, 0], [0, 0, 2]]))[0].tolist()
        [[nan, nan, nan], [nan, nan, nan], [nan, nan, 0.25]]
    """
    found = decompose(matrix)
    if found.full:
        return found.root @ found.root.T, found
    known = ~found.undetermined
    inverse = np.full((found.size, found.size), np.nan)
    if known.any():  # those columns are independent of all others
        rest = np.flatnonzero(~known)
        others = decompose(matrix[:, rest]) if len(rest) else None
        part = matrix[:, known]
        if others is not None:
            basis = others.q[:, : others.rank]
            part = part - basis @ (basis.T @ part)
        root = decompose(part).root
        inverse[np.ix_(known, known)] = root @ root.T
    return inverse, found


def combination_words(names: Sequence[str], found: Decomposition) -> tuple[str, ...]:
    """Each dependent column as a sentence.

    Example:
        >>> found = decompose(np.array([[1.0, 0, 2], [1, 1, 3], [1, 2, 4]]))
        >>> combination_words(["one", "x", "z"], found)
        ('z = 2 one + x',)
    """
    return tuple(
        f"{names[at]} = {_sum_words(names, row)}"
        for at, row in zip(found.dependent, found.combinations, strict=True)
    )


def _sum_words(names: Sequence[str], coefficients: np.ndarray) -> str:
    at = np.flatnonzero(coefficients)
    text = ""
    for place, index in enumerate(at[:_TERMS]):
        value = float(coefficients[index])
        sign = "-" if value < 0 else "+"
        lead = ("" if value > 0 else "-") if place == 0 else f" {sign} "
        factor = "" if abs(abs(value) - 1) < 1e-6 else f"{number(abs(value))} "
        text += f"{lead}{factor}{names[index]}"
    return (text or "0") + (f" + {len(at) - _TERMS} more terms" if len(at) > _TERMS else "")
