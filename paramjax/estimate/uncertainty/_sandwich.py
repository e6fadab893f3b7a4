"""Standard errors that hold when variances differ, or rows of a cluster go together."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from scipy import linalg, special

from paramjax.estimate._estimate import Estimate
from paramjax.estimate.uncertainty._row_influence import RowInfluence, row_influence

Kind = Literal["HC0", "HC1", "HC2", "HC3"]

_LEAST_CLUSTERS = 5
_FEW_CLUSTERS = 30


def robust(est: Estimate, kind: Kind = "HC1", *, clusters: Any = None) -> Estimate:
    r"""The same estimate with the sandwich covariance.

    $$\hat V = B \Big(\sum_i a_i\, s_i s_i^\top\Big) B$$
    with B the inverse information and s the score of a row, of least squares its weight times
    its residual and derivative (Huber, 1967; White, 1980). a is 1 for HC0, n / (n - p) for HC1,
    1 / (1 - h) for HC2 and 1 / (1 - h)^2 for HC3, where h is the leverage of the row (MacKinnon
    and White, 1985); HC3 is the best of them in small samples (Long and Ervin, 2000). Of
    maximum likelihood HC1 has its factor, too, as in R's sandwich, where statsmodels has none;
    its rows count as often as their weights say.

    With clusters the scores of a cluster are summed before the outer product (Liang and Zeger,
    1986); HC1 then multiplies by G / (G - 1) times (n - 1) / (n - p) for G clusters, as Stata and
    statsmodels, and intervals use Student's t with G - 1 degrees of freedom.

    Args:
        est: Of least squares, linear or not, or of maximum likelihood.
        kind: HC2 and HC3 for least squares without clusters alone.
        clusters: A label for each row, [n]: numbers or texts.

    Returns:
        The estimate with the covariance replaced; the F test of a linear regression becomes
        Wald's with this covariance.

    Raises:
        TypeError: If clusters hold no labels of one kind.
        ValueError: If the kind is unknown or does not fit, labels are missing or not one a row,
            there are fewer than 5 clusters, for the variance between so few cannot be told, or
            the covariance of the estimate is robust or penalised already.

    Example:
        >>> import paramjax as pj
        >>> x = np.arange(8.0)
        >>> y = 2.0 * x + np.array([0.0, 0.1, -0.2, 0.3, -0.4, 0.5, -0.6, 0.7])
        >>> est = pj.estimate.linear({"x": x}, y)
        >>> with_clusters = pj.estimate.robust(est, clusters=[0, 0, 1, 1, 2, 2, 3, 4])
        >>> for found in (est, pj.estimate.robust(est, "HC3"), with_clusters):
        ...     print(f"{found.covariance_kind}: {found.stderr['x']:.3f}")
        expected information: 0.073
        HC3: 0.100
        HC1, 5 clusters: 0.078
    """
    if kind not in ("HC0", "HC1", "HC2", "HC3"):
        raise ValueError(f"kind: expected 'HC0', 'HC1', 'HC2' or 'HC3', got {kind!r}")
    found = row_influence(est, "robust")
    size = est.rows - est.dof  # parameters, those that share one direction of the data among them
    if clusters is None:
        part = _by_rows(found, kind, est.rows, size)
        changes: dict[str, Any] = {"covariance_kind": kind}
    else:
        labels = _labels(clusters, found.weights)
        part, count = _by_clusters(found, kind, labels, est.rows, size)
        changes = {
            "covariance_kind": f"{kind}, {count} clusters",
            "dof": count - 1,
            "reference": "t",
            "notes": (*est.notes, *_cluster_notes(count, size)),
        }
    covariance = np.full_like(est.covariance, np.nan)
    covariance[np.ix_(found.known, found.known)] = part
    changed = dataclasses.replace(est, covariance=covariance, **changes)
    return dataclasses.replace(changed, statistics=_statistics(changed))


def _by_rows(found: RowInfluence, kind: str, n: int, p: int) -> np.ndarray:
    pulls = found.pulls
    if found.leverage is None:  # a row of weight w is w rows, whose outer products add up
        pulls = pulls / np.sqrt(np.where(found.weights > 0, found.weights, 1.0))[:, None]
    if kind in ("HC2", "HC3"):
        if found.leverage is None:
            raise ValueError(
                f"kind: expected 'HC0' or 'HC1' for an estimate of maximum likelihood, got {kind!r}"
            )
        left = 1 - found.leverage
        if (left < 1e-12).any():
            raise ValueError(
                f"kind: {kind} divides by 1 - leverage, which is zero in row {int(left.argmin())}: "
                "that row alone determines a parameter; take 'HC1'"
            )
        pulls = pulls / (np.sqrt(left) if kind == "HC2" else left)[:, None]
    factor = _rest(n, p) if kind == "HC1" else 1.0
    covariance: np.ndarray = factor * pulls.T @ pulls
    return covariance


def _rest(n: int, p: int) -> float:
    if n <= p:
        raise ValueError(f"kind: HC1 expects more rows than parameters, got {n} rows and {p}")
    return n / (n - p)


def _by_clusters(
    found: RowInfluence, kind: str, labels: np.ndarray, n: int, p: int
) -> tuple[np.ndarray, int]:
    """The covariance, and the number of clusters that count."""
    if kind in ("HC2", "HC3"):
        raise ValueError(f"kind: expected 'HC0' or 'HC1' with clusters, got {kind!r}")
    count = len(np.unique(labels[found.weights > 0]))
    if count < _LEAST_CLUSTERS:
        raise ValueError(
            f"clusters: expected at least {_LEAST_CLUSTERS}, got {count}: the variance between "
            "so few clusters cannot be told, and errors from it are far too small; let each "
            "cluster have a column of its own, or use robust without clusters"
        )
    _, group = np.unique(labels, return_inverse=True)
    sums = np.zeros((group.max() + 1, found.pulls.shape[1]))
    np.add.at(sums, group, found.pulls)
    factor = count / (count - 1) * (n - 1) / n * _rest(n, p) if kind == "HC1" else 1.0
    return factor * sums.T @ sums, count


def _labels(clusters: Any, weights: np.ndarray) -> np.ndarray:
    labels = np.asarray(clusters)
    n = len(weights)
    if labels.shape != (n,):
        raise ValueError(
            f"clusters: expected {n} labels, one for each row of the estimate, got shape "
            f"{labels.shape}; leave out those of rows that were dropped"
        )
    if labels.dtype == object:
        kinds = {type(label) for label in labels}
        if len(kinds) > 1:
            shown = ", ".join(sorted(kind.__name__ for kind in kinds))
            raise TypeError(f"clusters: expected labels of one kind, got {shown}")
    if labels.dtype.kind == "f" and np.isnan(labels).any():
        row = int(np.argmax(np.isnan(labels)))
        raise ValueError(f"clusters: expected a label in each row, got nan in row {row}")
    return labels


def _cluster_notes(count: int, p: int) -> list[str]:
    notes = []
    if count < _FEW_CLUSTERS:
        notes.append(
            f"{count} clusters are few: such standard errors are too small on average below 20 to "
            "50 clusters (Cameron and Miller, 2015)."
        )
    if count <= p:
        notes.append(
            f"{count} clusters for {p} parameters: the covariance is singular, so tests of many "
            "parameters at once are not possible."
        )
    return notes


def _statistics(est: Estimate) -> Mapping[str, float]:
    """The statistics with Wald's F in place of the classical one, without it if there is none."""
    kept = {name: value for name, value in est.statistics.items() if not name.startswith("F")}
    if "F" not in est.statistics or est.names[0] != "intercept":
        return kept
    at = np.flatnonzero(np.isfinite(np.diag(est.covariance)))[1:]
    part = est.covariance[np.ix_(at, at)]
    if np.linalg.matrix_rank(part / np.sqrt(np.outer(np.diag(part), np.diag(part)))) < len(at):
        return kept
    value = float(est.theta[at] @ linalg.solve(part, est.theta[at], assume_a="sym") / len(at))
    tail = {"F": value, "F p-value": float(special.fdtrc(len(at), est.dof, value))}
    return {name: tail.get(name, old) for name, old in est.statistics.items()}
