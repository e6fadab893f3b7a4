"""The marginal likelihood of a network: of its prior precision and of the noise."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from paramjax.estimate.networks._curvature import Curvature

_PRECISIONS = (1e-8, 1e8)
"""Those of the grid from whose best point the maximum is climbed."""

_FAR = 15.0
"""How far it is climbed, as the logarithm of a ratio."""


@dataclass(frozen=True, eq=False)
class Evidence:
    """What the marginal likelihood is computed of.

    Attributes:
        curvature: Of minus the likelihood's `fit`.
        fit: Its sum over the rows.
        noisy: Whether targets are values with noise.
        count: Numbers among the targets.
        norm: Squared norm of the uncertain parameters.
    """

    curvature: Curvature
    fit: float
    noisy: bool
    count: int
    norm: float

    def value(self, precision: float, noise: float) -> float:
        """Log marginal likelihood."""
        spectrum = self.curvature.eigenvalues / noise**2
        likelihood = self.fit / noise**2
        if self.noisy:
            likelihood -= self.count * (0.5 * math.log(2 * math.pi) + math.log(noise))
        # log det of the posterior's precision over the prior's: directions without data add none
        ratio = float(np.log1p(spectrum / precision).sum())
        return likelihood - 0.5 * (ratio + precision * self.norm)

    def determined(self, precision: float, noise: float) -> float:
        """MacKay's gamma: how many parameters the data determine."""
        spectrum = self.curvature.eigenvalues / noise**2
        return float((spectrum / (spectrum + precision)).sum())


def best(evidence: Evidence, precision: float | None, noise: float | None) -> tuple[float, float]:
    """Prior precision and noise; those that are not given maximise the marginal likelihood.

    Raises:
        ValueError: If it has no maximum: parameters that are all 0, or values without any noise.
    """
    fixed_noise = noise if evidence.noisy else 1.0
    if precision is not None and fixed_noise is not None:
        return precision, fixed_noise
    start = _start(evidence, precision, fixed_noise)
    free = [i for i, given in enumerate((precision, fixed_noise)) if given is None]
    logs = np.log(start)

    from scipy import optimize  # at the call, for it takes 0.2 s

    def objective(moved: np.ndarray) -> tuple[float, np.ndarray]:
        at = logs.copy()
        at[free] = moved
        value, slope = _with_slope(evidence, *np.exp(at))
        return -value, -slope[free]

    bounds = [(logs[i] - _FAR, logs[i] + _FAR) for i in free]
    found = optimize.minimize(objective, logs[free], jac=True, bounds=bounds, tol=1e-14)
    low, high = np.log(_PRECISIONS)
    inside = precision is not None or low + 0.01 < found.x[0] < high - 0.01
    if not inside or (np.abs(found.x - logs[free]) > _FAR - 0.01).any():
        raise ValueError(
            "prior_precision: the marginal likelihood grows without end as the precision or the "
            "noise goes to 0 or infinity, as for parameters that are all 0 or values that are "
            "met exactly; give prior_precision=, and gaussian(noise) its noise"
        )
    logs[free] = found.x
    return float(np.exp(logs[0])), float(np.exp(logs[1]))


def _with_slope(evidence: Evidence, precision: float, noise: float) -> tuple[float, np.ndarray]:
    """The log marginal likelihood, and its slope by the logarithms of precision and noise."""
    gamma = evidence.determined(precision, noise)
    by_precision = 0.5 * (gamma - precision * evidence.norm)
    by_noise = -2 * evidence.fit / noise**2 - evidence.count + gamma if evidence.noisy else 0.0
    return evidence.value(precision, noise), np.array([by_precision, by_noise])


def _start(evidence: Evidence, precision: float | None, noise: float | None) -> np.ndarray:
    """The best of a grid, from which the maximum is climbed."""
    typical = math.sqrt(max(-2 * evidence.fit, 1e-30) / evidence.count) if evidence.noisy else 1.0
    noises = [noise] if noise is not None else list(typical * np.geomspace(0.5, 4, 7))
    precisions = [precision] if precision is not None else list(np.geomspace(*_PRECISIONS, 33))
    pairs = [(p, n) for p in precisions for n in noises]
    return np.array(max(pairs, key=lambda pair: evidence.value(*pair)))
