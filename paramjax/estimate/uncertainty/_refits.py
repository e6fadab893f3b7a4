"""Refits of an estimate's objective: which of them count, and what failed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np

from paramjax.estimate._constraints import positions
from paramjax.estimate._estimate import Estimate
from paramjax.estimate._objective import Objective
from paramjax.estimate._outcome import Outcome, outcome_of
from paramjax.estimate._parameters import slopes


def objective_of(est: Estimate, what: str) -> Objective:
    """The objective that an estimate came with.

    Raises:
        ValueError: If it came without one; `what` names who needs it.
    """
    if est.objective is None:
        raise ValueError(
            f"{what}: expected an estimate with its objective, got one without; a pickle leaves "
            "it behind, and so do fits of many problems: fit once more"
        )
    return est.objective


def has_robust_loss(est: Estimate) -> bool:
    """Whether a robust loss was minimised, whose sum is no likelihood."""
    return est.title.startswith("Robust")


def usable(est: Estimate, outcomes: np.ndarray) -> np.ndarray:
    """Which refits ended well, bool[m]: those that converged, or ended as the estimate did."""
    good = {Outcome.CONVERGED, Outcome.AT_BOUND, est.outcome} - {
        Outcome.UNFINISHED,
        Outcome.NONFINITE,
        Outcome.SEPARATED,
    }
    found: np.ndarray = np.isin(outcomes, [outcome.code for outcome in good])
    return found


def counted(outcomes: np.ndarray) -> Mapping[Outcome, int]:
    """How often each outcome came."""
    counts = Counter(outcomes.tolist())
    return MappingProxyType({outcome_of(code): counts[code] for code in sorted(counts)})


def failures_in_words(failed: Mapping[Outcome, int]) -> str:
    """Such as `2 stuck, 1 not finite`."""
    return ", ".join(f"{count} {outcome}" for outcome, count in failed.items())


def indices_of(est: Estimate, names: str | Sequence[str] | None) -> list[int]:
    """Positions of named parameters; the name of a leaf stands for all its numbers."""
    if names is None:
        return list(range(len(est.names)))
    listed = [names] if isinstance(names, str) else names
    found = [at for name in listed for at in positions(est.parameters, name, "names")]
    return list(dict.fromkeys(found))


def solver_theta(est: Estimate) -> np.ndarray:
    """The estimate on the scale on which the solver moves, [p]."""
    theta: np.ndarray = est.parameters.to_solver(est.theta)
    return theta


def solver_covariance(est: Estimate) -> np.ndarray:
    """The covariance on the scale on which the solver moves, [p, p]."""
    slope = slopes(est.parameters, solver_theta(est))
    covariance: np.ndarray = est.covariance / np.outer(slope, slope)
    return covariance
