"""The bootstrap: the spread of refits to resampled data, all of them one population."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from scipy import special

from paramjax._checks import check_count, check_key
from paramjax._display import lines_of
from paramjax._format import number
from paramjax._types import Key, Params
from paramjax.estimate._estimate import Estimate, Interval, check_level
from paramjax.estimate._outcome import Outcome
from paramjax.estimate.uncertainty._refits import (
    counted,
    failures_in_words,
    has_robust_loss,
    objective_of,
    solver_theta,
    usable,
)
from paramjax.estimate.uncertainty._resamples import resamples, rows_of, weights_of

Kind = Literal["case", "residual", "parametric"]
Method = Literal["percentile", "basic", "bca"]

_FAR = 20
"""Standard errors from the estimate beyond which a replicate is named."""


@dataclass(frozen=True, eq=False, repr=False)
class Bootstrap:
    """Refits of an estimate to resampled data.

    Attributes:
        estimate: What was resampled.
        kind: "case", "residual" or "parametric".
        theta: Of each replicate, float64[replicates, p]; NaN where its refit failed.
        failed: How many refits failed, by outcome; they count in no figure.
        clusters: Of the rows, [n], or None.
        notes: What a reader must know: refits that failed, or that lie far away.
    """

    estimate: Estimate
    kind: Kind
    theta: np.ndarray
    failed: Mapping[Outcome, int]
    clusters: np.ndarray | None
    notes: tuple[str, ...]

    @property
    def covariance(self) -> np.ndarray:
        """Of the replicates, float64[p, p]; NaN for parameters that no refit moves."""
        found = np.atleast_2d(np.cov(self._good, rowvar=False))
        fixed = np.ptp(self._good, axis=0) == 0
        found[fixed] = found[:, fixed] = np.nan
        return found

    @property
    def stderr(self) -> Params:
        """Standard deviations of the replicates, a pytree of the form of the parameters."""
        return self._tree(np.sqrt(np.diag(self.covariance)))

    @property
    def bias(self) -> Params:
        """Mean of the replicates less the estimate, a pytree of the form of the parameters."""
        return self._tree(self._good.mean(axis=0) - self.estimate.theta)

    def interval(self, level: float = 0.95, method: Method = "percentile") -> Interval:
        r"""Intervals from quantiles of the replicates.

        "percentile": the quantiles themselves. "basic": twice the estimate less them (Davison and
        Hinkley, 1997, eq. 5.6). "bca": quantiles at levels that correct for bias and for the
        change of the variance with the parameter (Efron, 1987, Journal of the American
        Statistical Association 82, eq. 2.3 and 6.6):
        $$\Phi\left(z_0 + \frac{z_0 + z}{1 - a (z_0 + z)}\right)$$
        with $z_0$ from the share of replicates below the estimate and the acceleration $a$ from
        the jackknife, whose refits are made at the first call.

        Args:
            level: Of confidence, in (0, 1).
            method: "percentile", "basic" or "bca".

        Returns:
            Lower and upper ends, each a pytree of the form of the parameters.

        Raises:
            ValueError: If the level lies outside (0, 1), or the method is another.
        """
        tails = np.array([0.5 - check_level(level) / 2, 0.5 + level / 2])
        if method not in ("percentile", "basic", "bca"):
            raise ValueError(f"method: expected percentile, basic or bca, got {method!r}")
        levels = self._corrected(tails) if method == "bca" else np.tile(tails[:, None], self._p)
        ends = np.stack([np.quantile(own, at) for own, at in
                         zip(self._good.T, levels.T, strict=True)], axis=1)  # fmt: skip
        if method == "basic":
            ends = 2 * self.estimate.theta - ends[::-1]
        ends[:, np.isnan(np.diag(self.covariance))] = np.nan
        return Interval(self._tree(ends[0]), self._tree(ends[1]))

    def __repr__(self) -> str:
        """A line for each parameter."""
        errors = np.sqrt(np.diag(self.covariance))
        lines = {
            name: f"{number(value, 6)}, standard error {number(error)}"
            for name, value, error in zip(
                self.estimate.names, self.estimate.theta, errors, strict=True
            )
        }
        notes = {f"note {i + 1}": note for i, note in enumerate(self.notes)}
        return lines_of(f"Bootstrap ({self.kind}, {len(self.theta)} replicates)", lines | notes)

    def _tree(self, numbers: np.ndarray) -> Params:
        tree: Params = self.estimate.parameters.tree(numbers, held=np.nan)
        return tree

    @property
    def _p(self) -> int:
        return len(self.estimate.names)

    @cached_property
    def _good(self) -> np.ndarray:
        known = ~np.isnan(self.estimate.theta)  # others' columns explain those of the rest
        good: np.ndarray = self.theta[~np.isnan(self.theta[:, known]).any(axis=1)]
        return good

    @cached_property
    def _acceleration(self) -> np.ndarray:
        return acceleration(jackknife(self.estimate, self.clusters))

    def _corrected(self, tails: np.ndarray) -> np.ndarray:
        """Levels of the quantiles, [2, p]."""
        good, theta = self._good, self.estimate.theta
        below = (good < theta).mean(axis=0) + (good == theta).mean(axis=0) / 2
        shift = special.ndtri(np.where(np.isnan(theta), 0.5, below))
        z = shift + special.ndtri(tails)[:, None]
        levels: np.ndarray = special.ndtr(shift + z / (1 - self._acceleration * z))
        levels[np.isnan(levels)] = 0.5  # of what no refit moves
        return levels


def bootstrap(
    est: Estimate,
    key: Key,
    replicates: int = 2000,
    kind: Kind = "case",
    clusters: Any = None,
) -> Bootstrap:
    """Fit resampled data again and again, all refits as one population.

    "case": rows, or whole clusters, are drawn with replacement; right whatever the errors'
    distribution and variance. "residual": residuals, divided by the root of one less their
    leverage, are drawn with replacement and added to the fitted curve; right where they are alike
    and the inputs fixed. "parametric": responses are drawn from the fitted model, with normal
    residuals where it is one of least squares. Efron (1979, Annals of Statistics 7); Davison and
    Hinkley (1997, Bootstrap Methods and their Application, algorithms 6.1 to 6.4).

    Args:
        est: From least squares or maximum likelihood.
        key: Typed key; the i-th replicate depends on it and on i alone.
        replicates: Refits; 1,000 or more for intervals.
        kind: "case", "residual" or "parametric".
        clusters: A label for each row, [n]; rows of one label are drawn together. For cases only.

    Returns:
        Replicates with their spread and intervals; refits that fail are counted and named.

    Raises:
        ValueError: If the kind is unknown, residuals of a likelihood are asked for, a likelihood
            without a simulation is to be parametric, `clusters` do not fit, the estimate came
            without its objective, or fewer than two refits ended well.

    Example:
        >>> import jax, paramjax as pj
        >>> x = np.arange(12.0)
        >>> y = 1 + 2 * x + np.tile([0.3, -0.2, -0.1], 4)
        >>> line = lambda params, x: params["a"] + params["b"] * x
        >>> est = pj.estimate.curve_fit(line, {"a": 0.0, "b": 0.0}, x, y)
        >>> found = pj.estimate.bootstrap(est, jax.random.key(0), 500)
        >>> round(float(found.stderr["b"]), 3)
        0.02
    """
    groups = _checked(est, kind, clusters)
    replicates = check_count("replicates", replicates, least=2)
    objective = objective_of(est, "bootstrap")
    thetas, outcomes = [], []
    for block in resamples(est, check_key(key), replicates, kind, groups):
        starts = np.tile(solver_theta(est), (block.size, 1))
        found = objective.solve_many(starts, **block.varied)
        thetas.append(est.parameters.to_user(found.theta))
        outcomes.append(found.outcome)
    theta, outcome = np.concatenate(thetas), np.concatenate(outcomes)
    good = usable(est, outcome)
    if good.sum() < 2:
        raise ValueError(
            f"bootstrap: {replicates - int(good.sum())} of {replicates} refits failed "
            f"({failures_in_words(counted(outcome[~good]))}); no spread to tell"
        )
    if est.outcome is Outcome.SINGULAR:  # a refit stays where it began along such a direction
        theta = np.where(_undetermined(est), est.theta, theta)
    failed, theta = counted(outcome[~good]), np.where(good[:, None], theta, np.nan)
    notes = (*_notes(failed, replicates), *_far_notes(est, theta))
    return Bootstrap(est, kind, theta, failed, groups, notes)


def jackknife(est: Estimate, groups: np.ndarray | None = None) -> np.ndarray:
    """Estimates without each row, or each group of rows, [units, p]; NaN where a refit failed."""
    weights = weights_of(est)
    counting = np.flatnonzero(weights > 0)
    units = np.arange(len(counting)) if groups is None else groups[counting]
    names, unit = np.unique(units, return_inverse=True)
    left_out = np.tile(weights, (len(names), 1))
    left_out[unit, counting] = 0.0
    starts = np.tile(solver_theta(est), (len(names), 1))
    found = objective_of(est, "bootstrap").solve_many(starts, weights=left_out)
    theta = est.parameters.to_user(found.theta)
    return np.where(usable(est, found.outcome)[:, None], theta, np.nan)


def acceleration(left_out: np.ndarray) -> np.ndarray:
    """The skewness of the jackknife over six (Efron, 1987, eq. 6.6), [p]."""
    counts = np.maximum((~np.isnan(left_out)).sum(axis=0), 1)
    moved = np.nansum(left_out, axis=0) / counts - left_out
    cubes, squares = np.nansum(moved**3, axis=0), np.nansum(moved**2, axis=0)
    found: np.ndarray = np.divide(
        cubes, 6 * squares**1.5, out=np.zeros_like(cubes), where=squares > 0
    )
    return found


def _checked(est: Estimate, kind: str, clusters: Any) -> np.ndarray | None:
    objective = objective_of(est, "bootstrap")
    if kind not in ("case", "residual", "parametric"):
        raise ValueError(f"kind: expected case, residual or parametric, got {kind!r}")
    if kind == "residual" and objective.kind != "residuals":
        raise ValueError(
            'kind: expected "case" or "parametric" for a likelihood, which has no residuals to '
            "draw, got 'residual'"
        )
    if kind == "parametric" and objective.kind != "residuals" and objective.simulate is None:
        raise ValueError(
            "kind: expected a model that can be simulated for 'parametric', got a likelihood of "
            'which only the log probability is known; take "case"'
        )
    if kind == "parametric" and has_robust_loss(est):
        raise ValueError(
            'kind: expected "case" or "residual" for a robust loss, which knows no variance of '
            "normal residuals, got 'parametric'"
        )
    if clusters is None:
        return None
    groups, n = np.asarray(clusters), rows_of(est)
    if kind != "case" or groups.shape != (n,):
        raise ValueError(
            f"clusters: expected a label for each of {n} rows, and cases to draw, got shape "
            f"{groups.shape} and kind {kind!r}"
        )
    return groups


def _undetermined(est: Estimate) -> np.ndarray:
    """Which parameters have no standard error, though none of their bounds holds them, bool[p]."""
    objective, theta = objective_of(est, "bootstrap"), solver_theta(est)
    found: np.ndarray = np.isnan(est.errors)
    found &= True if objective.low is None else theta > objective.low
    found &= True if objective.high is None else theta < objective.high
    return found


def _notes(failed: Mapping[Outcome, int], replicates: int) -> tuple[str, ...]:
    if not failed:
        return ()
    total = sum(failed.values())
    return (f"{total} of {replicates} refits failed ({failures_in_words(failed)})",)


def _far_notes(est: Estimate, theta: np.ndarray) -> list[str]:
    """Parameters that some resamples hardly determine, such as those that separate classes."""
    with np.errstate(invalid="ignore"):
        far = (np.abs(theta - est.theta) > _FAR * est.errors).sum(axis=0)
    return [
        f"{name}: {count} of {len(theta)} refits lie more than {_FAR} standard errors away, where "
        "the resample hardly determines it; ends and spreads that reach there mean nothing"
        for name, count in zip(est.names, far, strict=True)
        if count
    ]
