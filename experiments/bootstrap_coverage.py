"""Bootstrap intervals of a curve on 200 data sets: percentile, basic and BCa hold the truth.

Michaelis and Menten's curve through 30 points, each data set resampled 400 times by its rows and
refitted without each row in turn for Efron's (1987) acceleration: 86,200 fits as one population.
Intervals of level 95 % from resampled rows are a little short, for resamples of n rows vary as if
their variance were (n - p) / n of what it is, and the same row comes more than once.

Row 28 of the brief.
"""

from __future__ import annotations

import sys

import numpy as np
from scipy import special

import paramjax as pj
from paramjax.cli import start_script

SETS, RESAMPLES = 200, 400
DOSE = np.repeat([0.02, 0.06, 0.11, 0.22, 0.56, 1.1], 5)
N, TRUTH, NOISE = len(DOSE), np.array([0.06, 210.0]), 10.0
TAILS = np.array([0.025, 0.975])


def michaelis_menten(params, x):
    return params["Vm"] * x / (params["K"] + x)


def refits(rng):
    """Parameters of each data set itself, of its resamples, and without each of its rows."""
    curve = np.asarray(michaelis_menten({"K": TRUTH[0], "Vm": TRUTH[1]}, DOSE))
    y = curve + rng.normal(0, NOISE, (SETS, N))
    counts = rng.multinomial(N, np.full(N, 1 / N), (SETS, RESAMPLES)).astype(float)
    left_out = np.broadcast_to(1 - np.eye(N), (SETS, N, N))
    weights = np.concatenate([np.ones((SETS, 1, N)), counts, left_out], axis=1)
    each = weights.shape[1]
    est = pj.estimate.curve_fit(michaelis_menten, {"K": TRUTH[0], "Vm": TRUTH[1]}, DOSE, y[0])
    found = est.objective.solve_many(
        np.tile(TRUTH, (SETS * each, 1)),
        data={"x": DOSE, "y": np.repeat(y, each, axis=0)},
        data_axes={"x": None, "y": 0},
        weights=weights.reshape(-1, N),
    )
    theta = found.theta.reshape(SETS, each, 2)
    return np.split(theta, [1, 1 + RESAMPLES], axis=1)


def intervals(best, resampled, left_out):
    """Lower and upper ends [sets, 2] by the name of the method."""
    low, high = np.quantile(resampled, TAILS, axis=1)
    moved = left_out.mean(axis=1, keepdims=True) - left_out
    acceleration = (moved**3).sum(axis=1) / (6 * (moved**2).sum(axis=1) ** 1.5)
    shift = special.ndtri((resampled < best).mean(axis=1))
    z = shift + special.ndtri(TAILS)[:, None, None]
    levels = special.ndtr(shift + z / (1 - acceleration * z))
    at = (levels * (RESAMPLES - 1)).round().astype(int)
    bca = np.take_along_axis(np.sort(resampled, axis=1)[None], at[:, :, None], axis=2)[:, :, 0]
    best = best[:, 0]
    return {"percentile": (low, high), "basic": (2 * best - high, 2 * best - low), "BCa": bca}


def main() -> int:
    script = start_script(__file__, __doc__)
    ends = intervals(*refits(np.random.default_rng(script.key)))
    figures = {}
    for method, (low, high) in ends.items():
        figures[f"{method}: intervals that hold the truth (%)"] = (
            100 * ((low < TRUTH) & (high > TRUTH)).mean()
        )
        figures[f"{method}: mean length for Vm"] = (high - low)[:, 1].mean()

    def plot(figure):
        for axes, (method, (low, high)) in zip(
            figure.subplots(1, 3, sharey=True), ends.items(), strict=True
        ):
            order = np.argsort(low[:, 1] + high[:, 1])
            missed = ((low > TRUTH) | (high < TRUTH))[order, 1]
            colours = np.where(missed, "C3", "0.6")
            axes.vlines(np.arange(SETS), low[order, 1], high[order, 1], colors=colours)
            axes.axhline(TRUTH[1], color="C0")
            axes.set(title=method, xlabel="data set")
        figure.axes[0].set_ylabel("Vm, interval of level 95 %")

    return script.finish(figures, plot)


if __name__ == "__main__":
    sys.exit(main())
