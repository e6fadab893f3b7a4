"""From the maximum of a likelihood to the estimate, and what is wrong with it."""

from __future__ import annotations

from typing import Literal

import numpy as np

from paramjax._checks import describe
from paramjax._types import PyTree
from paramjax.estimate._estimate import Estimate
from paramjax.estimate._objective import Objective
from paramjax.estimate._outcome import Outcome
from paramjax.estimate._parameters import Parameters, slopes
from paramjax.estimate.inputs._traced import traced_rows
from paramjax.estimate.likelihoods._maximum import Maximum, information_at
from paramjax.estimate.solvers import Rows
from paramjax.estimate.uncertainty._information import Covariance, covariance_of_information

Information = Literal["observed", "scores"]

_LONG = 1e-3
"""Share of a parameter from which on a last step is long."""
_FAR = 5.0
"""How far a parameter has gone that may go without end, if the iterations found none."""
_SETTLED = 1e-6
"""Squared standard errors that parameters may be from their maximum."""
_NO_FALL = 0.1
"""Fall of the log likelihood, in nats, below which there is none."""
_INVERTED = 2000
"""Parameters up to which there is a covariance: 32 MB of it, and a Hessian by p derivatives."""


def row_count(rows: Rows, parameters: Parameters, data: PyTree) -> int:
    """How many log probabilities there are, traced once for the shapes of the data."""
    found = traced_rows("log_prob_fn", rows, parameters.size, data)
    if getattr(found, "ndim", None) != 1:
        raise ValueError(
            "log_prob_fn: expected the log probability of each observation, [n], got "
            f"{describe(found)}; do not sum them, and ravel what has more axes"
        )
    if found.dtype != np.float64:
        raise TypeError(
            f"log_prob_fn: expected float64 log probabilities, got {found.dtype}; params and data "
            "come as float64, do not cast them, for standard errors need the digits"
        )
    return int(found.shape[0])


def likelihood_estimate(
    objective: Objective,
    maximum: Maximum,
    information: Information,
    start: np.ndarray,
    notes: tuple[str, ...],
) -> Estimate:
    """The estimate at a maximum.

    Args:
        objective: What was maximised.
        maximum: What was found.
        information: Which one the covariance inverts.
        start: Of the iterations, float64[p].
        notes: What is known already.
    """
    parameters, weights = objective.parameters, objective.weights
    logs = maximum.log_likelihood
    rows = row_count(objective.rows, parameters, objective.data)
    rows = rows if weights is None else round(float(weights.sum()))
    at_bound = at_bounds(objective, maximum.theta)
    covariance = _covariance(objective, maximum, information, at_bound)
    outcome = _outcome(maximum.outcome, at_bound, covariance)
    ended = outcome in (Outcome.CONVERGED, Outcome.STUCK, Outcome.UNFINISHED)
    endless = _endless(objective, maximum, start) if ended else None
    if endless is not None:
        given = _covariance(objective, maximum, information, at_bound | endless)
        fine = endless.sum() == 1 and _others_settled(maximum, endless)
        covariance = _without(covariance, given if fine else None, endless, parameters, outcome)
        outcome = Outcome.SEPARATED
    theta = parameters.to_user(maximum.theta)
    return Estimate(
        params=parameters.tree(theta),
        covariance=covariance.covariance,
        outcome=outcome,
        parameters=parameters,
        objective=objective,
        title="Maximum likelihood",
        value=logs,
        rows=rows,
        dof=rows - parameters.size,
        reference="normal",
        covariance_kind="observed information" if information == "observed" else "scores",
        statistics={
            "log likelihood": logs,
            "AIC": 2 * parameters.size - 2 * logs,
            "BIC": float(np.log(rows)) * parameters.size - 2 * logs,
        },
        notes=(*notes, *covariance.notes, *_caveats(outcome)),
        iterations=maximum.iterations,
    )


def _caveats(outcome: Outcome) -> tuple[str, ...]:
    if outcome in (Outcome.STUCK, Outcome.UNFINISHED):
        return ("not converged: the standard errors are those of a point that is no maximum",)
    return ()


def at_bounds(objective: Objective, theta: np.ndarray) -> np.ndarray:
    """Which parameters lie at a bound, bool[p]."""
    at = np.zeros(theta.shape, bool)
    if objective.low is not None:
        at |= theta <= objective.low
    if objective.high is not None:
        at |= theta >= objective.high
    return at


def _covariance(
    objective: Objective, maximum: Maximum, information: Information, at_bound: np.ndarray
) -> Covariance:
    """On the user's scale."""
    p = objective.parameters.size
    if p > _INVERTED:
        note = (
            f"no standard errors: expected at most {_INVERTED} parameters to invert their "
            f"information, got {p}; the sandwich and the bootstrap need them fewer, too"
        )
        nan = np.broadcast_to(np.nan, (p, p))
        return Covariance(nan, np.ones(p, bool), p, (note,))
    matrix = maximum.information
    if information == "scores":
        scores = objective.evaluate(maximum.theta)[1]
        counts = np.ones(len(scores)) if objective.weights is None else objective.weights
        matrix = scores.T @ (counts[:, None] * scores)
    elif matrix is None:
        matrix = information_at(objective.rows, maximum.theta, objective.inputs)
    slope = slopes(objective.parameters, maximum.theta)
    names = objective.parameters.names
    found = covariance_of_information(matrix / np.outer(slope, slope), names, at_bound=at_bound)
    absent = "does not enter: the derivative of every row is zero"
    flat = "does not enter, or by kinks alone: the log likelihood has no curvature along it"
    return found._replace(notes=tuple(note.replace(absent, flat) for note in found.notes))


def _endless(objective: Objective, maximum: Maximum, start: np.ndarray) -> np.ndarray | None:
    """Which parameters grow without end, bool[p], for the likelihood has no maximum; else None."""
    if maximum.gradient is None or maximum.information is None:
        return None
    further, long = _last_step(maximum)
    if maximum.outcome is not Outcome.CONVERGED:
        further = (maximum.theta - start) / 2
        long = np.abs(further) > _FAR * (1 + np.abs(start)) / 2
    if not long.any() or not np.isfinite(further).all():
        return None
    weights = 1.0 if objective.weights is None else objective.weights
    for change in (further, np.where(long, further, 0.0)):
        logs, _ = objective.evaluate(maximum.theta + change)
        if maximum.log_likelihood - float((weights * logs).sum()) < _NO_FALL:
            return long
    return None


def _others_settled(maximum: Maximum, endless: np.ndarray) -> bool:
    """Whether the other parameters are at their maximum given those."""
    assert maximum.information is not None
    assert maximum.gradient is not None
    rest = ~endless
    pull, block = maximum.gradient[rest], maximum.information[np.ix_(rest, rest)]
    if not np.isfinite(block).all() or not np.linalg.eigvalsh(block).min(initial=np.inf) > 0:
        return False
    return float(pull @ np.linalg.solve(block, pull)) < _SETTLED


def _last_step(maximum: Maximum) -> tuple[np.ndarray, np.ndarray]:
    """Two standard errors in the direction of Newton's next step, and where that step is long.

    Where there is no maximum, every step is as long as the last, though it gains next to nothing;
    and the likelihood does not fall at two standard errors, where that of a maximum falls by two.
    """
    assert maximum.information is not None
    assert maximum.gradient is not None
    diagonal = np.abs(np.diag(maximum.information))
    scales = np.sqrt(np.where(diagonal > 0, diagonal, 1.0))
    scaled = maximum.information / np.outer(scales, scales)
    step = -np.linalg.lstsq(scaled, maximum.gradient / scales, rcond=None)[0] / scales
    squared = step @ maximum.information @ step
    if not squared > 0:
        return step, np.zeros(len(step), bool)
    return 2 * step / np.sqrt(squared), np.abs(step) > _LONG * np.abs(maximum.theta)


def _without(
    covariance: Covariance,
    given: Covariance | None,
    endless: np.ndarray,
    parameters: Parameters,
    outcome: Outcome,
) -> Covariance:
    """Without what has no estimate; without any if the others have not converged.

    The others have their errors `given` one that grows, if they have settled beside it.
    """
    if given is not None:
        at = int(np.argmax(endless))
        note = (
            f"{parameters.names[at]}: the likelihood rises, or does not fall, as it grows without "
            "end, so it has no estimate; standard errors of the others hold it where the "
            "iterations ended; give it a bound, hold it fixed, or take the simpler model"
        )
        notes = (note for note in given.notes if not note.startswith(f"{parameters.names[at]}:"))
        return given._replace(notes=(*notes, note))
    table = covariance.covariance.copy()
    blank = endless if outcome is Outcome.CONVERGED else np.ones_like(endless)
    table[blank] = table[:, blank] = np.nan
    listed = ", ".join(n for n, is_one in zip(parameters.names, endless, strict=True) if is_one)
    note = (
        f"{listed}: the likelihood rises without end in a direction of these, so it has no "
        "maximum; give them bounds, hold them fixed, or leave out what they belong to"
    )
    return covariance._replace(covariance=table, notes=(*covariance.notes, note))


def _outcome(outcome: Outcome, at_bound: np.ndarray, covariance: Covariance) -> Outcome:
    if outcome not in (Outcome.CONVERGED, Outcome.AT_BOUND, Outcome.SINGULAR):
        return outcome
    if not (covariance.determined | at_bound).all():
        return Outcome.SINGULAR
    return Outcome.AT_BOUND if at_bound.any() else Outcome.CONVERGED
