"""Profile likelihood: intervals that need no normal errors, and the curves that show why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from paramjax._display import lines_of
from paramjax._format import number
from paramjax.estimate._estimate import Estimate, Interval, check_level
from paramjax.estimate.summaries._figure import profile_panels
from paramjax.estimate.uncertainty._profile_side import POINTS, Side
from paramjax.estimate.uncertainty._refits import (
    has_robust_loss,
    indices_of,
    objective_of,
    solver_covariance,
    solver_theta,
    usable,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_POLISHES = 6
_BETTER = 1e-4
"""By so much of twice a log likelihood a refit must be better than the estimate to say so."""


class ProfileCurve(NamedTuple):
    """The profile of one parameter.

    Attributes:
        values: At which the parameter was held, ascending, [m].
        root: Signed root of twice the loss of log likelihood over the scale, [m]; 0 at the
            estimate, and a straight line where Wald's interval is right.
        theta: All parameters along the profile, [m, p].
    """

    values: np.ndarray
    root: np.ndarray
    theta: np.ndarray


@dataclass(frozen=True, eq=False, repr=False)
class Profile:
    """Profiles of some parameters of an estimate.

    Attributes:
        estimate: Whose parameters they are.
        names: Of the parameters that were profiled.
        level: Up to which intervals can be read off.
        notes: Where a profile does not reach the level, or refits failed.
    """

    estimate: Estimate
    names: tuple[str, ...]
    level: float
    notes: tuple[str, ...]
    _sides: Mapping[str, tuple[Side, Side]] = field(default_factory=dict)

    @property
    def curves(self) -> dict[str, ProfileCurve]:
        """A curve for each name."""
        return {name: self._curve(*sides) for name, sides in self._sides.items()}

    def interval(self, level: float = 0.95) -> Interval:
        """The values at which the loss of likelihood is not too large at that level.

        Args:
            level: Of confidence, in (0, level of the profile].

        Returns:
            Lower and upper ends, each a pytree of the form of the parameters: infinite where the
            profile does not reach the level (`notes` say so), the bound where it ends at one,
            NaN for parameters that were not profiled.

        Raises:
            ValueError: If the level lies outside (0, 1) or above that of the profile.
        """
        if check_level(level) > self.level:
            raise ValueError(
                f"level: expected at most that of the profile, {self.level:g}, got {level:g}; "
                f"profile the estimate with level={level:g}"
            )
        root = self.estimate.quantile(0.5 + level / 2)
        sides = [side for pair in self._sides.values() for side in pair]
        _polish(self.estimate, sides, root)
        ends = np.full((2, len(self.estimate.names)), np.nan)
        for side in sides:
            ends[(side.sign + 1) // 2, side.index] = _end(side, root)
        parameters = self.estimate.parameters
        ends = np.sort(parameters.to_user(ends), axis=0)
        low, high = (parameters.tree(end, held=np.nan) for end in ends)
        return Interval(low, high)

    def plot(self, level: float = 0.95) -> Figure:
        """Draw the curve of each parameter beside the parabola of Wald, and its interval.

        Args:
            level: Of the interval, in (0, level of the profile].

        Returns:
            A figure with a panel for each parameter; `figure.savefig("profile.png")` keeps it.

        Raises:
            ModuleNotFoundError: Without matplotlib.
            ValueError: If the level lies outside (0, 1) or above that of the profile.
        """
        from paramjax.plots import panel_figure

        return panel_figure(profile_panels(self, level))

    def __repr__(self) -> str:
        """A line for each parameter."""
        level = min(self.level, 0.95)
        low, high = map(self.estimate.parameters.flat, self.interval(level))
        at = indices_of(self.estimate, self.names)
        lines = {self.estimate.names[i]: f"{number(low[i], 6)} to {number(high[i], 6)}" for i in at}
        notes = {f"note {i + 1}": note for i, note in enumerate(self.notes)}
        return lines_of(f"Profile intervals, level {level:g}", {**lines, **notes})

    def _curve(self, below: Side, above: Side) -> ProfileCurve:
        theta = np.concatenate([below.thetas[:0:-1], above.thetas])
        theta = self.estimate.parameters.to_user(theta)
        root = np.concatenate([-below.roots[:0:-1], above.roots])
        if theta[0, above.index] > theta[-1, above.index]:  # its transform falls
            theta, root = theta[::-1], -root[::-1]
        return ProfileCurve(theta[:, above.index], root, theta)


def profile(
    est: Estimate, names: str | Sequence[str] | None = None, level: float = 0.99
) -> Profile:
    r"""Hold each parameter at values around its estimate and fit the others anew.

    $$\tau(\theta_j) = \operatorname{sign}(\theta_j - \hat\theta_j)
    \sqrt{\frac{S(\theta_j) - S(\hat\theta)}{s^2}} \quad\text{or}\quad
    \sqrt{2\,(\ell(\hat\theta) - \ell(\theta_j))}$$
    with S the least sum of squares, or l the largest log likelihood, over the other parameters.
    The interval holds the values with $|\tau|$ up to the quantile of Student's t, or of the
    normal distribution (Bates and Watts, 1988, Nonlinear Regression Analysis and its
    Applications, section 6.1.2; Venzon and Moolgavkar, 1988, Applied Statistics 37). It needs no
    symmetry and is the same on every scale of the parameter. All refits are one population; the
    ends are polished by refits around them until they are exact.

    Args:
        est: From least squares or maximum likelihood; the variance of the residuals is held at
            the estimate's, and robust errors do not enter.
        names: Of parameters, or of leaves; None for all.
        level: Up to which intervals will be wanted, in (0, 1).

    Returns:
        Curves and intervals. A profile that does not reach the level, such as that of a rate that
        the data cannot tell from zero or infinity, has an infinite end and a note.

    Raises:
        ValueError: If a name is unknown, the level lies outside (0, 1), the estimate came without
            its objective, with ridge or with a robust loss, or a refit finds a better fit than
            the estimate.

    Example:
        >>> import jax, paramjax as pj
        >>> x, y = np.array([0.0, 1, 2, 3]), np.array([4.1, 2.2, 1.4, 0.8])
        >>> decay = lambda params, x: params["a"] * jax.numpy.exp(-params["k"] * x)
        >>> est = pj.estimate.curve_fit(decay, {"a": 1.0, "k": 0.1}, x, y)
        >>> pj.estimate.profile(est)
        Profile intervals, level 0.95
          a  3.61422 to 4.51184
          k  0.437161 to 0.702461
    """
    objective_of(est, "profile")
    if est.covariance_kind == "ridge":
        raise ValueError("profile: expected an estimate without ridge, which has no likelihood")
    if has_robust_loss(est):
        raise ValueError(
            "profile: expected an estimate without a robust loss, whose sum is no likelihood; take "
            "interval or bootstrap"
        )
    at = indices_of(est, names)
    root = est.quantile(0.5 + check_level(level) / 2)
    sides = [side for index in at for side in _sides(est, index)]
    while any(not side.reaches(root) and not side.ended() for side in sides):
        wanted = [side for side in sides if not side.reaches(root) and not side.ended()]
        _look(est, sides, {side: side.outwards(root) for side in wanted})
    _polish(est, sides, root)
    pairs = dict(zip([est.names[i] for i in at], zip(sides[::2], sides[1::2], strict=True),
                     strict=True))  # fmt: skip
    notes = [note for side in sides for note in _notes(est, side, root, level)]
    return Profile(est, tuple(pairs), level, tuple(notes), pairs)


def _sides(est: Estimate, index: int) -> tuple[Side, Side]:
    """Both sides of a parameter, before any refit."""
    objective, theta = objective_of(est, "profile"), solver_theta(est)
    covariance = solver_covariance(est)
    variance = covariance[index, index]
    slope = np.zeros(len(theta))
    if np.isfinite(variance) and variance > 0:
        slope = np.nan_to_num(covariance[:, index] / variance)
    error = np.sqrt(variance) if np.isfinite(variance) and variance > 0 else _first(theta[index])
    bounds = [(objective.low, -1), (objective.high, 1)]
    limits = [np.inf if ends is None else s * (ends[index] - theta[index]) for ends, s in bounds]
    below, above = (
        Side(index, sign, theta, slope=slope, error=error, limit=float(limit))
        for limit, (_, sign) in zip(limits, bounds, strict=True)
    )
    return below, above


def _first(value: float) -> float:
    """A first step for a parameter without a standard error."""
    return 0.1 * abs(float(value)) or 0.1


def _look(est: Estimate, sides: list[Side], wanted: dict[Side, np.ndarray]) -> None:
    """Refit all sides' points as one population, of the same size in every round."""
    objective, p = objective_of(est, "profile"), len(est.names)
    size = len(sides) * POINTS + 1
    starts, free = np.tile(solver_theta(est), (size, 1)), np.ones((size, p), bool)
    rows = {side: slice(i * POINTS, (i + 1) * POINTS) for i, side in enumerate(wanted)}
    for side, at in rows.items():
        starts[at], free[at, side.index] = side.starts(wanted[side]), False
    free[-1] = False  # the estimate itself
    starts = np.clip(starts, objective.low, objective.high)
    found = objective.solve_many(starts, free=free)
    good = usable(est, found.outcome)
    squares = 2 * (found.value - found.value[-1]) / est.scale
    for side, at in rows.items():
        _check_not_better(est, side, squares[at], found.theta[at], good[at])
        side.add(found.theta[at], np.sqrt(np.maximum(squares[at], 0)), good[at])


def _check_not_better(
    est: Estimate, side: Side, squares: np.ndarray, theta: np.ndarray, good: np.ndarray
) -> None:
    best = int(np.argmin(np.where(good, squares, np.inf)))
    if good[best] and squares[best] < -_BETTER:
        better = est.parameters.to_user(theta[best])
        where = dict(zip(est.names, better.tolist(), strict=True))
        raise ValueError(
            f"profile: the profile of {est.names[side.index]} found a better fit than the "
            f"estimate, at {where}; fit again from there"
        )


def _polish(est: Estimate, sides: list[Side], root: float) -> None:
    """Refit around the ends until a point lies at each."""
    for _ in range(_POLISHES):
        rest = [side for side in sides if side.reaches(root) and not side.found(root)]
        if not rest:
            return
        _look(est, sides, {side: side.around(root) for side in rest})


def _end(side: Side, root: float) -> float:
    """Where an interval ends on one side."""
    if side.reaches(root):
        return float(side.thetas[0, side.index] + side.sign * side.crossing(root))
    if side.at_limit():
        return float(side.thetas[-1, side.index])
    return side.sign * np.inf


def _notes(est: Estimate, side: Side, root: float, level: float) -> list[str]:
    """What a reader must know of one end."""
    if side.reaches(root):
        return []
    theta = est.parameters.to_user(side.thetas)[:, side.index]
    name, where = est.names[side.index], "below" if theta[-1] < theta[0] else "above"
    last = number(float(theta[-1]))
    if side.at_limit():
        return [f"{name}: its interval at level {level:g} ends at the bound {last}"]
    why = f"; refits fail beyond {last}" if np.isfinite(side.fails) else f", up to {last}"
    return [f"{name}: the profile does not reach the level {level:g} {where} the estimate{why}"]
