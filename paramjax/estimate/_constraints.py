"""What may not move freely: parameters held fixed, between bounds, or on a transformed scale."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np

from paramjax._checks import describe, nearest
from paramjax.estimate._parameters import Held, Parameters, flatten
from paramjax.estimate._transforms import Transform

Bounds = Mapping[str, tuple[Any, Any]] | tuple[Any, Any] | None


class Constrained(NamedTuple):
    """Parameters that are estimated, and their bounds, [p], or None."""

    parameters: Parameters
    low: np.ndarray | None
    high: np.ndarray | None


def constrained(
    parameters: Parameters,
    *,
    bounds: Bounds = None,
    transforms: Mapping[str, Transform] | None = None,
    fixed: Iterable[str] | None = None,
) -> Constrained:
    """The parameters with their constraints.

    Args:
        parameters: All of them.
        bounds: `{name: (low, high)}`, or a pair of pytrees that are prefixes of the parameters'.
        transforms: `{name: transform}`.
        fixed: Names of those that stay at their start.

    Raises:
        ValueError: If a name is unknown, the start lies outside, or nothing is left to estimate.
    """
    low, high = _bounds(parameters, bounds)
    scales = _transforms(parameters, transforms)
    free = _free(parameters, fixed)
    _check_inside(parameters, low, high, scales, free)
    places = np.flatnonzero(free)
    chosen = tuple(scales[at] for at in places)
    kept = dataclasses.replace(
        parameters,
        names=tuple(parameters.names[at] for at in places),
        start=parameters.start[places],
        held=None if free.all() else Held(places, parameters.start),
        transforms=chosen if any(chosen) else None,
    )
    low, high = low[places], high[places]
    return Constrained(
        kept,
        low if np.isfinite(low).any() else None,
        high if np.isfinite(high).any() else None,
    )


def positions(parameters: Parameters, name: str, what: str) -> list[int]:
    """Where the numbers of a leaf lie, or one number such as `w[0]`.

    Raises:
        ValueError: If there is none of this name.
    """
    names = parameters.names
    found = [at for at, full in enumerate(names) if full == name or full.startswith(f"{name}[")]
    if not found:
        known = {full.split("[")[0] for full in names} | set(names)
        raise ValueError(f"{what}: {nearest(name, known, what='parameter')}")
    return found


def _bounds(parameters: Parameters, bounds: Bounds) -> tuple[np.ndarray, np.ndarray]:
    low, high = np.full(parameters.size, -np.inf), np.full(parameters.size, np.inf)
    if bounds is None:
        return low, high
    if isinstance(bounds, Mapping):
        for name, pair in bounds.items():
            at = positions(parameters, name, "bounds")
            low[at], high[at] = _pair(name, pair, len(at))
    elif isinstance(bounds, tuple) and len(bounds) == 2:
        low, high = _prefix(parameters, bounds[0], low), _prefix(parameters, bounds[1], high)
    else:
        raise TypeError(
            "bounds: expected {name: (low, high)}, or a pair (low, high) of pytrees as the "
            f"parameters, got {describe(bounds)}"
        )
    return _check_order(parameters, low, high)


def _pair(name: str, pair: Any, size: int) -> tuple[Any, Any]:
    try:
        low, high = pair
        ends = [
            np.full(size, open_) if end is None else np.broadcast_to(np.ravel(end), (size,))
            for end, open_ in ((low, -np.inf), (high, np.inf))
        ]
        return ends[0].astype(float), ends[1].astype(float)
    except (TypeError, ValueError):
        raise ValueError(
            f"bounds: expected (low, high) of {name}, numbers or arrays of {size}, None where "
            f"there is no bound, got {describe(pair)}"
        ) from None


def _prefix(parameters: Parameters, side: Any, open_: np.ndarray) -> np.ndarray:
    """One side's bounds of all numbers, from a prefix of the parameters' pytree."""
    if side is None:
        return open_
    whole = parameters.tree(parameters.start)
    try:
        spread = jax.tree.map(
            lambda bound, part: jax.tree.map(
                lambda leaf: np.broadcast_to(np.asarray(bound, np.float64), np.shape(leaf)), part
            ),
            side,
            whole,
        )
    except ValueError:
        raise ValueError(
            f"bounds: expected pytrees that are prefixes of the parameters', got {describe(side)}; "
            "give {name: (low, high)}"
        ) from None
    return flatten(spread)


def _check_order(
    parameters: Parameters, low: np.ndarray, high: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    for name, below, above in zip(parameters.names, low, high, strict=True):
        if not below < above:
            raise ValueError(
                f"bounds: expected low < high for {name}, got ({below:g}, {above:g}); hold a "
                f"parameter by fixed=[{name!r}]"
            )
    return low, high


def _transforms(
    parameters: Parameters, transforms: Mapping[str, Transform] | None
) -> list[Transform | None]:
    scales: list[Transform | None] = [None] * parameters.size
    for name, transform in (transforms or {}).items():
        if not isinstance(transform, Transform):
            raise TypeError(
                f"transforms: expected pj.estimate.positive, unit_interval or a Transform for "
                f"{name}, got {describe(transform)}"
            )
        for at in positions(parameters, name, "transforms"):
            scales[at] = transform
    return scales


def _free(parameters: Parameters, fixed: Iterable[str] | None) -> np.ndarray:
    free = np.ones(parameters.size, bool)
    if isinstance(fixed, Mapping):
        raise TypeError(
            f"fixed: expected names of parameters, which stay at their start, got {describe(fixed)}"
            "; set the numbers in params0"
        )
    names = [fixed] if isinstance(fixed, str) else fixed or ()
    for name in names:
        free[positions(parameters, name, "fixed")] = False
    if not free.any():
        raise ValueError("fixed: expected at least one parameter to estimate, all are fixed")
    return free


def _check_inside(
    parameters: Parameters,
    low: np.ndarray,
    high: np.ndarray,
    scales: list[Transform | None],
    free: np.ndarray,
) -> None:
    """Raise unless the start lies between the bounds and on the scales of the transforms."""
    with jax.enable_x64(True):
        for at in range(parameters.size):
            name, start, transform = parameters.names[at], parameters.start[at], scales[at]
            if not low[at] <= start <= high[at]:
                raise ValueError(
                    f"params0: expected a start between the bounds {low[at]:g} and {high[at]:g}, "
                    f"got {name} = {start:g}"
                )
            if transform is None or not free[at]:
                continue
            if np.isfinite([low[at], high[at]]).any():
                raise ValueError(f"bounds: {name} has a transform, too; give one of the two")
            if not np.isfinite(np.asarray(transform.inverse(start))):
                raise ValueError(
                    f"params0: expected a start on the scale of its transform, got {name} = "
                    f"{start:g}"
                )
