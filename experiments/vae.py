"""A variational autoencoder of digits: evidence lower bound on held-out digits, samples drawn.

Dense layers 64-128-64, two latent numbers and back on scikit-learn's 8x8 digits; each grey value is
the probability of a black pixel (Bernoulli), Adam from 0.003 down to 0 along a cosine (Kingma and
Welling, 2014). Beside the bound stands that by importance weights (Burda et al., 2016), which is
nearer to the log likelihood, and the log likelihood of independent pixels, which know no digits.

Row 10 of the brief.
"""

from __future__ import annotations

import functools
import sys

import jax
import jax.numpy as jnp
import numpy as np
import optax

import paramjax as pj
from paramjax.cli import start_script
from paramjax.data import digits, split
from paramjax.losses import gaussian_kl, importance_weighted_bound, negative_elbo, reconstruction

MODEL = pj.models.VAE((64,), latent=2, features=(128, 64))
ENCODE, DECODE = (functools.partial(MODEL.apply, method=name) for name in ("encode", "decode"))
LOSS = reconstruction(
    MODEL.apply, negative_elbo(), {"kl": lambda outputs, x: gaussian_kl(*outputs[1:])}, keyed=True
)
BOUND = importance_weighted_bound(ENCODE, DECODE, samples=100)
SEEDS, STEPS, BATCH_SIZE, DRAWS, SIDE = 5, 2000, 128, 20, 7


def evaluate(params, x):
    """Means over the held-out digits and, for the bound, over draws; the same draws each time."""
    keys = jax.random.split(jax.random.key(1), DRAWS)
    loss, metrics = jax.lax.map(lambda key: LOSS(params, x, key), keys)
    weighted = BOUND(params, x, jax.random.key(2)).mean()
    return {"elbo": -loss.mean(), "kl": metrics["kl"].mean(), "weighted": weighted}


def independent_pixels(train, test):
    """Log likelihood of the test digits if each pixel is black as often as in training."""
    p = (train.sum(axis=0) + 0.5) / (len(train) + 1)
    return np.mean(np.sum(test * np.log(p) + (1 - test) * np.log1p(-p), axis=1))


def mosaic(pictures):
    """Rows of pictures as one image, with a white line around each."""
    framed = np.pad(pictures.reshape(SIDE, SIDE, 8, 8), [(0, 0), (0, 0), (1, 1), (1, 1)])
    return framed.swapaxes(1, 2).reshape(10 * SIDE, 10 * SIDE)


def main() -> int:
    script = start_script(__file__, __doc__)
    train, _, test = split(digits())
    problem = pj.Problem(
        init=lambda key: MODEL.init(key, train["x"][:1]), data=train["x"], batch_size=BATCH_SIZE,
        evaluate=evaluate, eval_data=test["x"], metric="elbo", maximise=True,
    )  # fmt: skip
    result = pj.sweep(
        lambda hp: pj.train_step(LOSS, optax.adam(optax.cosine_decay_schedule(3e-3, STEPS))), {},
        problem, trials=1, seeds=SEEDS, steps=STEPS, key=jax.random.key(script.key),
    )  # fmt: skip
    ends = {name: np.asarray(values)[:, -1] for name, values in result.curve.items()}
    params = result.params_of(0, int(ends["elbo"].argmax()))

    def plot(figure):
        plane, samples, grid = figure.subplots(1, 3)
        means = jax.device_get(ENCODE(params, test["x"])[0])
        for digit in range(10):
            rows = means[test["y"] == digit]
            plane.plot(*rows.T, "o", ms=3, color=f"C{digit}", label=str(digit))
        plane.legend(ncols=5, loc="lower center", bbox_to_anchor=(0.5, 1.0), handletextpad=0.1)
        plane.set(xlabel="first latent number", ylabel="second latent number", aspect="equal")
        drawn = MODEL.sample(params, jax.random.key(script.key), SIDE**2)
        line = jax.scipy.stats.norm.ppf((jnp.arange(SIDE) + 0.5) / SIDE)
        z = jnp.stack(jnp.meshgrid(line, line[::-1]), axis=-1).reshape(-1, 2)
        for axes, logits in ((samples, drawn), (grid, DECODE(params, z))):
            axes.imshow(mosaic(jax.nn.sigmoid(logits)), cmap="gray_r", vmin=0, vmax=1)
            axes.set(xticks=[], yticks=[])
        samples.set_title("drawn at random")
        grid.set_title("along the latent plane")

    figures = {
        f"evidence lower bound, mean of {SEEDS} seeds (nats a digit)": ends["elbo"].mean(),
        "evidence lower bound, standard deviation over seeds (nats)": ends["elbo"].std(ddof=1),
        "divergence of code and prior within it (nats)": ends["kl"].mean(),
        "bound by 100 importance weights (nats a digit)": ends["weighted"].mean(),
        "independent pixels (nats a digit)": independent_pixels(train["x"], test["x"]),
    }
    return script.finish(figures, plot)


if __name__ == "__main__":
    sys.exit(main())
