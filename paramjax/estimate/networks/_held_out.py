"""What held-out rows say: the prior precision and the temperature that predict them best."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import special

from paramjax.estimate.networks._likelihoods import Categorical

_DECADES = np.log(10.0) * np.arange(-4, 7)
"""Precisions of the grid, as logarithms, from whose best the maximum is climbed."""

_TEMPERATURES = (np.log(1e-2), np.log(1e2))
"""Ends of the search, as logarithms."""

_TOLERANCE = 0.02
"""Of the precision, relative: held-out rows know it less well."""


def best_precision(score: Callable[[float], float]) -> float:
    """The prior precision with the largest score; an end of the grid, if that is the best."""
    scores = [score(float(np.exp(log))) for log in _DECADES]
    top = int(np.argmax(scores))
    if top in {0, len(scores) - 1}:
        return float(np.exp(_DECADES[top]))
    low, high = _DECADES[top - 1], _DECADES[top + 1]
    return float(np.exp(_climbed(lambda log: score(float(np.exp(log))), low, high, _TOLERANCE)))


def temperature(logits: Any, y: Any) -> float:
    r"""The number by which to divide a network's logits, so that its probabilities are right.

    $$T = \arg\min_T -\sum_n \log \mathrm{softmax}(f_n / T)_{y_n}$$
    (Guo, Pleiss, Sun and Weinberger, 2017, On calibration of modern neural networks, section 4.2).
    The most probable class stays what it was. It takes rows that the network has not learned from,
    and knows nothing of inputs unlike those.

    Args:
        logits: Of held-out rows, [rows, classes], or of one logit for two classes, [rows] or
            [rows, 1].
        y: Their classes, int[rows].

    Returns:
        $T$, above 1 for a network that is too sure; between 0.01 and 100.

    Raises:
        TypeError: If the classes are not whole numbers.
        ValueError: If shapes disagree, a class is out of range, or a logit is not finite.

    Example:
        >>> logits = np.array([[0.0, 4.0]] * 4)  # 98 % sure, and right in three of four
        >>> round(temperature(logits, np.array([1, 1, 1, 0])), 3)  # 4 / log 3
        3.641
    """
    values = np.asarray(logits, np.float64)
    if values.ndim not in {1, 2} or not values.size:
        raise ValueError(f"logits: expected [rows, classes] or [rows], got shape {values.shape}")
    finite = np.isfinite(values.reshape(len(values), -1)).all(axis=1)
    if not finite.all():
        raise ValueError(f"logits: expected finite numbers, got others in row {finite.argmin()}")
    if values.ndim == 1 or values.shape[1] == 1:
        values = np.stack([np.zeros(len(values)), values.reshape(-1)], axis=1)
    labels = Categorical().targets(y, values.shape[1])
    if len(labels) != len(values):
        raise ValueError(f"y: expected {len(values)} classes, one a row, got {len(labels)}")
    ahead = values - np.take_along_axis(values, labels[:, None], axis=1)

    def score(log: float) -> float:
        return -float(special.logsumexp(ahead / np.exp(log), axis=1).sum())

    return float(np.exp(_climbed(score, *_TEMPERATURES, 1e-6)))


def _climbed(score: Callable[[float], float], low: float, high: float, tolerance: float) -> float:
    """Where the score is largest between two numbers."""
    from scipy import optimize  # at the call, for it takes 0.2 s

    found = optimize.minimize_scalar(
        lambda at: -score(at), bounds=(low, high), method="bounded", options={"xatol": tolerance}
    )
    return float(found.x)
