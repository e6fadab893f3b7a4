"""One side of a profile: the points that are known, and where to look next."""

from __future__ import annotations

import numpy as np

POINTS = 8
"""Refits of one side in one round."""
_ROUNDS = 8
"""Rounds that follow an end outwards, each up to nine times as far."""
_CLOSE = 1e-9
"""Distance of the signed root from its quantile at which an end counts as found, relative."""


class Side:
    """What is known of the profile on one side of the estimate, from there outwards.

    Attributes:
        index: Of the parameter.
        sign: -1 below the estimate, 1 above.
        thetas: Solutions with the parameter held, float64[k, p]; the first is the estimate.
        roots: Signed root of twice the loss of log likelihood, without its sign, [k].
        limit: Distance of the bound from the estimate, inf without one.
        fails: Least distance at which a refit failed, inf if none did.
        failed: Refits that did.
    """

    def __init__(
        self,
        index: int,
        sign: int,
        theta: np.ndarray,
        *,
        slope: np.ndarray,
        error: float,
        limit: float,
    ) -> None:
        self.index, self.sign = index, sign
        self.thetas, self.roots = theta[None], np.zeros(1)
        self.limit, self.fails, self.failed = limit, np.inf, 0
        self._slope, self._error, self._rounds = slope, error, 0

    @property
    def distances(self) -> np.ndarray:
        """Of the points from the estimate, ascending from 0, [k]."""
        distances: np.ndarray = np.abs(self.thetas[:, self.index] - self.thetas[0, self.index])
        return distances

    def reaches(self, root: float) -> bool:
        """Whether a point lies at or beyond it."""
        return bool(self.roots.max() >= root)

    def ended(self) -> bool:
        """Whether nothing lies further out: a bound, failures, or too many rounds without end."""
        last = float(self.distances[-1])
        return self._rounds >= _ROUNDS or self.at_limit() or self.fails - last <= 1e-6 * last

    def at_limit(self) -> bool:
        """Whether the last point lies at the bound."""
        return bool(self.distances[-1] >= (1 - 1e-9) * self.limit)

    def outwards(self, root: float) -> np.ndarray:
        """Distances at which to look for a root further out, [POINTS]."""
        self._rounds += 1
        last, steps = float(self.distances[-1]), np.arange(1, POINTS + 1) / POINTS
        if len(self.roots) == 1:
            far = 1.2 * root * self._error
        else:
            rise = (self.roots[-1] - self.roots[-2]) / (last - self.distances[-2])
            wanted = 1.3 * (root - self.roots[-1]) / rise if rise > 0 else np.inf
            far = last + float(np.clip(wanted, last / 4, 8 * last))
        if far >= self.fails:  # never again where it failed
            steps, far = 1 - np.exp2(-np.arange(1.0, POINTS + 1)), self.fails
        distances: np.ndarray = last + (min(far, self.limit) - last) * steps
        return distances

    def around(self, root: float) -> np.ndarray:
        """Distances close around where the root is expected, [POINTS]."""
        at, (low, high) = self.crossing(root), self._bracket(root)
        width = 0.1 * (high - low)
        return np.clip(at + width * np.linspace(-1, 1, POINTS), low, high)

    def found(self, root: float) -> bool:
        """Whether a point lies there to the precision of the numbers."""
        return bool(np.abs(self.roots - root).min() <= _CLOSE * root)

    def crossing(self, root: float) -> float:
        """Distance at which the profile first reaches a root: inverse cubic interpolation."""
        at = int(np.argmax(self.roots >= root))
        low, high = self._bracket(root)
        near = slice(max(at - 2, 0), at + 2)
        roots, distances = self.roots[near], self.distances[near]
        linear = low + (high - low) * (root - self.roots[at - 1]) / (
            self.roots[at] - self.roots[at - 1]
        )
        if (np.diff(roots) <= 0).any():
            return float(linear)
        cubic = _lagrange(roots, distances, root)
        return float(cubic if low <= cubic <= high else linear)

    def starts(self, distances: np.ndarray) -> np.ndarray:
        """Where the refits at some distances start, [POINTS, p]: between or beyond known points."""
        known = self.distances
        if len(known) == 1:
            starts = self.thetas[0] + self.sign * distances[:, None] * self._slope
        else:
            columns = [np.interp(distances, known, column) for column in self.thetas.T]
            starts = np.stack(columns, axis=1)
        starts = np.asarray(starts)
        starts[:, self.index] = self.thetas[0, self.index] + self.sign * distances
        return starts

    def add(self, thetas: np.ndarray, roots: np.ndarray, good: np.ndarray) -> None:
        """Keep the refits that ended well, in order of their distance."""
        away = np.abs(thetas[:, self.index] - self.thetas[0, self.index])
        if not good.all():
            self.failed += int((~good).sum())
            self.fails = min(self.fails, away[~good].min())
        good = good & (away < self.fails)
        both = np.concatenate([self.thetas, thetas[good]])
        order = np.argsort(np.append(self.distances, away[good]), kind="stable")
        roots = np.append(self.roots, roots[good])[order]
        keep = np.append(True, np.diff(np.append(self.distances, away[good])[order]) > 0)
        self.thetas, self.roots = both[order][keep], roots[keep]

    def _bracket(self, root: float) -> tuple[float, float]:
        at = int(np.argmax(self.roots >= root))
        low, high = self.distances[at - 1 : at + 1]
        return float(low), float(high)


def _lagrange(x: np.ndarray, y: np.ndarray, at: float) -> float:
    """The polynomial through a few points."""
    total = 0.0
    for i in range(len(x)):
        others = np.delete(x, i)
        total += y[i] * float(np.prod((at - others) / (x[i] - others)))
    return total
