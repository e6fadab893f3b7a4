"""Several starts as one population, of which the best end is kept."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from paramjax._checks import check_count, check_key, describe
from paramjax._types import Key, Params
from paramjax.estimate._objective import Objective
from paramjax.estimate._outcome import Outcome
from paramjax.estimate._parameters import Parameters

_SAME = 1e-6
"""Relative difference of the objective up to which two ends are the same optimum."""


def best_start(
    objective: Objective, first: np.ndarray, starts: int | Params, key: Key | None
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Where the best of all starts ends, and what was found.

    Args:
        objective: To be solved.
        first: The first start, float64[p], on the solver's scale, as all that follow.
        starts: How many are drawn besides, or a pytree of them.
        key: Of the draws.

    Returns:
        The best end, float64[p], and a note of the optima that were found.

    Raises:
        TypeError: If starts are drawn without a key.
        ValueError: If the starts do not have the parameters' form.
    """
    more = (
        _drawn(objective, first, starts, key)
        if isinstance(starts, int)
        else _given(objective.parameters, starts)
    )
    thetas = np.concatenate([first[None], more])
    if objective.low is not None or objective.high is not None:
        thetas = np.clip(thetas, objective.low, objective.high)
    solved = objective.solve_many(thetas)
    values = np.where(solved.outcome == Outcome.NONFINITE.code, np.inf, solved.value)
    if not np.isfinite(values).any():
        return first, ()
    return solved.theta[np.argmin(values)], (_note(values, solved.outcome),)


def _note(values: np.ndarray, outcomes: np.ndarray) -> str:
    """How many starts reach the best, and how many optima there are."""
    best = values.min()
    ended = np.isin(outcomes, [o.code for o in (Outcome.CONVERGED, Outcome.AT_BOUND)])
    ends = np.sort(values[ended & np.isfinite(values)])
    gap = np.diff(ends) > _SAME * np.abs(ends[:-1]) + 1e-300
    optima = int(gap.sum()) + 1 if len(ends) else 0
    reached = int((values <= best + _SAME * abs(best) + 1e-300).sum())
    return f"{reached} of {len(values)} starts reach the best of {optima} optima"


def _drawn(objective: Objective, first: np.ndarray, count: int, key: Key | None) -> np.ndarray:
    """Uniform between finite bounds, else up to ten times smaller or larger than the first."""
    count = check_count("starts", count)
    if key is None:
        raise TypeError(
            "starts: expected a key for drawn starts, got None; pass key=jax.random.key(0)"
        )
    seed: list[int] = np.asarray(jax.random.key_data(check_key(key))).tolist()
    draw = np.random.default_rng(seed).uniform(-1.0, 1.0, (count, len(first)))
    transforms = objective.parameters.transforms or (None,) * len(first)
    plain = np.array([transform is None for transform in transforms])
    around = np.where(plain & (first != 0), first * 10.0**draw, first + 2.0 * draw)
    low = np.full(len(first), -np.inf) if objective.low is None else objective.low
    high = np.full(len(first), np.inf) if objective.high is None else objective.high
    closed = np.isfinite(low) & np.isfinite(high)
    below, above = np.where(closed, low, 0.0), np.where(closed, high, 0.0)
    between = below + (above - below) * (draw + 1) / 2
    return np.where(closed, between, around)


def _given(parameters: Parameters, starts: Params) -> np.ndarray:
    leaves, treedef = jax.tree.flatten(starts)
    expected = [("m", *shape) for shape in parameters.shapes]
    arrays: list[Any] = [np.asarray(leaf, np.float64) for leaf in leaves]
    counts = {array.shape[:1] for array in arrays}
    shapes = [array.shape[1:] for array in arrays]
    if treedef != parameters.treedef or shapes != list(parameters.shapes) or len(counts) != 1:
        raise ValueError(
            f"starts: expected a pytree as params0 with a leading axis, {expected}, got "
            f"{[describe(array) for array in arrays]}"
        )
    whole = np.concatenate([array.reshape(len(array), -1) for array in arrays], axis=1)
    starts_on: np.ndarray = parameters.to_solver(
        whole if parameters.held is None else whole[:, parameters.held.places]
    )
    return starts_on
