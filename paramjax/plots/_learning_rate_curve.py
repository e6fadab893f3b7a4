"""A metric against one hyperparameter: the learning-rate curve."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from paramjax._checks import needs_extra
from paramjax._format import number
from paramjax._status import Status
from paramjax.plots._axis import SPREAD, Axis, axes_of, chosen, spread
from paramjax.plots._scale import draw_scale
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
from paramjax.plots._trials import Picture, ending, picture, value_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from paramjax.tuning._result import Sweep

_WINDOWS = 8
_LEAST_WINDOW = 5
_LINE = "#003F63"


def learning_rate_curve(
    sweep: Sweep, ax: Axes, metric: str = "loss", *, maximise: bool = False, name: str | None = None
) -> Axes:
    """Draw a metric against a hyperparameter: a dot a seed, a line through the trials.

    The line joins the means over the seeds where nothing else varies between the trials, and is
    else a running median of them; it counts trials that were not stopped early, a lost one as
    worse than all others. What has no place on the axis, since it diverged or was stopped at a
    bad value, is marked in a lane at its bad end. Dots of a category are set side by side in the
    order of the trials.

    Args:
        sweep: What `sweep` or `search` returned.
        ax: Is drawn on.
        metric: A name among the records' metrics.
        maximise: Whether larger is better.
        name: The hyperparameter; the learning rate, else the first number on a logarithmic scale,
            else the first number, else the first choice.

    Returns:
        The axes.

    Raises:
        ModuleNotFoundError: Without matplotlib.
        ValueError: For an unknown metric or hyperparameter, with the nearest known ones.

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
        >>> ax = learning_rate_curve(swept, Figure().add_subplot())
        >>> ax.get_xlabel(), ax.get_xscale(), ax.get_ylabel()
        ('learning rate', 'log', 'loss')
    """
    with needs_extra("bench"):
        import matplotlib  # noqa: F401
    drawn = picture(sweep, metric, maximise=maximise)
    axis = chosen(axes_of(sweep.space, sweep.records), name)
    where = _places(drawn, axis)
    _draw_horizontal(ax, axis, drawn)
    lane = _dots(ax, drawn, where)
    _line(ax, drawn, axis, where, alone=len(sweep.space) == 1)
    _best(ax, drawn, axis, where)
    draw_scale(ax, drawn.scale, lane=lane)
    if drawn.scale.empty:
        ax.text(0.5, 0.5, f"no finite {words(metric)}", ha="center", transform=ax.transAxes)
    ax.set_ylabel(words(metric))
    tidy(ax, f"{words(metric)} against {words(axis.name if axis else 'trial')}")
    return ax


def _places(drawn: Picture, axis: Axis | None) -> dict[int, float]:
    """Trial -> where it is on the horizontal axis, of those that have the hyperparameter."""
    if axis is None:
        return {trial.trial: float(trial.trial) for trial in drawn.trials}
    there = [trial for trial in drawn.trials if axis.name in trial.hyperparameters]
    return spread(axis, [(trial.trial, trial.hyperparameters[axis.name]) for trial in there])


def _draw_horizontal(ax: Axes, axis: Axis | None, drawn: Picture) -> None:
    if axis is None:
        ax.set_xlabel("trial")
        return
    there = sum(axis.name in trial.hyperparameters for trial in drawn.trials)
    some = "" if there == len(drawn.trials) else f" (in {there} of {len(drawn.trials)} trials)"
    ax.set_xlabel(words(axis.name) + some)
    if axis.options is not None:
        ax.set_xlim(axis.low, axis.high)
        texts = [words(text) for text in axis.texts]
        steep = sum(map(len, texts)) > 40
        ax.set_xticks(range(len(texts)), texts, rotation=30 if steep else 0,
                      ha="right" if steep else "center")  # fmt: skip
        return
    ax.set_xscale("log" if axis.log else "linear")
    margin = 0.03
    if axis.log:
        room = (axis.high / axis.low) ** margin
        ax.set_xlim(axis.low / room, axis.high * room)
    else:
        room = (axis.high - axis.low) * margin
        ax.set_xlim(axis.low - room, axis.high + room)


def _dots(ax: Axes, drawn: Picture, where: dict[int, float]) -> bool:
    """A mark a training; whether one had to be put into the lane."""
    here = [record for record in drawn.records if record.trial in where]
    best = None if drawn.best is None else drawn.best.trial
    faint, size = faintness(len(here)), 26 if len(here) < MANY else 9
    kinds: tuple[tuple[str, str, dict[str, Any]], ...] = (
        (Status.FINISHED, "one seed", {"color": FINISHED_COLOUR, "linewidths": 0}),
        (Status.STOPPED, "stopped early", {"edgecolors": STOPPED_COLOUR, "facecolors": "none"}),
        (Status.DIVERGED, "diverged", {"color": DIVERGED_COLOUR, "marker": "x"}),
    )
    lane = False
    for status, text, look in kinds:
        own = [r for r in here if ending(r, drawn.metric) == status and r.trial != best]
        x = np.array([where[record.trial] for record in own])
        y = np.array([value_of(record, drawn.metric) for record in own])
        on = drawn.scale.holds(y)
        common = {"s": size, "zorder": 2, "rasterized": len(here) > MANY, "linewidths": 0.8} | look
        if on.any():
            ax.scatter(x[on], y[on], alpha=faint, label=text, **common)
        if not on.all():
            lane = True
            ax.scatter(
                x[~on], np.full(np.sum(~on), drawn.scale.lane), alpha=max(faint, 0.3),
                label="" if on.any() else text, transform=ax.get_xaxis_transform(), **common,
            )  # fmt: skip
    return lane


def _line(
    ax: Axes, drawn: Picture, axis: Axis | None, where: dict[int, float], *, alone: bool
) -> None:
    """The means of the trials, or a running median of them."""
    ended = [t for t in drawn.trials if t.status != Status.STOPPED and t.trial in where]
    bad = -math.inf if drawn.scale.maximise else math.inf
    values = np.array([t.value if math.isfinite(t.value) else bad for t in ended])
    if axis is not None and axis.options is not None:
        places = np.array([axis.place(t.hyperparameters[axis.name]) for t in ended])
        x, y = medians(places, values, window=0)
        if axis.ordered:
            ax.plot(x, _on(drawn, y), color=_LINE, linewidth=1.2, zorder=2.9)
        if drawn.scale.holds(y).any():
            ends = (_on(drawn, y), x - SPREAD / 2, x + SPREAD / 2)
            ax.hlines(*ends, color=_LINE, linewidth=2.4, zorder=3, label="median of the trials")
        return
    places = np.array([where[trial.trial] for trial in ended])
    repeated = len(set(places.tolist())) <= len(places) / 3
    if alone or repeated:
        window = 0
    else:
        window = max(_LEAST_WINDOW, len(places) // _WINDOWS) | 1
    if len(places) < max(2, window):
        return
    x, y = medians(places, values, window=window)
    same = alone and len(x) == len(places)
    text = "mean of the seeds" if same else "running median" if window else "median of the trials"
    if same and len(drawn.records) == len(drawn.trials):
        text = "from trial to trial"
    if drawn.scale.holds(y).any():
        ax.plot(x, _on(drawn, y), color=_LINE, linewidth=1.6, zorder=3, label=text)


def medians(
    places: np.ndarray, values: np.ndarray, *, window: int
) -> tuple[np.ndarray, np.ndarray]:
    """The median of values at each place, or of those next to it.

    Args:
        places: [trials].
        values: [trials], infinite where a trial was lost.
        window: An odd number of neighbours, fewer at the ends, where as many are taken on either
            side; 0 for those at the same place.

    Returns:
        The places in their order, and the medians.

    Example:
        >>> x, y = medians(np.array([2.0, 1.0, 1.0]), np.array([5.0, 1.0, 3.0]), window=0)
        >>> x.tolist(), y.tolist()
        ([1.0, 2.0], [2.0, 5.0])
    """
    if not window:
        x = np.unique(places)
        return x, np.array([_median(values[places == place]) for place in x])
    order = np.argsort(places, kind="stable")
    x, y, half = places[order], values[order], window // 2
    reach = [min(half, place, len(x) - 1 - place) for place in range(len(x))]
    return x, np.array([_median(y[p - r : p + r + 1]) for p, r in enumerate(reach)])


def _median(values: np.ndarray) -> float:
    """The median; of an even number the mean of the middle two, which may be infinite."""
    ordered = np.sort(values)
    low, high = ordered[(len(values) - 1) // 2], ordered[len(values) // 2]
    return float(low if low == high else (low + high) / 2)


def _on(drawn: Picture, values: np.ndarray) -> np.ndarray:
    """NaN, which breaks a line, where a value has no place on the axis."""
    return np.where(drawn.scale.holds(values), values, np.nan)


def _best(ax: Axes, drawn: Picture, axis: Axis | None, where: dict[int, float]) -> None:
    if drawn.best is None or drawn.best.trial not in where:
        return
    x, values = where[drawn.best.trial], drawn.best.values
    ax.scatter([x] * len(values), values, s=26, color=BEST_COLOUR, zorder=4, linewidths=0)
    at = ""
    if axis is not None and axis.options is None:
        at = f" at {number(float(drawn.best.hyperparameters[axis.name]))}"  # type: ignore[arg-type]
    ax.scatter(
        [x], [drawn.best.value], s=150, marker="*", color=BEST_COLOUR, edgecolors="white",
        linewidths=0.9, zorder=5, label=f"best: {number(drawn.best.value)}{at}",
    )  # fmt: skip
