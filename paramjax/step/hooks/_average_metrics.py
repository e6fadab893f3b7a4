"""A monitor: the mean of metrics over the last steps."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax.numpy as jnp

from paramjax._checks import check_count, describe, nearest
from paramjax._types import Array, Metrics, Params
from paramjax.step._norms import widest_float
from paramjax.step.hooks._hook import Hook


class WindowState(NamedTuple):
    """State of `average_metrics`.

    Attributes:
        steps: Steps seen so far, int32[].
        values: The metrics of the last steps, float32[window, names] (float64 under x64), as a
            ring buffer; zeros where nothing was written yet.
    """

    steps: Array
    values: Array


def average_metrics(*names: str, window: int) -> Hook:
    """Report the mean of metrics over the last steps, each as `<name>/mean`.

    Before the window is full it is the mean of the steps so far. The mean is taken over the
    stored values at each step, so that no rounding error accumulates, and a NaN shows as NaN
    until it has left the window, not longer.

    If a guard later in the list rejects a step, the step is reported and then leaves the
    window; if the guard is earlier, it stays in the window. A step whose batch holds no row
    that counts (an empty sample of `poisson`) leaves the window as it is; before the first
    row the mean is NaN.

    Args:
        *names: Metrics of the step, of monitors, or of hooks earlier in the list.
        window: Steps to average over, positive.

    Returns:
        A hook.

    Raises:
        TypeError: If a name is not a string, or the window is not an integer.
        ValueError: If there is no name, a name is given twice, or the window is not
            positive; at the first trace, if a name is not among the metrics, or its metric
            is not a scalar.

    Example:
        >>> import paramjax as pj
        >>> hook = pj.hooks.average_metrics("loss", window=2)
        >>> own, reported = hook.init(None), []
        >>> for loss in (1.0, 3.0, 5.0):
        ...     own, _, metrics = hook.apply(own, None, None, {"loss": jnp.float32(loss)})
        ...     reported.append(float(metrics["loss/mean"]))
        >>> reported
        [1.0, 2.0, 4.0]
    """
    _check_names(names)
    check_count("average_metrics: window", window)

    def init(params: Params) -> WindowState:
        del params
        return WindowState(
            jnp.zeros([], jnp.int32), jnp.zeros((window, len(names)), widest_float())
        )

    def apply(
        own: WindowState, old: Any, new: Any, metrics: Metrics, counted: Array | None = None
    ) -> tuple[WindowState, Any, Metrics]:
        del old
        latest = jnp.stack([_scalar(name, metrics) for name in names])
        values = own.values.at[own.steps % window].set(latest)
        steps = own.steps + 1
        if counted is not None:  # a step without rows leaves the window as it is
            values = jnp.where(counted, values, own.values)
            steps = own.steps + counted
        means = values.sum(0) / jnp.clip(steps, 1, window)
        if counted is not None:
            means = jnp.where(steps > 0, means, jnp.nan)
        reported = {f"{name}/mean": means[index] for index, name in enumerate(names)}
        return WindowState(steps, values), new, {**metrics, **reported}

    return Hook(init, apply, name="average_metrics", apply_counted=apply)


def _check_names(names: tuple[str, ...]) -> None:
    if not names:
        raise ValueError("average_metrics: expected the names of metrics, such as 'loss'")
    for name in names:
        if not isinstance(name, str):
            raise TypeError(f"average_metrics: expected names of metrics, got {describe(name)}")
        if names.count(name) > 1:
            raise ValueError(f"average_metrics: {name!r} is given twice; name each metric once")


def _scalar(name: str, metrics: Metrics) -> Array:
    if name not in metrics:
        message = nearest(name, metrics, what="metric")
        raise ValueError(f"average_metrics: {message}; a hook that reports it must come earlier")
    value = metrics[name]
    if jnp.shape(value) != ():
        raise ValueError(
            f"average_metrics: expected scalars, got shape {jnp.shape(value)} for {name!r}"
        )
    return jnp.asarray(value, widest_float())
