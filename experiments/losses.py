"""Losses by name: a line through outliers, and what each loss and its gradient look like.

Ten of 60 rows of y = 3x + 2 are outliers; scipy finds the minima in 64 bits.

Row 13 of the brief.
"""

import functools
import sys

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.flatten_util import ravel_pytree
from scipy import optimize
from scipy.special import expit

import paramjax as pj
from paramjax import losses
from paramjax.cli import start_script

STEPS, ROWS, OUTLIERS, DELTA, MODEL = 2000, 60, 10, 0.5, pj.models.Linear(1)
OF_NUMBERS = {  # the loss per example, and its derivative by the error r
    "squared": (losses.squared_error, lambda r: 2 * r),
    "absolute": (losses.absolute_error, np.sign),
    "Huber": (functools.partial(losses.huber, delta=DELTA), lambda r: np.clip(r, -DELTA, DELTA)),
}
OF_COUNTS = {"Poisson": (losses.poisson, lambda z: np.exp(z) - 1)}  # of a count of 1, by log rate
OF_CLASSES = {  # its derivative by the logit z of a row of class 1
    "cross-entropy": (losses.binary_cross_entropy, lambda z: -expit(-z)),
    "smoothed": (losses.smoothed_binary_cross_entropy(0.2), lambda z: 0.1 - expit(-z)),
    "focal": (losses.focal,
              lambda z: expit(-z)**2 * (2 * expit(z) * np.log(expit(z)) - expit(-z))),
    "hinge": (losses.hinge, lambda z: -1.0 * (z < 1)),
    "squared hinge": (losses.squared_hinge, lambda z: -2 * np.maximum(0, 1 - z)),
}  # fmt: skip


def least(name, x, y):
    """Slope and intercept at scipy's minimum, in 64 bits."""
    A, t = np.stack([x, np.ones_like(x)], axis=1).astype(float), np.eye(len(x))
    if name == "absolute":  # a linear program: the least sum of t, where t >= |A w - y|
        rows, cost = np.block([[A, -t], [-A, -t]]), np.r_[0, 0, np.ones(len(x))]
        return optimize.linprog(cost, rows, np.r_[y, -y], bounds=(None, None)).x[:2]
    shape = {"squared": "linear", "Huber": "huber"}[name]
    return optimize.least_squares(lambda w: A @ w - y, [0, 0], loss=shape, f_scale=DELTA).x


def main() -> int:
    script = start_script(__file__, __doc__)
    key = jax.random.key(script.key)
    x = jnp.linspace(-1, 1, ROWS)
    y = (3 * x + 2 + 0.2 * jax.random.normal(key, (ROWS,))).at[-OUTLIERS:].add(-6.0)
    own = {n: losses.supervised(MODEL.apply, loss) for n, (loss, _) in OF_NUMBERS.items()}
    # one program trains all three, for Adam moves each number by itself
    total = lambda params, batch, key: (sum(own[n](params[n], batch, key)[0] for n in own), {})  # noqa: E731
    trainer = pj.train_step(total, optax.adam(optax.cosine_decay_schedule(0.05, STEPS)))
    data = {"x": x[:, None], "y": y[:, None]}
    params = dict.fromkeys(own, MODEL.init(key, data["x"]))
    found = pj.fit(trainer, params, data, key=key, steps=STEPS).params
    lines = {name: ravel_pytree(found[name])[0][::-1] for name in OF_NUMBERS}  # slope, intercept
    figures, curves, r = {}, {}, jnp.linspace(-3, 3, 242)
    for name, line in lines.items():
        figures[f"slope by {name} error (true: 3)"] = line[0]
        distance = np.abs(line - least(name, np.asarray(x), np.asarray(y))).max()
        figures[f"distance from scipy's line, {name} error"] = distance
    for name, (loss, by_hand) in (OF_NUMBERS | OF_COUNTS | OF_CLASSES).items():
        target = jnp.full(1, 0.0 if name in OF_NUMBERS else 1.0)
        both = jax.value_and_grad(lambda r, loss=loss, target=target: loss(r[None], target)[0])
        curves[name] = *jax.jit(jax.vmap(both))(r), by_hand(np.asarray(r, np.float64))
    off = max(np.abs(slope - by_hand).max() for _, slope, by_hand in curves.values())
    figures["largest distance of jax.grad from the derivative by hand"] = off

    def plot(figure):
        places = figure.subplot_mosaic([["data", "number", "class"], ["data", "dn", "dc"]])
        places["data"].plot(x, y, "k.", label="rows")
        for name, (slope, intercept) in lines.items():
            places["data"].plot(x, slope * x + intercept, label=f"{name} error")
        places["data"].set(xlabel="x", ylabel="y")
        for kinds, over, slopes in ((OF_NUMBERS | OF_COUNTS, places["number"], places["dn"]),
                                    (OF_CLASSES, places["class"], places["dc"])):  # fmt: skip
            for i, name in enumerate(kinds):
                over.plot(r, curves[name][0], f"C{i}", label=name)
                slopes.plot(r, curves[name][1], f"C{i}")
                slopes.plot(r[::12], curves[name][2][::12], f"C{i}.")
            over.set(ylabel="loss", ylim=(-0.1, 5.9))
            slopes.set(ylabel="derivative (dots: by hand)", ylim=(-4.1, 4.1))
            over.legend(fontsize=8)
        places["dn"].set(xlabel="error (Poisson: log rate of a count of 1)")
        places["dc"].set(xlabel="logit of class 1")
        places["data"].legend()

    return script.finish(figures, plot, size=(12, 6))


if __name__ == "__main__":
    sys.exit(main())
