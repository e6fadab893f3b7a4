"""What regressions by maximum likelihood share: columns, solution, information, statistics."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, Literal, NamedTuple

import numpy as np

from paramjax.estimate._linear_algebra import combination_words, decompose
from paramjax.estimate._outcome import Outcome
from paramjax.estimate.likelihoods._maximum import Maximum, maximise
from paramjax.estimate.regression._design import (
    Design,
    Missing,
    column_of,
    design_of,
    present_rows,
)
from paramjax.estimate.solvers import Inputs, Rows, Solver, newton
from paramjax.estimate.uncertainty._information import covariance_of_information

Information = Literal["observed", "expected"]


class Sample(NamedTuple):
    """Complete rows of a regression that count.

    Attributes:
        design: Columns.
        y: The response, float64[n] or [n, 2].
        weights: How often each row counts, float64[n], or None for once.
        offset: Added to the linear predictor, float64[n], or None.
        notes: About rows that were dropped.
        basis: Orthogonal columns.
    """

    design: Design
    y: np.ndarray
    weights: np.ndarray | None
    offset: np.ndarray | None
    notes: tuple[str, ...]
    basis: Basis

    @property
    def counts(self) -> np.ndarray:
        """How often each row counts."""
        return np.ones(len(self.y)) if self.weights is None else self.weights

    @property
    def rows(self) -> int:
        """Rows, each as often as it counts."""
        return round(float(self.counts.sum()))

    @property
    def data(self) -> dict[str, np.ndarray]:
        """What log probabilities read."""
        offset = {} if self.offset is None else {"offset": self.offset}
        return {"X": self.design.matrix, "y": self.y, **offset}


def sample_of(
    X: Any,
    response: Callable[[int], np.ndarray],
    *,
    intercept: bool,
    names: Sequence[str] | None,
    weights: Any,
    offset: Any,
    missing: Missing,
) -> Sample:
    """Rows of a regression without missing values, and without those of weight 0.

    Args:
        X: Columns.
        response: Gives the response of so many rows, NaN where it is missing.
        intercept: Whether a column of ones comes first.
        names: Of the columns.
        weights: Of the rows.
        offset: Of the linear predictor.
        missing: What to do about NaN.

    Raises:
        ValueError: If there are fewer rows than columns, or weights are negative.
    """
    design = design_of(X, intercept=intercept, names=names)
    n = len(design.matrix)
    tables = {"X": design.matrix, "y": response(n)}
    for what, given in (("weights", weights), ("offset", offset)):
        if given is not None:
            tables[what] = column_of(given, what, n)
    columns = design.names[1:] if intercept else design.names
    part = {**tables, "X": design.matrix[:, 1:] if intercept else design.matrix}
    kept, notes = present_rows(part, missing, columns)
    kept &= _counting(tables.get("weights"), n)
    if not kept.all():
        tables = {what: table[kept] for what, table in tables.items()}
    rows, size = tables["X"].shape
    if rows < size:
        raise ValueError(
            f"X: expected at least as many rows as coefficients, got {rows} rows for {size} "
            "coefficients; leave columns out"
        )
    design = design._replace(matrix=tables["X"])
    weights, offset = tables.get("weights"), tables.get("offset")
    return Sample(design, tables["y"], weights, offset, notes, basis_of(design))


def _counting(weights: np.ndarray | None, n: int) -> np.ndarray:
    if weights is None:
        return np.ones(n, bool)
    if (weights < 0).any():
        row = int(np.argmax(weights < 0))
        raise ValueError(f"weights: expected numbers from 0, got {weights[row]} in row {row}")
    counting: np.ndarray = ~(weights == 0)
    if not counting.any():
        raise ValueError("weights: expected some above 0, got only 0")
    return counting


class Basis(NamedTuple):
    """Orthogonal columns that span those of a design: on them a problem is well conditioned.

    Attributes:
        columns: float64[n, r] with r the rank.
        root: Coefficients of the design from those of the basis, float64[p, r].
        undetermined: Coefficients that the columns leave open, bool[p].
        words: Each column that others explain, as a sentence.
        has_constant: Whether the columns can make up a column of ones.
    """

    columns: np.ndarray
    root: np.ndarray
    undetermined: np.ndarray
    words: tuple[str, ...]
    has_constant: bool = False


def basis_of(design: Design) -> Basis:
    """The basis of a design; a dependent column's coefficient is 0."""
    found = decompose(design.matrix, resolution=design.resolution)
    p, full = found.size, found
    if not found.full:
        full = decompose(design.matrix[:, found.independent])
    root = np.zeros((p, full.size))
    root[found.independent] = full.root
    n = len(design.matrix)
    columns, words = full.q * np.sqrt(n), combination_words(design.names, found)
    constant = bool(np.abs(columns @ columns.mean(axis=0) - 1).max() < 1e-9)
    return Basis(columns, root * np.sqrt(n), found.undetermined, words, constant)


@cache
def newton_of(rows: Rows) -> Solver:
    """One solver for the rows of a family: its programs are shared."""
    return newton(rows)


class Fitted(NamedTuple):
    """The maximum on the scale of the coefficients.

    Attributes:
        maximum: On the basis.
        theta: Coefficients, and what else the family estimates, float64[p].
        root: theta from that on the basis, float64[p, r].
        undetermined: Which of theta the columns leave open, bool[p].
        outcome: How it ended.
        notes: What a reader must know.
    """

    maximum: Maximum
    theta: np.ndarray
    root: np.ndarray
    undetermined: np.ndarray
    outcome: Outcome
    notes: tuple[str, ...]


def fit_on(
    basis: Basis,
    rows: Rows,
    start: np.ndarray,
    data: Mapping[str, np.ndarray],
    weights: np.ndarray | None,
    *,
    blocks: int = 1,
    extra: int = 0,
    low: np.ndarray | None = None,
) -> Fitted:
    """Maximise a likelihood on a basis.

    Args:
        basis: Of the columns.
        rows: Log probabilities.
        start: On the basis, [blocks r + extra].
        data: What the rows read; its columns are replaced by the basis.
        weights: Of the rows.
        blocks: Linear predictors, each with its coefficients.
        extra: Further parameters at the end.
        low: Lower bounds.
    """
    inputs = Inputs({**data, "X": basis.columns}, weights, low=low)
    found = maximise(rows, newton_of(rows), start, inputs)
    root = _block_root(basis.root, blocks, extra)
    undetermined = np.concatenate([np.tile(basis.undetermined, blocks), np.zeros(extra, bool)])
    outcome = found.outcome
    notes: tuple[str, ...] = ()
    if basis.words:
        notes = (f"Collinear columns: {'; '.join(basis.words)}",)
        outcome = Outcome.SINGULAR if outcome is Outcome.CONVERGED else outcome
    return Fitted(found, root @ found.theta, root, undetermined, outcome, notes)


def _block_root(root: np.ndarray, blocks: int, extra: int) -> np.ndarray:
    p, r = root.shape
    whole = np.zeros((blocks * p + extra, blocks * r + extra))
    whole[: blocks * p, : blocks * r] = np.kron(np.eye(blocks), root)
    whole[blocks * p :, blocks * r :] = np.eye(extra)
    return whole


def covariance_of(
    fitted: Fitted, information: np.ndarray, names: Sequence[str]
) -> tuple[np.ndarray, tuple[str, ...]]:
    """The covariance of the coefficients from the information on the basis, with notes.

    NaN for coefficients that the columns leave open, and for all if the likelihood is flat in a
    direction of the basis.
    """
    basis_names = [f"direction {i + 1}" for i in range(len(information))]
    low = fitted.outcome is Outcome.AT_BOUND
    bound = np.zeros(len(information), bool)
    bound[-1] = low
    found = covariance_of_information(information, basis_names, at_bound=bound if low else None)
    inner = np.where(bound[:, None] | bound, 0.0, found.covariance)
    covariance = fitted.root @ inner @ fitted.root.T
    open_ = fitted.undetermined.copy()
    open_[-1] |= low
    covariance[open_] = covariance[:, open_] = np.nan
    flat = ~np.isfinite(np.diag(covariance)) & ~open_
    notes = fitted.notes
    if flat.any():
        listed = ", ".join(name for name, is_flat in zip(names, flat, strict=True) if is_flat)
        notes = (*notes, f"{listed}: the likelihood is flat here, so no standard error")
    return covariance, notes
