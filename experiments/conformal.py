"""Conformal prediction: intervals of a network that hold the truth as often as they promise.

A curve whose noise grows to the right, by an ensemble that predicts its noise. Coverage over 500
draws of calibration and test rows beside its law (Vovk, 2012), and where the noise is large: with
one width, with one for each half, and with widths that follow the predicted deviation.

Row 22 of the brief.
"""

import sys

import jax
import jax.numpy as jnp
import numpy as np
import optax
from scipy.stats import betabinom

import paramjax as pj
from paramjax.cli import start_script
from paramjax.estimate import absolute_score, conformal_intervals, normalised_score
from paramjax.losses import gaussian_log_likelihood

MODEL, LEVEL, DRAWS, ROWS, TEST = pj.models.MLP((32, 32, 2)), 0.9, 500, 99, 400
OLD, NEW = slice(ROWS), slice(ROWS, None)  # rows to calibrate with, and further ones


def drawn(rng, *shape):
    """Inputs from 0 to 1, and a curve with noise of deviation 0.05 to 0.55."""
    x = rng.uniform(size=shape).astype(np.float32)
    y = np.sin(6 * x) + (0.05 + 0.5 * x) * rng.normal(size=shape)
    return {"x": x, "y": y.astype(np.float32)}


def apply(params, x):
    """Mean and variance."""
    mean, log_variance = MODEL.apply(params, 4 * x[:, None] - 2).T
    return mean, jnp.exp(jnp.clip(log_variance, -8, 4))


def loss_fn(params, rows, key):
    mean, variance, y = (own[:, None] for own in (*apply(params, rows["x"]), rows["y"]))
    return -gaussian_log_likelihood(mean, y, jnp.log(variance)).mean(), {}


def three_ways(mean, std, y, right):
    """Intervals of one width, of one width in each half, and in units of the deviation."""
    one = conformal_intervals(absolute_score(), mean[OLD], y[OLD])
    two = conformal_intervals(absolute_score(), mean[OLD], y[OLD], groups=right[OLD])
    many = conformal_intervals(normalised_score(), (mean[OLD], std[OLD]), y[OLD])
    return {
        "one width": one.predict(mean[NEW], LEVEL),
        "a width for each half": two.predict(mean[NEW], LEVEL, groups=right[NEW]),
        "by predicted deviation": many.predict((mean[NEW], std[NEW]), LEVEL),
    }


def main() -> int:
    script = start_script(__file__, __doc__)
    rng, key = np.random.default_rng(script.key), jax.random.key(script.key)
    trainer, start = pj.train_step(loss_fn, optax.adam(0.003)), jnp.zeros((1, 1))
    problem = pj.Problem(init=lambda key: MODEL.init(key, start), data=drawn(rng, 300))
    ensemble = pj.estimate.ensemble(trainer, problem, members=5, steps=600, key=key)
    rows, found = drawn(rng, DRAWS, ROWS + TEST), []
    said = ensemble.predict(apply, rows["x"].ravel())
    every = np.reshape([said.mean, said.std], (2, *rows["x"].shape))
    for mean, std, y, right in zip(*every, rows["y"], rows["x"] > 0.5, strict=True):
        ways = three_ways(mean, std, y, right)
        inside = [(low <= y[NEW]) & (y[NEW] <= high) for low, high in ways.values()]
        widths = [(high - low).mean() for low, high in ways.values()]
        found.append([np.mean(inside, 1), np.mean(inside, 1, where=right[NEW]), widths])
    shares, noisier, widths = np.moveaxis(found, 1, 0)
    law = pj.estimate.coverage_law(ROWS, LEVEL)

    def plot(figure):
        left, right = figure.subplots(1, 2)
        x, at = rows["x"][-1, NEW], np.argsort(rows["x"][-1, NEW])
        left.plot(x, rows["y"][-1, NEW], ".", color="0.6", markersize=3)
        for number, (name, ends) in enumerate(ways.items()):
            left.plot(x[at], np.transpose(ends)[at], color=f"C{number}", label=[name, None])
        left.set(xlabel="x", ylabel="y", title=f"{LEVEL:.0%} intervals of the last draw")
        right.hist(shares[:, 0], bins=25, density=True, alpha=0.5, label=f"{DRAWS} draws")
        hits, counts = np.arange(312, TEST + 1), (TEST, law.rank, ROWS + 1 - law.rank)
        right.plot(hits / TEST, TEST * betabinom.pmf(hits, *counts), "k", label="law")
        right.set(xlabel="share of the rows covered, one width", yticks=[])
        left.legend()
        right.legend()

    low, high = law.interval(0.95, test_rows=TEST)
    inside = (low <= shares[:, 0]) & (shares[:, 0] <= high)
    figures = {"rows covered, one width (%)": 100 * shares[:, 0].mean()}
    figures["draws within the 95 % interval of the law (%)"] = 100 * inside.mean()
    for number, name in enumerate(ways):
        figures[f"covered in the noisier half (%), {name}"] = 100 * noisier[:, number].mean()
        figures[f"mean width, {name}"] = widths[:, number].mean()
    return script.finish(figures, plot, size=(10, 4.5))


if __name__ == "__main__":
    sys.exit(main())
