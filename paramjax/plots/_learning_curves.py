"""A metric along all trainings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from paramjax._checks import needs_extra
from paramjax._status import Status
from paramjax.plots._scale import STOPPED_SHARE, Scale, draw_scale, scale_of, usual
from paramjax.plots._style import (
    BEST_COLOUR,
    DIVERGED_COLOUR,
    FINISHED_COLOUR,
    MANY,
    STOPPED_COLOUR,
    faintness,
    tidy,
    words,
)
from paramjax.plots._trials import ending, picture
from paramjax.populations._trial_run import Record

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from paramjax.tuning._result import Sweep

_USUAL = 0.98
"""Share of the values that must have a place: a spike may leave the axis."""

_POINTS = 200
"""Points of a curve at most; each is a mean over consecutive steps."""


def learning_curves(
    sweep: Sweep, ax: Axes, metric: str = "loss", *, maximise: bool = False
) -> Axes:
    """Draw each training's curve: the best trial in front, stopped and diverged ones apart.

    The curve is that of the metric if most trainings were evaluated at least twice, else what was
    measured while training: the metric if it is there, or the loss. A training that diverged is
    marked in a lane at the bad end of the axis, above the step at which it was lost.

    Args:
        sweep: What `sweep` or `search` returned.
        ax: Is drawn on.
        metric: A name among the records' metrics.
        maximise: Whether larger is better.

    Returns:
        The axes.

    Raises:
        ModuleNotFoundError: Without matplotlib.
        ValueError: For an unknown metric, with the nearest known ones.

    Example:
        >>> import jax
        >>> import jax.numpy as jnp
        >>> import optax
        >>> from matplotlib.figure import Figure
        >>> import paramjax as pj
        >>> loss_fn = lambda params, batch, key: (jnp.mean((params - batch) ** 2), {})
        >>> swept = pj.sweep(
        ...     lambda hp: pj.train_step(loss_fn, optax.sgd(hp["learning_rate"])),
        ...     {"learning_rate": pj.log_uniform(1e-3, 0.5)},
        ...     init=lambda key: jax.random.normal(key), data=jnp.array([1.0, 3.0]),
        ...     trials=4, seeds=2, steps=5, key=jax.random.key(0), layout=pj.populations.Layout(8),
        ... )
        >>> learning_curves(swept, Figure().add_subplot()).get_ylabel()
        'loss while training'
    """
    with needs_extra("bench"):
        import matplotlib  # noqa: F401
    best = picture(sweep, metric, maximise=maximise).best
    curves = _curves(sweep, metric, maximise=maximise)
    endings = [ending(record, metric) for record in sweep.records]
    first = np.array([best is not None and r.trial == best.trial for r in sweep.records])
    scale = _scale(curves, np.array(endings), first)
    faint = 0.7 * faintness(len(sweep.records))
    kinds: tuple[tuple[str, str, str, float, Any, float], ...] = (
        (Status.DIVERGED, "diverged", DIVERGED_COLOUR, faint, (0, (4, 2)), 0.9),
        (Status.STOPPED, "stopped early", STOPPED_COLOUR, faint, "solid", 0.9),
        (Status.FINISHED, "a training", FINISHED_COLOUR, faint, "solid", 0.9),
    )
    for status, text, colour, alpha, style, width in kinds:
        own = np.array([ended == status for ended in endings]) & ~first
        _draw(ax, curves, own, scale, color=colour, alpha=alpha, linestyles=style,
              linewidths=width, zorder=2, label=text)  # fmt: skip
        if status == Status.STOPPED:
            _draw_ends(ax, curves, own, scale, colour, alpha)
    _draw(ax, curves, first, scale, color=BEST_COLOUR, alpha=1.0, linestyles="solid",
          linewidths=2.2, zorder=4, label="best trial")  # fmt: skip
    lane = _lost(ax, sweep, np.array(endings) == Status.DIVERGED, scale)
    draw_scale(ax, scale, lane=lane)
    ax.set_xlim(0, 1.02 * max(max(r.steps, _lost_at(r)) for r in sweep.records))
    ax.set(xlabel="step", ylabel=curves.label)
    if scale.empty:
        ax.text(0.5, 0.5, f"no finite {curves.label}", ha="center", transform=ax.transAxes)
    tidy(ax, "learning curves")
    return ax


class _Curves(NamedTuple):
    """What is drawn along the steps.

    Attributes:
        label: In words.
        steps: float[points].
        values: float[trainings, points]; NaN once a training has ended.
        maximise: Whether larger is better.
    """

    label: str
    steps: np.ndarray
    values: np.ndarray
    maximise: bool


def _scale(curves: _Curves, endings: np.ndarray, first: np.ndarray) -> Scale:
    """The axis for the best, for the others but for their spikes, and for most of the stopped."""
    ended = usual(curves.values[endings == Status.FINISHED], _USUAL, maximise=curves.maximise)
    stopped = usual(
        curves.values[endings == Status.STOPPED], STOPPED_SHARE, maximise=curves.maximise
    )
    seen = np.concatenate([ended, stopped, curves.values[first].ravel()])
    return scale_of(seen, curves.values, maximise=curves.maximise)


def _curves(sweep: Sweep, metric: str, *, maximise: bool) -> _Curves:
    longest = max((record.curve["step"] for record in sweep.records), key=len)
    points = [len(record.curve.get(metric, ())) for record in sweep.records]
    if min(points) and np.median(points) > 1:
        values = np.full((len(sweep.records), len(longest)), np.nan)
        for place, record in enumerate(sweep.records):
            values[place, : len(record.curve[metric])] = record.curve[metric]
        return _Curves(words(metric), np.array(longest), values, maximise)
    history = sweep.history
    name = metric if metric in history and history[metric].ndim == 2 else "loss"
    steps, values = thinned(history[name])
    return _Curves(f"{words(name)} while training", steps, values, maximise and name == metric)


def thinned(values: np.ndarray, points: int = _POINTS) -> tuple[np.ndarray, np.ndarray]:
    """Means over consecutive steps, few enough to draw.

    Args:
        values: [trainings, steps], NaN once a training has ended.
        points: How many means at most, positive.

    Returns:
        The last step of each mean, from 1, and the means of what there is, [trainings, points].

    Example:
        >>> steps, means = thinned(np.array([[1.0, 3.0, 5.0, np.nan]]), points=2)
        >>> steps.tolist(), means.tolist()
        ([2, 4], [[2.0, 5.0]])
    """
    each = -(-values.shape[1] // points)
    starts = np.arange(0, values.shape[1], each)
    there = ~np.isnan(values)
    with np.errstate(invalid="ignore", over="ignore"):
        sums = np.add.reduceat(np.where(there, values, 0).astype(np.float64), starts, axis=1)
        counts = np.add.reduceat(there.astype(np.float64), starts, axis=1)
        means = np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0)
    return np.minimum(starts + each, values.shape[1]), means


def _draw(ax: Axes, curves: _Curves, which: np.ndarray, scale: Scale, **look: Any) -> None:
    from matplotlib.collections import LineCollection

    seen = np.isfinite(curves.values) & (not scale.log or curves.values > 0)
    lines = [
        np.column_stack([curves.steps[there], own[there]])
        for own, there in zip(curves.values[which], seen[which], strict=True)
        if there.any()
    ]
    if not lines:
        return
    rasterized = len(lines) > MANY
    ax.add_collection(LineCollection(lines, rasterized=rasterized, **look), autolim=False)
    alone = np.array([line[0] for line in lines if len(line) == 1])
    if alone.size:
        x, y = alone.T
        ax.scatter(x, y, s=14, color=look["color"], alpha=look["alpha"], linewidths=0,
                   zorder=look["zorder"], rasterized=rasterized)  # fmt: skip


def _draw_ends(
    ax: Axes, curves: _Curves, which: np.ndarray, scale: Scale, colour: str, alpha: float
) -> None:
    """A dot where a training was stopped."""
    ends = []
    for own in curves.values[which]:
        there = np.flatnonzero(np.isfinite(own))
        if there.size and scale.holds(own[there[-1]]):
            ends.append((curves.steps[there[-1]], own[there[-1]]))
    if ends:
        x, y = zip(*ends, strict=True)
        ax.scatter(x, y, s=12, color=colour, alpha=max(alpha, 0.4), linewidths=0,
                   zorder=2.1, rasterized=len(ends) > MANY)  # fmt: skip


def _lost(ax: Axes, sweep: Sweep, which: np.ndarray, scale: Scale) -> bool:
    """A cross above the step at which a training was lost; whether there is any."""
    steps = [_lost_at(record) for record, own in zip(sweep.records, which, strict=True) if own]
    if not steps:
        return False
    known = any(text == "diverged" for text in ax.get_legend_handles_labels()[1])
    ax.scatter(
        steps, [scale.lane] * len(steps), s=22 if len(steps) < MANY else 9, marker="x",
        color=DIVERGED_COLOUR, linewidths=0.8, alpha=max(0.3, faintness(len(steps))), zorder=3,
        transform=ax.get_xaxis_transform(), rasterized=len(steps) > MANY,
        label="" if known else "diverged",
    )  # fmt: skip
    return True


def _lost_at(record: Record) -> int:
    """The step, from 1, in which a training was lost, or its last one."""
    return record.steps if record.diverged_step is None else record.diverged_step + 1
