"""How often intervals hold the truth: Wald's and profile intervals on 2,000 data sets a model.

A linear, a logistic, a Poisson and a nonlinear model (Michaelis and Menten's) with known
parameters. Wald's interval is the estimate and a quantile times its standard error; a profile
interval holds the truth if the fit with the parameter held there is not much worse, so that one
refit tells. All fits of a model are one population.

Row 28 of the brief.
"""

from __future__ import annotations

import sys

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import gammaln
from scipy import special

import paramjax as pj
from paramjax.cli import start_script

SETS = 2000
X = np.stack([np.ones(150), np.linspace(-1.5, 1.5, 150)], axis=1)
SLOPES, DOSE = {"w": np.array([0.3, 0.8])}, np.repeat([0.02, 0.06, 0.11, 0.22, 0.56, 1.1], 5)
CURVES = {  # the mean, the true parameters, the inputs, the standard deviation
    "linear": (lambda p, x: p["a"] + p["b"] * x, {"a": 1.0, "b": 2.0}, np.linspace(0, 1, 12), 0.5),
    "nonlinear": (lambda p, x: p["Vm"] * x / (p["K"] + x), {"K": 0.06, "Vm": 210.0}, DOSE, 10.0),
}
LOGISTIC = lambda p, y: y * (X @ p["w"]) - jnp.logaddexp(0.0, X @ p["w"])  # noqa: E731
POISSON = lambda p, y: y * (X @ p["w"]) - jnp.exp(X @ p["w"]) - gammaln(y + 1)  # noqa: E731


def simulated(rng):
    """True parameters, a fit whose objective serves all data sets, the data and their axes."""
    mean = X @ SLOPES["w"]
    ones = 1.0 * (rng.random((SETS, 150)) < special.expit(mean))
    counts = 1.0 * rng.poisson(np.exp(mean), (SETS, 150))
    for name, log_prob, y in (("logistic", LOGISTIC, ones), ("Poisson", POISSON, counts)):
        yield name, SLOPES, pj.estimate.maximum_likelihood(log_prob, SLOPES, y[0]), y, 0
    for name, (predict_fn, truth, x, noise) in CURVES.items():
        y = np.asarray(predict_fn(truth, x)) + rng.normal(0, noise, (SETS, len(x)))
        est = pj.estimate.curve_fit(predict_fn, truth, x, y[0])
        yield name, truth, est, {"x": x, "y": y}, {"x": None, "y": 0}


def errors_and_scale(objective, theta, own):
    """Standard errors in one data set, and the variance of its residuals."""
    if objective.kind == "log_prob":
        information = -jax.hessian(lambda t: objective.rows(t, own).sum())(theta)
        return jnp.sqrt(jnp.diag(jnp.linalg.inv(information))), jnp.ones_like(theta[0])
    rows, jacobian = objective.rows(theta, own), jax.jacfwd(objective.rows)(theta, own)
    scale = (rows**2).sum() / (len(rows) - len(theta))
    return jnp.sqrt(scale * jnp.diag(jnp.linalg.inv(jacobian.T @ jacobian))), scale


def covered(truth, est, data, axes):
    """Which intervals hold the truth, bool[sets, p] by the name of the method."""
    objective, theta = est.objective, np.tile(est.parameters.flat(truth), (SETS, 1))
    best = objective.solve_many(theta, data=data, data_axes=axes)
    with jax.enable_x64(True):
        each = jax.jit(jax.vmap(lambda t, own: errors_and_scale(objective, t, own), (0, axes)))
        errors, scale = jax.device_get(each(best.theta, data))
    losses = np.zeros_like(theta)
    for j in range(2):
        free = np.tile(np.arange(2) != j, (SETS, 1))
        held = objective.solve_many(theta, data=data, data_axes=axes, free=free)
        losses[:, j] = 2 * (held.value - best.value) / scale
    quantile = est.quantile(0.975)
    wald = np.abs(best.theta - theta) < quantile * errors
    return {"Wald": wald, "profile": losses < quantile**2}


def main() -> int:
    script = start_script(__file__, __doc__)
    figures = {
        f"{model}, {method}, parameter {j + 1} (%)": share
        for model, truth, *fit in simulated(np.random.default_rng(script.key))
        for method, hits in covered(truth, *fit).items()
        for j, share in enumerate(100 * hits.mean(axis=0))
    }

    def plot(figure):
        axes = figure.subplots()
        axes.axvspan(93, 97, color="0.92")
        axes.axvline(95, color="0.6")
        axes.plot(list(figures.values()), np.arange(len(figures)), "o")
        axes.set_yticks(np.arange(len(figures)), [name[:-4] for name in figures])
        axes.invert_yaxis()
        axes.set(xlabel="data sets whose interval of level 95 % holds the truth (%)")

    return script.finish(figures, plot, size=(8, 5))


if __name__ == "__main__":
    sys.exit(main())
