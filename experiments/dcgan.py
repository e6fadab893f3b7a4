"""A convolutional adversarial pair draws digits: classes drawn, distance to real digits.

As in the DCGAN of Radford, Metz and Chintala (2016), smaller: convolutions that double 2x2 images
twice against convolutions of stride 2, batch normalisation in both, Adam with b1 = 0.5, moves in
turn on the non-saturating losses, scikit-learn's 8x8 digits. Each sample is of the class of its
nearest training digit; a class is drawn if a quarter of its share of the samples is of it.

Row 11 of the brief.
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
from paramjax.models import Discriminator, Generator, from_linen

LATENT, SEEDS, STEPS, BATCH_SIZE, SAMPLES, SIDE = 16, 3, 1200, 32, 1000, 10
ZERO, BLANK = jnp.zeros((1, LATENT)), jnp.zeros((1, 8, 8, 1))
DISCRIMINATOR = Discriminator((), (16, 32), batch_norm=True)
GENERATOR = Generator((8, 8, 1), (), (32, 16), output="sigmoid", batch_norm=True)
NETS = {
    "discriminator": from_linen(DISCRIMINATOR, BLANK, jax.random.key(0)),
    "generator": from_linen(GENERATOR, ZERO, jax.random.key(0)),
}
APPLY = NETS["generator"].apply, NETS["discriminator"].apply
LOSSES = pj.losses.adversarial(*APPLY, LATENT, stateful=True)


def init(key):
    keys = zip(NETS, jax.random.split(key), strict=True)
    return {name: NETS[name].init(key) for name, key in keys}


def make_trainer(hp):
    tx = optax.adam(optax.linear_schedule(1e-3, 0.0, STEPS), b1=0.5)
    return pj.trainers.alternating(LOSSES, dict.fromkeys(NETS, tx), stateful=True)


def samples(params, model_state, key, count):
    z = jax.random.normal(key, (count, LATENT))
    return NETS["generator"].evaluate(params["generator"], model_state["generator"], z)


def nearest(x, data):
    """Distance of each picture to its nearest training digit, and the class of that one."""
    x, real = x.reshape(-1, 64), data["x"].reshape(-1, 64)
    squares = (x**2).sum(axis=1)[:, None] + (real**2).sum(axis=1)[None] - 2 * x @ real.T
    return jnp.sqrt(squares.min(axis=1)), data["y"][squares.argmin(axis=1)]


def evaluate(params, model_state, data):
    distance, label = nearest(samples(params, model_state, jax.random.key(1), SAMPLES), data)
    shares = jnp.bincount(label, length=10) / SAMPLES
    return {"distance": distance.mean(), "classes": (shares > 0.025).sum()}


def main() -> int:
    script = start_script(__file__, __doc__)
    train, _, test = (part | {"x": part["x"].reshape(-1, 8, 8, 1)} for part in split(digits()))
    problem = pj.Problem(
        init=init, data=train["x"], batch_size=BATCH_SIZE, evaluate=evaluate, eval_data=train,
        model_state={name: net.model_state for name, net in NETS.items()}, metric="distance",
    )  # fmt: skip
    result = pj.sweep(
        make_trainer, {}, problem, trials=1, seeds=SEEDS, steps=STEPS,
        key=jax.random.key(script.key),
    )  # fmt: skip
    distance, classes = (result.curve[name][:, -1] for name in ("distance", "classes"))
    real_distance = nearest(test["x"], train)[0].mean()

    def plot(figure):
        drawn = samples(result.params_of(0, 0), result.model_state_of(0, 0), jax.random.key(2), 100)
        rows = {"real": test["x"][:100], "drawn": drawn}
        for axes, (name, x) in zip(figure.subplots(1, 2), rows.items(), strict=True):
            framed = np.pad(np.reshape(x, (SIDE, SIDE, 8, 8)), [(0, 0), (0, 0), (1, 1), (1, 1)])
            image = framed.swapaxes(1, 2).reshape(10 * SIDE, 10 * SIDE)
            axes.imshow(image, cmap="gray_r", vmin=0, vmax=1)
            axes.set(title=name, xticks=[], yticks=[])

    figures = {
        f"classes drawn of 10, mean of {SEEDS} seeds": classes.mean(),
        f"distance to the nearest training digit, mean of {SEEDS} seeds": distance.mean(),
        "that distance, standard deviation over seeds": distance.std(ddof=1),
        "that distance of held-out digits": real_distance,
    }
    return script.finish(figures, plot)


if __name__ == "__main__":
    sys.exit(main())
