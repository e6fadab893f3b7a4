"""Linear regression y = 3x + 2 + noise: gradient descent beside its closed form.

100 rows, learning rate 0.01, 1000 epochs. The learning rate's limit is 2 / lambda_max of
the Hessian: just below it gradient descent converges, just above it diverges.

Row 2 of the brief.
"""

from __future__ import annotations

import sys

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.flatten_util import ravel_pytree

import paramjax as pj
from paramjax.cli import start_script
from paramjax.losses import squared_error, supervised
from paramjax.models import Linear

MODEL = Linear(1)  # starts at zero
LOSS = supervised(MODEL.apply, squared_error)
STEPS = 1000


def main() -> int:
    script = start_script(__file__, __doc__)
    x_key, noise_key, key = jax.random.split(jax.random.key(script.key), 3)
    x = jax.random.normal(x_key, (100, 1))
    # y is [100, 1] like x: a y of shape [100] would broadcast to 100 x 100 residuals
    data = {"x": x, "y": 3 * x + 2 + 0.5 * jax.random.normal(noise_key, x.shape)}
    params = MODEL.init(key, x)

    est = pj.estimate.linear({"x": x[:, 0]}, data["y"])
    slope, intercept, least = est.params["x"], est.params["intercept"], est.value / len(x)

    flat, unflatten = ravel_pytree(params)
    hessian = jax.hessian(lambda theta: LOSS(unflatten(theta), data, None)[0])(flat)
    limit = 2 / float(jnp.linalg.eigvalsh(hessian)[-1])

    rates = {"0.01": 0.01, "0.98 of limit": 0.98 * limit, "1.02 of limit": 1.02 * limit}
    runs = {
        name: pj.fit(pj.train_step(LOSS, optax.sgd(rate)), params, data, key=key, steps=STEPS)
        for name, rate in rates.items()
    }
    fitted = runs["0.01"].params["params"]["Dense_0"]
    loss = {name: np.asarray(run.history["loss"], np.float64) for name, run in runs.items()}
    diverging = loss["1.02 of limit"]

    def plot(figure):
        left, right = figure.subplots(1, 2)
        left.plot(x, data["y"], ".", color="0.6", label="data")
        left.plot(x, slope * x + intercept, label=f"y = {slope:.2f} x + {intercept:.2f}")
        left.set(xlabel="x", ylabel="y", title="100 rows and their least-squares line")
        for name, values in loss.items():
            right.semilogy(values - least, label=f"rate {name}")
        right.set(xlabel="step", ylabel="mean squared error above its minimum", ylim=(1e-6, 1e12))
        right.set(xlim=(0, 400), title=f"Gradient descent; the limit is {limit:.3f}")
        left.legend()
        right.legend()

    figures = {
        "slope, least squares": slope,
        "slope, gradient descent": fitted["kernel"][0, 0],
        "intercept, least squares": intercept,
        "intercept, gradient descent": fitted["bias"][0],
        "learning rate's limit, 2 / lambda_max": limit,
        "loss above its minimum, rate 0.98 of limit": loss["0.98 of limit"][-1] - least,
        "loss growth a step, rate 1.02 of limit": (diverging[-1] / diverging[-101]) ** 0.01,
    }
    return script.finish(figures, plot)


if __name__ == "__main__":
    sys.exit(main())
