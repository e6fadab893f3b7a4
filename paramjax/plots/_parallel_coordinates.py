"""All hyperparameters side by side, a line for each trial, coloured by its score."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from paramjax._checks import needs_extra
from paramjax._status import Status
from paramjax.plots._axis import Axis, axes_of, spread, ticks
from paramjax.plots._overview import headline
from paramjax.plots._records import Distribution, Scores, TrainingRecord, TrialScore, score_trials
from paramjax.plots._scale import WORSE
from paramjax.plots._style import BEST, plotly_text

if TYPE_CHECKING:
    import plotly.graph_objects as go

_LANE = 0.12
"""Distance of a lane from its axis, as a share of the axis."""

_BAND = 0.06
"""Share of the colour bar for the best trial, and for the diverged ones."""

_DIVERGED = "#9A9A9A"

_SHADES = ("viridis", 0.9, 0.0)
"""Colours from the worst value, not too pale for a white page, to the best."""

_COPIES = (-0.004, -0.002, 0.0, 0.002, 0.004)
"""Shifts, as shares of an axis, of the copies that make the line of the best trial thicker."""


def parallel_coordinates(
    records: Sequence[TrainingRecord],
    space: Mapping[str, Distribution],
    metric: str = "loss",
    *,
    maximise: bool = False,
) -> go.Figure:
    """Draw a line for each trial through its hyperparameters to the mean over its seeds.

    The darker a line, the better the trial; the best is orange, and diverged ones are grey and
    end in a lane at the bad end of the metric. A trial without a hyperparameter passes the tick
    `absent` below its axis. If trials were stopped early, one more axis shows how each ended.
    Drag along an axis to select trials. (Inselberg, 1985, "The plane with parallel coordinates".)

    Args:
        records: The trainings, such as `result.records`.
        space: Hyperparameter name -> distribution, such as `result.space`.
        metric: A name among the records' metrics.
        maximise: Whether larger is better.

    Returns:
        A plotly figure, which a notebook shows; `figure.write_html("sweep.html")` writes a page
        that needs no network. Values on logarithmic axes are decimal logarithms.

    Raises:
        ModuleNotFoundError: If plotly is missing.
        ValueError: If the metric is unknown; the message names the nearest known ones.

    Example:
        >>> import paramjax as pj
        >>> records = [
        ...     pj.populations.Record(0, 0, {"rate": 0.01}, "finished", None, {"loss": 0.5}, {}, 9)
        ... ]
        >>> figure = parallel_coordinates(records, {"rate": pj.log_uniform(1e-3, 1.0)})
        >>> [dimension.label for dimension in figure.data[0].dimensions]
        ['rate', 'loss']
    """
    with needs_extra("bench"):
        import plotly.graph_objects as go
    scores = score_trials(records, metric, maximise=maximise)
    axes = axes_of(space, records)
    trials = sorted(scores.trials, key=lambda trial: _goodness(scores, trial))
    dimensions = [_hyperparameter(axis, trials) for axis in axes.values()]
    endings = [s for s in (Status.DIVERGED, Status.STOPPED, Status.FINISHED)
               if any(trial.status == s for trial in trials)]  # fmt: skip
    if Status.STOPPED in endings:
        ended = Axis("ended", False, -0.5, len(endings) - 0.5, tuple(map(str, endings)))
        positions = spread(ended, {trial.trial: str(trial.status) for trial in trials})
        dimensions.append(_dimension(ended, [positions[trial.trial] for trial in trials]))
    dimensions.append(_metric(scores, trials))
    line = _line(scores, trials)
    if scores.best is not None:
        _thicken(dimensions, line, trials.index(scores.best))
    better = "higher" if maximise else "lower"
    title = f"all hyperparameters and {metric}: {better} is better".replace("_", " ")
    summary = _wrapped(headline(scores, axes).replace("_", " "), 150)
    layout = {
        "title": {
            "text": plotly_text(title),
            "y": 0.97,
            "yanchor": "top",
            "subtitle": {"text": summary},
        },
        "height": 500,
        "margin": {"l": 90, "r": 60, "t": 120 + 18 * summary.count("<br>"), "b": 30},
    }
    drawn = go.Parcoords(
        dimensions=dimensions, line=line, labelfont={"size": 13}, tickfont={"size": 12}
    )
    return go.Figure(drawn, layout=layout)


def _wrapped(text: str, width: int) -> str:
    """A text over several lines as plotly takes it."""
    return "<br>".join(map(plotly_text, textwrap.wrap(text, width)))


def _goodness(scores: Scores, trial: TrialScore) -> float:
    """0 for the worst value on the axis of the metric, 1 for the best; -1 if diverged."""
    if trial.status == Status.DIVERGED or math.isnan(trial.value):
        return -1.0
    share = float(np.clip(scores.scale.share(trial.value), 0.0, 1.0))
    return share if scores.scale.maximise else 1.0 - share


def _hyperparameter(axis: Axis, trials: Sequence[TrialScore]) -> dict[str, Any]:
    name = axis.name
    having = {t.trial: t.hyperparameters[name] for t in trials if name in t.hyperparameters}
    positions = spread(axis, having)
    return _dimension(axis, [positions.get(trial.trial) for trial in trials], lane="absent")


def _metric(scores: Scores, trials: Sequence[TrialScore]) -> dict[str, Any]:
    """The axis of the metric, with a lane at its bad end for values beyond it."""
    scale = scores.scale
    axis = Axis(scores.metric, scale.log, scale.low, scale.high)
    held = [bool(scale.holds(trial.value)) for trial in trials]
    values = [t.value if there else None for t, there in zip(trials, held, strict=True)]
    beyond = {t.status for t, there in zip(trials, held, strict=True) if not there}
    lane = "diverged" if beyond == {Status.DIVERGED} else WORSE
    dimension = _dimension(axis, values, lane=lane, above=not scale.maximise, empty=scale.empty)
    if len(scores.records) > len(scores.trials):
        dimension["label"] += "<br>(mean of the seeds)"
    return dimension


def _dimension(
    axis: Axis,
    values: Sequence[float | None],
    *,
    lane: str = "",
    above: bool = False,
    empty: bool = False,
) -> dict[str, Any]:
    """An axis as plotly takes it; None lies in a lane below or above its ends."""
    linear = math.log10 if axis.log else float
    low, high = linear(axis.low), linear(axis.high)
    beyond = high + _LANE * (high - low) if above else low - _LANE * (high - low)
    marks = [] if empty else [(linear(value), text) for value, text in ticks(axis)]
    if None in values:
        marks.append((beyond, lane))
        low, high = min(low, beyond), max(high, beyond)
    return {
        "label": _wrapped(axis.name.replace("_", " "), 24),
        "values": [beyond if value is None else linear(value) for value in values],
        "range": [low, high],
        "tickvals": [position for position, _ in marks],
        "ticktext": [text for _, text in marks],
    }


def _line(scores: Scores, trials: Sequence[TrialScore]) -> dict[str, Any]:
    """Colours of the trials and their bar: diverged at the bottom, the best trial at the top."""
    from plotly.colors import sample_colorscale

    goodness = np.array([_goodness(scores, trial) for trial in trials])
    low = _BAND if (goodness < 0).any() else 0.0
    high = 1.0 - _BAND if scores.best is not None else 1.0
    name, worst, best = _SHADES
    shades = sample_colorscale(name, np.linspace(worst, best, 16).tolist())
    colours = list(zip(np.linspace(low, high, 16).tolist(), shades, strict=True))
    marks = [(low / 2, "diverged")] if low else []
    if not scores.scale.empty:
        axis = Axis(scores.metric, scores.scale.log, scores.scale.low, scores.scale.high)
        for value, text in ticks(axis):
            share = float(scores.scale.share(value))
            good = share if scores.scale.maximise else 1.0 - share
            if 0.02 < good < 0.98:  # its text would lie on that of the band beside it
                marks.append((low + (high - low) * good, text))
    marks += [((1.0 + high) / 2, "best trial")] if scores.best else []
    # plotly draws lines of larger values in front
    values = np.where(goodness < 0, low / 2, low + (high - low) * goodness)
    values[[trial is scores.best for trial in trials]] = 1.0
    return {
        "color": values.tolist(),
        "cmin": 0.0,
        "cmax": 1.0,
        "colorscale": [
            *([(0.0, _DIVERGED), (low, _DIVERGED)] if low else []),
            *colours,
            *([(high, BEST), (1.0, BEST)] if high < 1.0 else []),
        ],
        "showscale": True,
        "colorbar": {
            "tickvals": [at for at, _ in marks],
            "ticktext": [text for _, text in marks],
            "thickness": 16,
        },
    }


def _thicken(dimensions: Sequence[dict[str, Any]], line: dict[str, Any], best: int) -> None:
    """Repeat the best trial beside itself: plotly draws every line one pixel wide."""
    for dimension in dimensions:
        low, high = dimension["range"]
        value = dimension["values"][best]
        dimension["values"] += [value + shift * (high - low) for shift in _COPIES if shift]
    line["color"] += [line["color"][best]] * (len(_COPIES) - 1)
