"""Checks of what conformal prediction is given, and the numbers that randomise it."""

from __future__ import annotations

import warnings
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from paramjax._checks import check_key, describe
from paramjax._types import Key
from paramjax.estimate.networks._conformal_quantile import least_rows
from paramjax.estimate.networks._conformal_scores import IntervalScore, SetScore


def checked_score(score: Any, kind: type) -> Any:
    """The score; raise unless it is of a kind, `IntervalScore` or `SetScore`."""
    if not isinstance(score, kind):
        known = {
            IntervalScore: "an IntervalScore such as absolute_score()",
            SetScore: "a SetScore such as least_ambiguous_score()",
        }
        raise TypeError(f"score: expected {known[kind]}, got {describe(score)}")
    return score


def checked_prediction(
    score: IntervalScore, prediction: Any, rows: tuple[int, ...] | None = None
) -> Any:
    """A prediction as float64 arrays of one shape, by default [rows]."""
    pair = tuple(prediction) if isinstance(prediction, tuple | list) else (prediction,)
    if len(score.parts) == 1:
        pair = (prediction,)
    if len(pair) != len(score.parts):
        wanted = " and ".join(score.parts)
        raise ValueError(
            f"prediction: expected a pair of {wanted}, each [rows], got {describe(prediction)}"
        )
    shape = np.shape(pair[0]) if rows is None else rows
    if rows is None and (len(shape) != 1 or not shape[0]):
        raise ValueError(f"prediction: expected [rows], at least one, got shape {shape}")
    arrays = tuple(
        finite_array(f"prediction: {name}", own, shape)
        for name, own in zip(score.parts, pair, strict=True)
    )
    return arrays if len(arrays) > 1 else arrays[0]


def finite_array(name: str, values: Any, shape: tuple[int, ...] | None) -> np.ndarray:
    """Values as float64 of a shape; the first place that is not finite is named."""
    array = np.asarray(values, np.float64)
    if shape is not None and array.shape != shape:
        raise ValueError(f"{name}: expected shape {shape}, got {array.shape}")
    bad = np.argwhere(~np.isfinite(array))
    if len(bad):
        place = bad[0].tolist()
        raise ValueError(
            f"{name}: expected finite numbers, got {array[tuple(place)]} at index {place}; leave "
            "out the row, or the model that predicts it"
        )
    return array


def checked_probabilities(probabilities: Any, axes: int = 2) -> np.ndarray:
    """Class probabilities as float64; raise unless they are from 0 to 1."""
    chances = finite_array("probabilities", probabilities, None)
    if chances.ndim != axes or not chances.size:
        folds = "folds, " * (axes - 2)
        raise ValueError(f"probabilities: expected [{folds}rows, classes], got {chances.shape}")
    excess = np.abs(chances.sum(axis=-1) - 1)
    off = np.argwhere((chances < -1e-6).any(axis=-1) | (excess > _rounding_of(probabilities)))
    if len(off):
        raise ValueError(
            "probabilities: expected numbers from 0 to 1 that add up to 1, got "
            f"{chances[tuple(off[0])].round(4).tolist()} in row {off[0][-1]}; of logits take "
            "jax.nn.softmax"
        )
    return chances


def _rounding_of(probabilities: Any) -> float:
    """How far the sum of a softmax of these numbers may lie from 1: bfloat16 has 8 bits."""
    dtype = np.asarray(probabilities).dtype
    return 4 * 2.0**-7 if dtype == jnp.bfloat16 else 4 * 2.0**-10


def checked_labels(labels: Any, rows: int, classes: int) -> np.ndarray:
    """Labels as int[rows]; raise unless each is one of the classes."""
    own = np.asarray(labels)
    if not np.issubdtype(own.dtype, np.integer):
        raise TypeError(f"labels: expected whole numbers [rows], got {describe(labels)}")
    if own.shape != (rows,):
        raise ValueError(f"labels: expected shape {(rows,)}, got {own.shape}")
    bad = np.flatnonzero((own < 0) | (own >= classes))
    if len(bad):
        raise ValueError(
            f"labels: expected numbers from 0 to {classes - 1}, got {own[bad[0]]} in row {bad[0]}"
        )
    return own


def uniforms(score: SetScore, key: Key | None, rows: int) -> np.ndarray | None:
    """Uniform numbers [rows, 1] of a key; None for a score that takes none."""
    if not score.randomised:
        return None
    if key is None:
        raise ValueError(
            "key: expected a typed key such as jax.random.key(0), for this score is randomised; "
            "or take adaptive_score(randomised=False)"
        )
    return np.asarray(jax.random.uniform(check_key(key), (rows, 1)), np.float64)


def warn_of_few(rows: int, level: float, group: str = "", *, weighted: bool = False) -> None:
    """Warn that calibration rows are too few for a level."""
    needs = "more" if weighted else f"at least {least_rows(level)}"
    kind = " or of more weight" if weighted else ""
    warnings.warn(
        f"conformal: level {level} needs {needs} calibration rows{kind}{group}, got {rows}; "
        "predictions are unbounded there",
        UserWarning,
        stacklevel=4,
    )
