"""The whole picture of a sweep on one page."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paramjax._checks import needs_extra
from paramjax._format import number
from paramjax.plots._axis import axes_of, by_interest
from paramjax.plots._learning_curves import learning_curves
from paramjax.plots._learning_rate_curve import learning_rate_curve
from paramjax.plots._parallel_coordinates import parallel_coordinates
from paramjax.plots._style import entitle, legend_rows, words
from paramjax.plots._trials import Picture, picture
from paramjax.space._distribution import Space
from paramjax.tuning._frame import labels

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from paramjax.tuning._result import Sweep

_WIDTH = 12.0
_A_ROW = 3
_LETTERS = 130


def figure(
    sweep: Sweep,
    metric: str = "loss",
    *,
    maximise: bool = False,
    path: str | Path | None = None,
) -> Figure:
    """Draw what a sweep found on one page.

    Above, the metric against the learning rate and along the trainings; below, all
    hyperparameters in parallel coordinates, then the metric against each other number among them.

    Args:
        sweep: What `sweep` or `search` returned.
        metric: A name among the records' metrics.
        maximise: Whether larger is better.
        path: A file to save it to, whose suffix says the format; None saves nothing.

    Returns:
        The figure.

    Raises:
        ModuleNotFoundError: Without matplotlib.
        OSError: If the file cannot be written.
        ValueError: For an unknown metric, with the nearest known ones, or an unknown format.

    Example:
        >>> import jax
        >>> import jax.numpy as jnp
        >>> import optax
        >>> import paramjax as pj
        >>> loss_fn = lambda params, batch, key: (jnp.mean((params - batch) ** 2), {})
        >>> swept = pj.sweep(
        ...     lambda hp: pj.train_step(loss_fn, optax.sgd(hp["learning_rate"])),
        ...     {"learning_rate": pj.log_uniform(1e-3, 0.5)},
        ...     init=lambda key: jax.random.normal(key), data=jnp.array([1.0, 3.0]),
        ...     trials=4, seeds=2, steps=5, key=jax.random.key(0), layout=pj.populations.Layout(8),
        ... )
        >>> [ax.get_title(loc="left") for ax in figure(swept).axes][0]
        'loss against learning rate'
    """
    with needs_extra("bench"):
        from matplotlib.figure import Figure
    drawn = picture(sweep, metric, maximise=maximise)
    axes = axes_of(sweep.space, sweep.records)
    others = [axis.name for axis in by_interest(axes)[1:] if axis.options is None]
    more = -(-len(others) // _A_ROW)
    heights = [3.9, 3.7, *[3.2] * more]
    page = Figure(figsize=(_WIDTH, sum(heights) + 0.7), layout="constrained")
    page.get_layout_engine().set(h_pad=0.12, w_pad=0.12)  # type: ignore[union-attr, call-arg]
    rows = page.add_gridspec(len(heights), 2 * _A_ROW, height_ratios=heights)
    above = [page.add_subplot(rows[0, :_A_ROW]), page.add_subplot(rows[0, _A_ROW:])]
    learning_rate_curve(sweep, above[0], metric, maximise=maximise)
    learning_curves(sweep, above[1], metric, maximise=maximise)
    for ax in above:  # titles on one line
        entitle(ax, ax.get_title(loc="left"), max(map(legend_rows, above)))
    parallel_coordinates(sweep, page.add_subplot(rows[1, :]), metric, maximise=maximise)
    for place, name in enumerate(others):
        row, column = divmod(place, _A_ROW)
        ax = page.add_subplot(rows[2 + row, 2 * column : 2 * column + 2])
        learning_rate_curve(sweep, ax, metric, maximise=maximise, name=name)
        legend = ax.get_legend()
        if legend is not None:  # its marks are those of the first panel
            legend.remove()
        entitle(ax, ax.get_title(loc="left"), 0)
    page.suptitle(_headline(drawn, sweep.space), x=0.01, ha="left", fontsize=12)
    if path is not None:
        page.savefig(path, dpi=150)
    return page


def _headline(drawn: Picture, space: Space) -> str:
    """How much was trained, and what was best."""
    trials, trainings = len(drawn.trials), len(drawn.records)
    size = f"{trials} trial{'s' * (trials > 1)}"
    size += f", {trainings} trainings" if trainings > trials else ""
    if drawn.best is None:
        return f"{size}: no trial with a finite {words(drawn.metric)}"
    settings = [
        f"{words(name)} = {_shown(value)}".replace(" ", "\N{NO-BREAK SPACE}")
        for name, value in drawn.best.hyperparameters.items()
    ]
    best = f"best {words(drawn.metric)} {number(drawn.best.value)} in trial {drawn.best.trial}"
    return textwrap.fill(f"{size}: {best} with {', '.join(settings)}", _LETTERS)


def _shown(value: Any) -> str:
    numeric = isinstance(value, int | float) and not isinstance(value, bool)
    return number(value) if numeric else words(labels([value])[0])
