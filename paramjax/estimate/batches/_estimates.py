"""What many estimations found: arrays over the problems, and a status of each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import jax
import numpy as np
from scipy import special

from paramjax._checks import needs_extra
from paramjax._display import as_html, lines_of
from paramjax._format import number
from paramjax._types import Params
from paramjax.estimate._estimate import Estimate, Interval, check_level
from paramjax.estimate._outcome import Outcome, outcome_of
from paramjax.estimate._parameters import Parameters

if TYPE_CHECKING:
    import pandas as pd

_SHOWN = 8
"""Parameters that the short text lists."""


@dataclass(frozen=True, eq=False, repr=False)
class Estimates:
    """Estimates of m independent problems with their uncertainty.

    An index gives the estimate of one problem; a slice, a mask or an array of indices gives the
    estimates of some.

    Attributes:
        theta: Estimates, [m, p], in the order of `names`; NaN where the problem was not finite.
        packed: The lower triangles of the covariances row by row, [m, p(p+1)/2]; NaN for what the
            data do not determine, lies at a bound, or did not converge.
        outcome: Codes, int8[m]; see `outcomes` and `where`.
        value: Weighted sums of squared residuals, [m].
        iterations: Of the solver, int32[m].
        rows: Observations that count, [m].
        dof: Degrees of freedom of the residuals, [m]: rows less directions of the parameters
            that the data determine; a parameter at a bound is none.
        parameters: Names and shapes of one problem.
        reference: "t" where the variances were estimated, else "normal".
        title: What was estimated.
    """

    theta: np.ndarray
    packed: np.ndarray
    outcome: np.ndarray
    value: np.ndarray
    iterations: np.ndarray
    rows: np.ndarray
    dof: np.ndarray
    parameters: Parameters
    reference: Literal["t", "normal"] = "t"
    title: str = "Least squares"

    @property
    def names(self) -> tuple[str, ...]:
        """One name for each number, [p]."""
        return self.parameters.names

    @property
    def params(self) -> Params:
        """The estimates, a pytree of the form of the start with a leading axis [m]."""
        return _stacked(self.parameters, self.theta, None)

    @property
    def errors(self) -> np.ndarray:
        """Standard errors, [m, p], in the order of `names`."""
        sides = np.arange(1, len(self.names) + 1)
        errors: np.ndarray = np.sqrt(self.packed[:, sides * (sides + 1) // 2 - 1])
        return errors

    @property
    def stderr(self) -> Params:
        """Standard errors, a pytree with a leading axis [m]; NaN for what was held fixed."""
        return _stacked(self.parameters, self.errors, np.nan)

    @property
    def covariance(self) -> np.ndarray:
        """Of the parameters in the order of `names`, [m, p, p]."""
        p = len(self.names)
        covariance = np.empty((len(self), p, p), self.packed.dtype)
        low, high = np.tril_indices(p)
        covariance[:, low, high] = covariance[:, high, low] = self.packed
        return covariance

    @property
    def scale(self) -> np.ndarray:
        """Variances of the residuals, [m]; 1 where they are known."""
        if self.reference == "normal":
            return np.ones(len(self))
        with np.errstate(all="ignore"):
            return np.where(self.dof > 0, self.value / self.dof, np.nan)

    @property
    def outcomes(self) -> dict[Outcome, int]:
        """How many problems ended how, the most frequent first."""
        counts = np.bincount(self.outcome, minlength=len(Outcome))
        found = sorted(zip(counts.tolist(), Outcome, strict=True), key=lambda pair: -pair[0])
        return {outcome: count for count, outcome in found if count}

    def where(self, *outcomes: Outcome | str) -> np.ndarray:
        """Which problems ended in one of some ways, bool[m].

        Args:
            outcomes: Such as "converged" or `Outcome.STUCK`.

        Returns:
            A mask over the problems.

        Raises:
            ValueError: If there is no such outcome.
        """
        known = [str(outcome) for outcome in Outcome]
        for outcome in outcomes:
            if outcome not in known:
                raise ValueError(f"outcomes: expected some of {known}, got {outcome!r}")
        mask: np.ndarray = np.isin(self.outcome, [Outcome(outcome).code for outcome in outcomes])
        return mask

    def interval(self, level: float = 0.95) -> Interval:
        """Wald intervals of each problem.

        Args:
            level: Of confidence, in (0, 1).

        Returns:
            Lower and upper ends, pytrees with a leading axis [m].

        Raises:
            ValueError: If the level lies outside (0, 1).
        """
        probability = 0.5 + check_level(level) / 2
        if self.reference == "t":
            quantile = special.stdtrit(np.asarray(self.dof, np.float64), probability)[:, None]
        else:
            quantile = special.ndtri(probability)
        half = quantile * self.errors
        low, high = self.theta - half, self.theta + half
        return Interval(
            _stacked(self.parameters, low, np.nan), _stacked(self.parameters, high, np.nan)
        )

    def to_frame(self) -> pd.DataFrame:
        """A data frame with a row for each problem.

        Returns:
            For each parameter its estimate and its standard error; value, outcome, iterations.

        Raises:
            ModuleNotFoundError: If pandas is not installed.
        """
        with needs_extra("frames"):
            import pandas as pd
        errors, columns = self.errors, {}
        for at, name in enumerate(self.names):
            columns[name] = self.theta[:, at]
            columns[f"stderr {name}"] = errors[:, at]
        words = np.array([str(outcome) for outcome in Outcome])[self.outcome]
        more = {"value": self.value, "outcome": words, "iterations": self.iterations}
        return pd.DataFrame({**columns, **more}, index=pd.RangeIndex(len(self), name="problem"))

    def __len__(self) -> int:
        """How many problems."""
        return len(self.theta)

    def __getitem__(self, index: Any) -> Any:
        """The estimate of one problem, or the estimates of some."""
        if isinstance(index, (int, np.integer)) and not isinstance(index, (bool, np.bool_)):
            if not -len(self) <= index < len(self):
                raise IndexError(f"expected a problem below {len(self):,}, got {index}")
            return self._one(int(index) % len(self))
        if not isinstance(index, slice) and np.ndim(index) != 1:
            raise IndexError(
                f"expected one problem, a slice, a mask or an array of indices, got {index!r}"
            )
        parts = {
            name: np.asarray(getattr(self, name))[index]
            for name in ("theta", "packed", "outcome", "value", "iterations", "rows", "dof")
        }
        return replace(self, **parts)

    def __iter__(self) -> Iterator[Estimate]:
        """The estimates one after the other."""
        return (self[at] for at in range(len(self)))

    def _one(self, at: int) -> Estimate:
        return Estimate(
            params=self.parameters.tree(np.asarray(self.theta[at], np.float64)),
            covariance=self[at : at + 1].covariance[0],
            outcome=outcome_of(int(self.outcome[at])),
            parameters=self.parameters,
            objective=None,
            title=self.title,
            value=float(self.value[at]),
            rows=int(self.rows[at]),
            dof=int(self.dof[at]),
            scale=float(self[at : at + 1].scale[0]),
            reference=self.reference,
            covariance_kind="expected information",
            iterations=int(self.iterations[at]),
        )

    def __repr__(self) -> str:
        """How the problems ended, and medians over them."""
        ended = ", ".join(f"{count:,} {outcome}" for outcome, count in self.outcomes.items())
        fields = {"problems": ended or "none"}
        if len(self):
            with np.errstate(all="ignore"):
                middle, error = (_medians(part) for part in (self.theta, self.errors))
            for name, value, spread in list(zip(self.names, middle, error, strict=True))[:_SHOWN]:
                fields[name] = f"median {number(value, 6)}, median stderr {number(spread, 3)}"
        if len(self.names) > _SHOWN:
            fields["..."] = f"{len(self.names) - _SHOWN:,} more parameters"
        return lines_of(f"Estimates: {self.title}, {len(self):,} problems", fields)

    def _repr_html_(self) -> str:
        """The short text in a notebook."""
        return as_html(repr(self))


def _medians(columns: np.ndarray) -> list[float]:
    """Of each column without its NaNs; NaN where nothing is left."""
    kept = [column[np.isfinite(column)] for column in columns.T]
    return [float(np.median(column)) if len(column) else float("nan") for column in kept]


def _stacked(parameters: Parameters, numbers: np.ndarray, rest: float | None) -> Params:
    """Pytrees of many problems as one with a leading axis; `rest` stands for what is held."""
    whole = numbers
    if parameters.held is not None:
        places, everything = parameters.held
        fill = everything if rest is None else np.full(everything.shape, rest)
        whole = np.tile(fill, (len(numbers), 1)).astype(numbers.dtype)
        whole[:, places] = numbers
    leaves, at = [], 0
    for shape in parameters.shapes:
        size = int(np.prod(shape))
        leaves.append(whole[:, at : at + size].reshape(len(whole), *shape))
        at += size
    return jax.tree.unflatten(parameters.treedef, leaves)
