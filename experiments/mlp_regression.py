"""A 10-5-1 ReLU network learns a nonlinear function by full-batch gradient descent.

Mean squared error, SGD at 0.01, 1000 steps, trained whole in one compiled program. The
targets come from another 10-5-1 network plus noise, so the least possible error is known.

Row 4 of the brief.
"""

from __future__ import annotations

import sys

import jax
import numpy as np
import optax

import paramjax as pj
from paramjax.cli import start_script
from paramjax.losses import squared_error, supervised
from paramjax.models import MLP

MODEL = MLP((5, 1), activation="relu")  # on 10 inputs
LOSS = supervised(MODEL.apply, squared_error)
NOISE = 0.1
STEPS = 1000


def rows(key, teacher, count):
    x_key, noise_key = jax.random.split(key)
    x = jax.random.normal(x_key, (count, 10))
    y = MODEL.apply(teacher, x)
    return {"x": x, "y": y + NOISE * jax.random.normal(noise_key, y.shape)}


def main() -> int:
    script = start_script(__file__, __doc__)
    keys = jax.random.split(jax.random.key(script.key), 5)
    blank = np.zeros((1, 10), np.float32)
    teacher, params = MODEL.init(keys[0], blank), MODEL.init(keys[1], blank)
    train, test = rows(keys[2], teacher, 1000), rows(keys[3], teacher, 1000)

    trainer = pj.train_step(LOSS, optax.sgd(0.01))
    run = pj.fit(trainer, params, train, key=keys[4], steps=STEPS)
    loss, predicted = run.history["loss"], MODEL.apply(run.params, test["x"])
    test_error, variance = np.mean((predicted - test["y"]) ** 2), np.var(test["y"])
    noise = np.mean((MODEL.apply(teacher, test["x"]) - test["y"]) ** 2)

    def plot(figure):
        left, right = figure.subplots(1, 2)
        left.semilogy(loss, label="training")
        left.axhline(NOISE**2, color="0.5", ls="--", label="variance of the noise")
        left.set(xlabel="step", ylabel="mean squared error", title="10-5-1 ReLU, SGD 0.01")
        right.plot(test["y"], predicted, ".", ms=3, label="1000 rows kept aside")
        right.axline((0, 0), slope=1, color="0.5", ls="--", label="perfect")
        right.set(xlabel="y", ylabel="predicted y", title=f"R^2 = {1 - test_error / variance:.2f}")
        left.legend()
        right.legend()

    figures = {
        "training error, first step": loss[0],
        "training error, last step": loss[-1],
        "test error": test_error,
        "test R^2": 1 - test_error / variance,
        "least possible error (the noise)": noise,
    }
    return script.finish(figures, plot)


if __name__ == "__main__":
    sys.exit(main())
