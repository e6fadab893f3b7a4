"""The figure of an estimate."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import numpy as np

from paramjax._checks import leaf_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from paramjax.estimate._estimate import Estimate
    from paramjax.estimate._objective import Objective
    from paramjax.estimate.uncertainty._profile import Profile

_GRID = 400
"""Inputs at which a curve is drawn."""

Panel = Callable[["Axes"], object]


def figure_of(estimate: Estimate, level: float) -> Figure:
    """All panels that the estimate has data for."""
    from paramjax.plots import panel_figure

    panels = list(panels_of(estimate, level).values())
    if not panels:
        raise ValueError(
            "plot: expected an estimate with residuals or with two parameters or more, got "
            f"{estimate.title!r} of one parameter; draw its profile"
        )
    return panel_figure(panels)


def panels_of(
    estimate: Estimate, level: float, labels: tuple[str, str] | None = None
) -> dict[str, Panel]:
    """Functions that draw, by name: fit or estimates, residuals, quantiles, correlation."""
    from paramjax.plots import correlation_matrix, estimate_intervals

    panels: dict[str, Panel] = {}
    objective, names = estimate.objective, estimate.names
    if objective is not None and objective.kind == "residuals":
        panels = _residual_panels(estimate, objective, level, labels)
    if len(names) > 1:
        panels["correlation"] = partial(
            correlation_matrix, names=names, correlation=estimate.correlation
        )
    if len(names) > 1 and "fit" not in panels:
        low, high = map(estimate.parameters.flat, estimate.interval(level))
        intervals = partial(
            estimate_intervals, names=names, values=estimate.theta, low=low, high=high, level=level
        )
        panels = {"estimates": intervals, **panels}
    return panels


def _residual_panels(
    estimate: Estimate, objective: Objective, level: float, labels: tuple[str, str] | None
) -> dict[str, Panel]:
    """The curve if there is one, residuals, and their quantiles."""
    from paramjax.plots import residual_quantiles, residual_scatter

    panels: dict[str, Panel] = {}
    residuals, _ = objective.evaluate(estimate.parameters.to_solver(estimate.theta))
    response = _response(objective)
    if response is not None and (one := _input(objective)) is not None:
        panels["fit"] = _curve(estimate, objective, one, response, level, labels)
    scaled = residuals if objective.weights is None else residuals * np.sqrt(objective.weights)
    fitted = None if response is None else response - residuals
    panels["residuals"] = partial(residual_scatter, residuals=scaled, fitted=fitted)
    panels["quantiles"] = partial(residual_quantiles, residuals=scaled)
    return panels


def profile_panels(profile: Profile, level: float) -> list[Panel]:
    """A function that draws the profile of each parameter."""
    from paramjax.plots import profile_curve

    estimate, curves = profile.estimate, profile.curves
    low, high = map(estimate.parameters.flat, profile.interval(level))
    threshold = estimate.quantile(0.5 + level / 2) ** 2
    places = {name: estimate.names.index(name) for name in profile.names}
    return [
        partial(
            profile_curve, values=curves[name].values, drops=curves[name].root ** 2, name=name,
            threshold=threshold, interval=(low[at], high[at]),
            wald=(estimate.theta[at], estimate.errors[at]), level=level,
        )
        for name, at in places.items()
    ]  # fmt: skip


class _Input(NamedTuple):
    """The only input of a curve: its numbers, its name, and inputs as the curve takes them."""

    values: np.ndarray
    name: str
    inputs: Callable[[np.ndarray], Any]


def _data(objective: Objective) -> Mapping[str, Any]:
    """The data of a curve, without the standard deviations that may stand beside them."""
    data = getattr(objective.data, "data", objective.data)
    return data if objective.predict is not None and isinstance(data, Mapping) else {}


def _response(objective: Objective) -> np.ndarray | None:
    """What the residuals are less the curve, if there is one."""
    response = _data(objective).get("y")
    return None if response is None else np.asarray(response)


def _input(objective: Objective) -> _Input | None:
    """The input of a curve that has a single one, of `curve_fit` or `linear`."""
    data = _data(objective)
    if "X" in data:
        names = objective.parameters.names
        columns = [at for at in range(len(names)) if at or not (data["X"][:, 0] == 1).all()]
        if len(columns) != 1:
            return None
        return _Input(data["X"][:, columns[0]], names[columns[0]], lambda grid: grid)
    paths, treedef = jax.tree_util.tree_flatten_with_path(data.get("x"))
    if len(paths) != 1 or np.ndim(paths[0][1]) != 1:
        return None
    ((path, values),) = paths
    name = leaf_name(path) if path else "x"
    return _Input(values, name, lambda grid: jax.tree.unflatten(treedef, [grid]))


def _curve(
    estimate: Estimate, objective: Objective, one: _Input, response: np.ndarray, level: float,
    labels: tuple[str, str] | None,
) -> Panel:  # fmt: skip
    """Draws the curve of one input with its bands."""
    from paramjax.estimate.uncertainty._bands import predict
    from paramjax.plots import fitted_curve

    grid = np.linspace(np.min(one.values), np.max(one.values), _GRID)
    mean = predict(estimate, one.inputs(grid), level)
    band = observations = None
    if np.isfinite(mean.low).all():
        band = mean.low, mean.high
        if objective.weights is None and estimate.reference == "t":  # one variance, known
            new = predict(estimate, one.inputs(grid), level, "observation")
            observations = new.low, new.high
    return partial(
        fitted_curve, x=one.values, y=response, grid=grid, mean=mean.mean, band=band,
        observation_band=observations, level=level, labels=labels or (one.name, "y"),
    )  # fmt: skip
