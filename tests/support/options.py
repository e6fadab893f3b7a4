"""A sweep over one kind of options; run as a program it prints what it found.

Arguments: folder of the store, kind of options, "again" if nothing may be trained.
"""

import functools
import sys

import jax
import jax.numpy as jnp
import numpy as np
import optax

import paramjax as pj


class Scaled:
    """An object that is called and has no text of its own."""

    def __init__(self, factor):
        self.factor = factor

    def __call__(self, x):
        return jnp.tanh(self.factor * x)


class Doubled(Scaled):
    """A class that is an option itself."""


def scaled(x, factor):
    return jnp.tanh(factor * x)


OPTIONS = {
    "functions": [jax.nn.relu, jnp.tanh],
    "lambdas": [lambda x: jnp.tanh(x), lambda x: jnp.sin(x)],
    "partials": [functools.partial(scaled, factor=1.0), functools.partial(scaled, factor=2.0)],
    "objects": [Scaled(1.0), Scaled(2.0)],
    "classes": [Scaled, Doubled],
    "tuples": [(1, 2), (3, 4)],
    "pairs of functions": [(jnp.tanh, 1.0), (jnp.sin, 2.0)],
    "numbers": [0.1, 0.3],
    "mixed": [None, 0.3],
}


def activation(option):
    """The function that an option stands for."""
    if isinstance(option, type):
        return option(1.0 if option is Scaled else 2.0)
    if callable(option):
        return option
    if isinstance(option, tuple) and callable(option[0]):
        return lambda x: option[0](option[1] * x)
    return lambda x: jnp.tanh(x * (option[0] if isinstance(option, tuple) else option or 1.0))


def swept(store, kind, options=None, **settings):
    """A sweep over options, and the options that its trainers were made with."""
    x = np.linspace(-1, 1, 16, dtype=np.float32)
    seen = []

    def make_trainer(hyperparameters):
        seen.append(hyperparameters["activation"])
        function = activation(seen[-1])

        def loss_fn(params, batch, key):
            return jnp.mean((function(batch["x"] * params["a"]) - batch["y"]) ** 2), {}

        return pj.train_step(loss_fn, optax.sgd(0.1))

    options = pj.choice(OPTIONS[kind] if options is None else options, static=True)
    result = pj.sweep(
        make_trainer, {"activation": options},
        pj.Problem(init=lambda key: {"a": jax.random.normal(key)}, data={"x": x, "y": x**2}),
        trials=pj.tuning.grid(2), seeds=1, steps=3, key=jax.random.key(0), store=store, **settings,
    )  # fmt: skip
    return result, seen


if __name__ == "__main__":
    from paramjax.tuning.store._store import Store

    folder, kinds = sys.argv[1], sys.argv[2].split(",")
    if "again" in sys.argv:
        Store.add = lambda self, some: sys.exit("trained again")
    for kind in kinds:
        result, _ = swept(f"{folder}/{kind}", kind)
        print(kind, [record.metrics["loss"] for record in result.records])
