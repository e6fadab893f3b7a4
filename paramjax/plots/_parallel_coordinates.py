"""All hyperparameters side by side, a line a trial, coloured by how it did."""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from paramjax._checks import needs_extra
from paramjax._status import Status
from paramjax.plots._axis import Axis, axes_of, spread, ticks
from paramjax.plots._scale import WORSE, Scale
from paramjax.plots._style import BEST_COLOUR, DIVERGED_COLOUR, MANY, SHADES, faintness, tidy, words
from paramjax.plots._trials import Picture, TrialScore, picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap

    from paramjax.tuning._result import Sweep

ABSENT = -0.16
"""Height of the lane below an axis for trials where the hyperparameter does not exist."""

_LOST_ABOVE, _LOST_BELOW = 1.1, -0.16
_LETTERS = 16
_PALEST = 0.9
Points = list[tuple[float, float]]


def parallel_coordinates(
    sweep: Sweep, ax: Axes, metric: str = "loss", *, maximise: bool = False
) -> Axes:
    r"""Draw a line for each trial through its hyperparameters to the mean over its seeds.

    The darker a line, the better the trial, and good ones lie above bad ones. Where a
    hyperparameter does not exist, the line leaves the axis and passes below it, dotted. Trials
    that were stopped early are thin, with the value that they had then; diverged ones are dashed
    and end beyond the bad end of the metric. Lines of one category lie side by side.

    Args:
        sweep: What `sweep` or `search` returned.
        ax: Is drawn on; it is best much wider than high.
        metric: A name among the records' metrics.
        maximise: Whether larger is better.

    Returns:
        The axes: hyperparameters stand at 0, 1, ... in the order of the space, then the metric;
        heights are shares of each axis, from 0 to 1.

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
        >>> ax = parallel_coordinates(swept, Figure().add_subplot())
        >>> [text.get_text().split("\n")[0] for text in ax.get_xticklabels()]
        ['learning rate', 'loss']
    """
    with needs_extra("bench"):
        import matplotlib  # noqa: F401
    drawn = picture(sweep, metric, maximise=maximise)
    axes = list(axes_of(sweep.space, sweep.records).values())
    paths = _paths(drawn, axes)
    _lines(ax, drawn, paths)
    _best(ax, drawn, paths)
    _bars(ax, axes, drawn, paths)
    many = len(drawn.records) > len(drawn.trials)
    end = f"{words(metric)}\n(mean of the seeds)" if many else words(metric)
    names = [textwrap.fill(words(axis.name), _LETTERS) for axis in axes]
    ax.set_xticks(range(len(axes) + 1), [*names, end])
    ax.set_yticks([])
    span = max(len(axes), 1)
    ax.set_xlim(-0.09 * span, len(axes) + 0.06 * span)
    better = "higher" if maximise else "lower"
    tidy(ax, f"all hyperparameters and {words(metric)}: {better} and darker is better")
    ax.spines[:].set_visible(False)
    ax.tick_params(axis="x", length=0, labelsize=10)
    return ax


def _paths(drawn: Picture, axes: Sequence[Axis]) -> dict[int, Points]:
    """Trial -> where its line meets each axis; those of a category from low to high."""
    lost = _LOST_BELOW if drawn.scale.maximise else _LOST_ABOVE
    ends = {
        trial.trial: float(drawn.scale.share(trial.value)) if drawn.scale.holds(trial.value)
        else lost
        for trial in drawn.trials
    }  # fmt: skip
    trials = sorted(drawn.trials, key=lambda trial: ends[trial.trial])
    paths: dict[int, Points] = {trial.trial: [] for trial in drawn.trials}
    for x, axis in enumerate(axes):
        there = [
            (trial.trial, trial.hyperparameters[axis.name])
            for trial in trials
            if axis.name in trial.hyperparameters
        ]
        heights = {trial: _height(axis, place) for trial, place in spread(axis, there).items()}
        for trial, path in paths.items():
            path.append((float(x), heights.get(trial, ABSENT)))
    for trial, path in paths.items():
        path.append((float(len(axes)), ends[trial]))
    return paths


def _height(axis: Axis, place: float) -> float:
    return float(Scale(axis.low, axis.high, axis.log, maximise=False).share(place))


def _split(path: Points) -> tuple[list[Points], list[Points]]:
    """The segments of a line where hyperparameters exist, and those to where they do not."""
    there: list[Points] = []
    gone: list[Points] = []
    # the metric, which stands last, may be lost at the same height
    absent = [y == ABSENT for _, y in path[:-1]] + [False]
    for place, (one, other) in enumerate(itertools.pairwise(path)):
        if absent[place] or absent[place + 1]:
            gone.append([one, other])
        elif there and there[-1][-1] == one:
            there[-1].append(other)
        else:
            there.append([one, other])
    return there, gone


def _lines(ax: Axes, drawn: Picture, paths: dict[int, Points]) -> None:
    """The trials but the best, the worst at the bottom."""
    best = None if drawn.best is None else drawn.best.trial
    rest = [trial for trial in drawn.trials if trial.trial != best]
    lost = [t for t in rest if t.status == Status.DIVERGED]
    stopped = [t for t in rest if t.status == Status.STOPPED]
    ended = [t for t in rest if t.status not in (Status.DIVERGED, Status.STOPPED)]
    faint = faintness(len(rest))
    dashes = (0, (5, 2.5))
    own = [paths[trial.trial] for trial in lost]
    _add(ax, own, [DIVERGED_COLOUR] * len(own), 0.6 * faint, dashes, "diverged")
    dark = shades(drawn.scale)(0.99 if drawn.scale.maximise else 0.01)
    for trials, width, text in ((stopped, 0.7, "stopped early"), (ended, 1.3, "one trial")):
        trials.sort(key=lambda trial: trial.value, reverse=not drawn.scale.maximise)
        colours = _shaded(trials, drawn.scale, faint)
        _add(ax, [paths[t.trial] for t in trials], colours, None, "solid", "", width=width)
        if trials:
            ax.plot([], [], color=dark, linewidth=width, label=text)


def _shaded(trials: Sequence[TrialScore], scale: Scale, faint: float) -> list[Any]:
    """A colour for each trial, from the worst to the best, which is the least transparent."""
    colours: list[Any] = []
    for place, trial in enumerate(trials):
        red, green, blue, _ = shades(scale)(float(scale.share(trial.value)))
        rank = (place + 1) / len(trials)
        colours.append((red, green, blue, min(1.0, faint * (0.5 + rank**3))))
    return colours


def shades(scale: Scale) -> Colormap:
    """Dark for the good end of the metric, and never too pale for a white page."""
    import matplotlib
    from matplotlib.colors import ListedColormap

    along = np.linspace(0.0, _PALEST, 256)
    colours = matplotlib.colormaps[SHADES](along)
    return ListedColormap(colours[::-1] if scale.maximise else colours)


def _add(
    ax: Axes, paths: Sequence[Points], colours: Sequence[Any], alpha: float | None, style: Any,
    text: str, *, width: float = 1.2, zorder: float = 2.0,
) -> None:  # fmt: skip
    """Lines with what leads to absent hyperparameters dotted, as two collections."""
    from matplotlib.collections import LineCollection

    whole: list[Points] = []
    dotted: list[Points] = []
    owners: list[int] = []
    dotted_owners: list[int] = []
    for place, path in enumerate(paths):
        there, gone = _split(path)
        whole += there
        dotted += gone
        owners += [place] * len(there)
        dotted_owners += [place] * len(gone)
    common: dict[str, Any] = {"alpha": alpha, "rasterized": len(paths) > MANY, "zorder": zorder}
    if whole:
        of_each = [colours[owner] for owner in owners]
        ax.add_collection(
            LineCollection(
                whole, colors=of_each, linestyles=style, linewidths=width, label=text or None,
                **common,
            ),
            autolim=False,
        )  # fmt: skip
    if dotted:
        of_each = [colours[owner] for owner in dotted_owners]
        ax.add_collection(
            LineCollection(
                dotted, colors=of_each, linestyles=(0, (1, 3)), linewidths=0.7 * width, **common
            ),
            autolim=False,
        )


def _best(ax: Axes, drawn: Picture, paths: dict[int, Points]) -> None:
    if drawn.best is None:
        return
    path = [paths[drawn.best.trial]]
    _add(ax, path, ["white"], 1.0, "solid", "", width=4.6, zorder=3)
    _add(ax, path, [BEST_COLOUR], 1.0, "solid", "best trial", width=2.6, zorder=3.1)


def _bars(ax: Axes, axes: Sequence[Axis], drawn: Picture, paths: dict[int, Points]) -> None:
    """The vertical axes with their ticks, and the lanes beyond their ends."""
    for x, axis in enumerate(axes):
        ax.plot([x, x], [0, 1], color="0.25", linewidth=1.1, zorder=4)
        marks = [(_height(axis, value), text) for value, text in ticks(axis)]
        _tick_texts(ax, x, marks)
    lanes = [x for x in range(len(axes)) if any(path[x][1] == ABSENT for path in paths.values())]
    for x in lanes:
        _lane(ax, x, ABSENT, "absent")
    end, scale = len(axes), drawn.scale
    _strip(ax, end, scale)
    if not scale.empty:
        values = Axis(drawn.metric, scale.log, scale.low, scale.high)
        marks = [(float(scale.share(v)), text) for v, text in ticks(values, 7)]
        _tick_texts(ax, end, marks, left=False)
    lost = _LOST_BELOW if scale.maximise else _LOST_ABOVE
    beyond = any(path[-1][1] == lost for path in paths.values())
    if beyond:
        ended = {t.status for t in drawn.trials if paths[t.trial][-1][1] == lost}
        _lane(ax, end, lost, "diverged" if ended == {Status.DIVERGED} else WORSE, left=False)
    low = bool(lanes) or (beyond and scale.maximise)
    high = beyond and not scale.maximise
    ax.set_ylim(-0.24 if low else -0.06, 1.17 if high else 1.04)


def _tick_texts(
    ax: Axes, x: float, marks: Sequence[tuple[float, str]], *, left: bool = True
) -> None:
    for y, text in marks:
        if left:
            ax.plot([x], [y], marker="_", color="0.25", markersize=6, zorder=4.1)
        short = text if len(text) <= _LETTERS else f"{text[: _LETTERS - 1]}…"
        _text(ax, x, y, short, left=left)


def _lane(ax: Axes, x: float, y: float, text: str, *, left: bool = True) -> None:
    ax.plot([x], [y], marker="x", color=DIVERGED_COLOUR, markersize=5, zorder=4.1)
    _text(ax, x, y, text, style="italic", left=left)


def _text(ax: Axes, x: float, y: float, text: str, style: str = "normal", *, left: bool) -> None:
    """A text beside an axis, where no line comes from if it is the last one."""
    ax.annotate(
        text, (x, y), xytext=(-6 if left else 7, 0), textcoords="offset points",
        ha="right" if left else "left", va="center",
        fontsize=8.5, style=style, zorder=5,
        bbox={"boxstyle": "round,pad=0.15", "facecolor": "white", "alpha": 0.8, "linewidth": 0},
    )  # fmt: skip


def _strip(ax: Axes, x: float, scale: Scale) -> None:
    """The axis of the metric, in the colours of its values."""
    from matplotlib.collections import LineCollection

    heights = np.linspace(0.0, 1.0, 65)
    pieces = [[(x, low), (x, high)] for low, high in itertools.pairwise(heights.tolist())]
    middles = (heights[1:] + heights[:-1]) / 2
    colours = [shades(scale)(float(middle)) for middle in middles]
    ax.add_collection(
        LineCollection(pieces, colors=colours, linewidths=7, antialiaseds=False, zorder=4),
        autolim=False,
    )
