"""A trained network that knows when it does not know: the Laplace approximation under shift.

An MLP of the digits, trained to its maximum a posteriori, gets uncertain parameters: those of the
last layer, or all by Kronecker factors; the precision of the prior maximises the marginal
likelihood. Test images are rotated and rolled, as in Ovadia et al. (2019, Can you trust your
model's uncertainty?), and made noisy. The price: on images as they are it becomes too modest.

Row 28 of the brief.
"""

from __future__ import annotations

import sys

import jax
import jax.numpy as jnp
import numpy as np
import optax
from scipy import ndimage

import paramjax as pj
from paramjax.cli import start_script
from paramjax.losses import cross_entropy, l2, supervised

MODEL, STEPS = pj.models.MLP((64, 10)), 2000
WAYS = {"last layer": pj.estimate.last_layer(), "Kronecker": pj.estimate.kronecker()}
NAMES = ("point estimate", *WAYS)


def trained(data, key):
    loss = l2(supervised(MODEL.apply, cross_entropy), 1 / len(data["y"]))  # a prior of precision 1
    trainer = pj.train_step(loss, optax.adam(optax.cosine_decay_schedule(0.003, STEPS)))
    params = jax.jit(MODEL.init)(key, data["x"][:1])
    return pj.fit(trainer, params, data, key=key, steps=STEPS, batch_size=64).params


def shifted(x, seed):
    """Test images as they are, and all shifts of them; at first every pixel lies in [0, 1]."""
    images = np.asarray(x).reshape(-1, 8, 8)
    turn = {"axes": (2, 1), "reshape": False, "order": 1}
    noise = np.random.default_rng(seed).normal(size=images.shape)
    made = {
        "as they are": images,
        **{f"rotated by {by}": ndimage.rotate(images, by, **turn) for by in (15, 30, 45, 60)},
        **{f"rolled by {by}": np.roll(images, by, axis=2) for by in (1, 2)},
        **{f"noise of {size}": images + size * noise for size in (0.25, 0.5)},
    }
    return {name: own.reshape(-1, 64).astype(np.float32) for name, own in made.items()}


def logits_of(seed):
    """Logits [ways, shifts, images, classes] of test images, their labels, and what shifts."""
    parts = pj.data.split(pj.data.digits(), seed=seed)
    params, sets = trained(parts.train, jax.random.key(seed)), shifted(parts.test["x"], seed)
    x, asked = np.concatenate(list(sets.values())), (MODEL.apply, params, parts.train)
    classes = pj.estimate.categorical()
    ways = (pj.estimate.laplace(*asked, likelihood=classes, structure=way) for way in WAYS.values())
    logits = np.stack([MODEL.apply(params, x), *(way.predict(x).logits for way in ways)])
    return logits.reshape(len(NAMES), len(sets), -1, 10), parts.test["y"], list(sets)


@jax.jit
def judged(logits, y):
    """Negative log likelihood, and calibration error in per cent, of sets of images."""
    error = jax.vmap(pj.metrics.calibration_error, (0, None))(logits, y)
    return jax.vmap(cross_entropy, (0, None))(logits, y).mean(axis=1), 100 * error


def main() -> int:
    script = start_script(__file__, __doc__, seeds=5)
    results = [logits_of(script.key + i) for i in range(script["seeds"])]
    # [seeds, ways, score, shifts], the images as they are first
    scores = np.array([[judged(way, y) for way in logits] for logits, y, _ in results])
    means, on_shifts = scores.mean(axis=0), scores[..., 1:].mean(axis=3)
    lower = (on_shifts[:, 1:] < on_shifts[:, :1]).all(axis=(1, 2))

    def plot(figure):
        left, right = figure.subplots(1, 2)
        all_y = np.concatenate([np.tile(y, len(sets) - 1) for _, y, sets in results])
        pooled = np.concatenate([one[:, 1:].reshape(len(NAMES), -1, 10) for one, *_ in results], 1)
        curve, each = pj.metrics.calibration_curve, zip(NAMES, jnp.asarray(pooled), strict=True)
        curves = {name: curve(own, all_y) for name, own in each}
        pj.plots.reliability_diagram(curves, left, title="all shifts")
        for name, own, mark in zip(NAMES, means, "osD", strict=True):
            right.plot(own[0], results[0][2], mark, label=name, alpha=0.8)
        right.set(xlabel="negative log likelihood (nats)", title=f"{len(results)} seeds")
        right.legend()

    figures = {"seeds in which both ways lower both scores on shifts (%)": 100 * lower.mean()}
    for i, name in enumerate(NAMES):
        for where, own in (("on shifts", means[i, :, 1:].mean(1)), ("as they are", means[i, :, 0])):
            figures[f"{name}, {where}: negative log likelihood (nats)"] = own[0]
            figures[f"{name}, {where}: calibration error (%)"] = own[1]
    return script.finish(figures, plot, size=(10, 5), seeds=script["seeds"])


if __name__ == "__main__":
    sys.exit(main())
