"""How a deep network starts: signals through depth and training, for every initialiser by name.

Six hidden layers of 64 ReLU on scikit-learn's digits, SGD at 0.1. With n inputs and kernels of
variance v, a layer changes the mean square of the signal by the factor n v / 2 (He et al., 2015,
eq. 9): 1 for He, 1/2 for LeCun, Glorot and orthogonal. Small random numbers let signals and
gradients vanish; zeros leave all units of a layer alike, so that the last bias alone is learned.

Row 23 of the brief.
"""

from __future__ import annotations

import sys

import jax
import jax.numpy as jnp
import numpy as np
import optax

import paramjax as pj
from paramjax.cli import start_script
from paramjax.data import digits, split

NAMES, DEPTH, WIDTH, STEPS = list(pj.models.INITIALISERS), 6, 64, 200


def network(name):
    return pj.models.MLP((*[WIDTH] * DEPTH, 10), "relu", initialiser=name)


LOSS = pj.losses.supervised(network("zeros").apply, pj.losses.cross_entropy)


def mean_squares(name, keys, x):
    """Of what enters the activation of each hidden layer, mean over the keys, [DEPTH]."""

    def one(key):
        variables = network(name).init(key, x[:1])
        _, kept = network(name).apply(variables, x, capture_intermediates=True)
        layers = [kept["intermediates"][f"Dense_{i}"]["__call__"][0] for i in range(DEPTH)]
        return jnp.stack([jnp.mean(z**2) for z in layers])

    return jnp.mean(jax.vmap(one)(keys), axis=0)


def main() -> int:
    script = start_script(__file__, __doc__, seeds=4)
    seeds, key = script["seeds"], jax.random.key(script.key)
    train = split(digits()).train
    train["x"] = (train["x"] - train["x"].mean()) / train["x"].std()
    keys, x = jax.random.split(key, seeds), train["x"]
    squares = jax.jit(lambda keys: {name: mean_squares(name, keys, x) for name in NAMES})(keys)

    def start(key):
        return {name: network(name).init(key, x[:1]) for name in NAMES}

    def loss_fn(params, batch, key):
        """The sum over all initialisers: plain gradient descent trains each as if alone."""
        losses = {name: LOSS(params[name], batch, key)[0] for name in NAMES}
        return sum(losses.values()), losses

    result = pj.sweep(
        lambda hp: pj.train_step(loss_fn, optax.sgd(0.1)), {},
        pj.Problem(init=start, data=train, batch_size=64),
        trials=1, seeds=seeds, steps=STEPS, key=key,
        execution=pj.Execution(layout=pj.populations.Layout(seeds)),
    )  # fmt: skip
    loss = {n: result.history[n].reshape(seeds, -1, 10).mean(axis=(0, 2)) for n in NAMES}
    factors = {name: float((z[-1] / z[0]) ** (1 / (DEPTH - 1))) for name, z in squares.items()}

    def plot(figure):
        left, right = figure.subplots(1, 2)
        for index, name in enumerate(NAMES):
            style = {"color": f"C{index}", "ls": ["-", "--"][index % 2], "label": name}
            left.semilogy(range(1, DEPTH + 1), np.maximum(squares[name], 1e-30), **style)
            right.plot(np.arange(10, STEPS + 1, 10), loss[name], **style)
        left.set(xlabel="hidden layer", ylabel="mean square before the ReLU", ylim=(1e-16, 10))
        left.set_title("At the start")
        right.set(xlabel="step", ylabel=f"training loss (nats, mean of {seeds} seeds)")
        right.set_title("SGD 0.1, batch 64")
        figure.legend(*left.get_legend_handles_labels(), loc="outside right center")

    figures = {f"factor a layer at the start, {n}": factors[n] for n in NAMES if n != "zeros"}
    figures |= {f"mean loss of {STEPS} steps, {n} (nats)": loss[n].mean() for n in NAMES}
    return script.finish(figures, plot, seeds=seeds)


if __name__ == "__main__":
    sys.exit(main())
