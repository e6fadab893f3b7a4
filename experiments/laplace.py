"""A trained network that knows when it does not know: the Laplace approximation under shift.

The MLP of the digits, trained to its maximum a posteriori, gets uncertain parameters: those of the
last layer with all their correlations, or all by Kronecker factors. The precision of the prior
maximises the marginal likelihood; no further data is used. The test images are rotated and rolled,
as in Ovadia et al. (2019, Can you trust your model's uncertainty?), and made noisy. The price is
among the figures: on images as they are, the network was well calibrated, and becomes too modest.

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

MODEL, STEPS, ANGLES = pj.models.MLP((64, 10)), 2000, (15, 30, 45, 60)
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
        **{f"rotated by {angle}": ndimage.rotate(images, angle, **turn) for angle in ANGLES},
        **{f"rolled by {by}": np.roll(images, by, axis=2) for by in (1, 2)},
        **{f"noise of {size}": images + size * noise for size in (0.25, 0.5)},
    }
    return {name: own.reshape(-1, 64).astype(np.float32) for name, own in made.items()}


def logits_of(seed):
    """Logits [ways, shifts, images, classes] of test images, and their labels."""
    parts = pj.data.split(pj.data.digits(), seed=seed)
    params = trained(parts.train, jax.random.key(seed))
    sets = shifted(parts.test["x"], seed)
    x, classes = np.concatenate(list(sets.values())), pj.estimate.categorical()
    logits = [MODEL.apply(params, x)]
    for way in WAYS.values():
        found = pj.estimate.laplace(
            MODEL.apply, params, parts.train, likelihood=classes, structure=way
        )
        logits.append(found.predict(x).logits)
    return np.stack(logits).reshape(len(NAMES), len(sets), -1, 10), parts.test["y"], list(sets)


def main() -> int:
    script = start_script(__file__, __doc__, seeds=5)
    seeds = range(script.key, script.key + script["seeds"])
    results = [logits_of(seed) for seed in seeds]
    error, nll = jax.jit(pj.metrics.calibration_error), jax.jit(cross_entropy)
    scores = np.array([
        [[(nll(own, y).mean(), 100 * error(own, y)) for own in way] for way in logits]
        for logits, y, _ in results
    ])  # [seeds, ways, shifts, score], the images as they are first  # fmt: skip
    means, on_shifts = scores.mean(axis=0), scores[:, :, 1:].mean(axis=2)

    def plot(figure):
        left, right = figure.subplots(1, 2)
        all_y = np.concatenate([np.tile(y, len(sets) - 1) for _, y, sets in results])
        pooled = np.concatenate([one[:, 1:].reshape(len(NAMES), -1, 10) for one, *_ in results], 1)
        curves = {
            name: pj.metrics.calibration_curve(jnp.asarray(own), all_y)
            for name, own in zip(NAMES, pooled, strict=True)
        }
        pj.plots.reliability_diagram(curves, left, title="all shifted images")
        for name, own, mark in zip(NAMES, means[..., 0], "osD", strict=True):
            right.plot(own, results[0][2], mark, label=name, alpha=0.8)
        right.set(xlabel="negative log-likelihood (nats an image)", title=f"{len(seeds)} seeds")
        right.invert_yaxis()
        right.grid(alpha=0.3)
        right.legend()

    better = (on_shifts[:, 1:] < on_shifts[:, :1]).all(axis=2).mean(axis=0)
    figures = {}
    for i, name in enumerate(NAMES):
        for where, own in (("on shifts", means[i, 1:].mean(axis=0)), ("as they are", means[i, 0])):
            figures[f"{name}, {where}: negative log-likelihood (nats)"] = own[0]
            figures[f"{name}, {where}: calibration error (%)"] = own[1]
    for name, share in zip(WAYS, better, strict=True):
        figures[f"{name}, on shifts: seeds with both lower (%)"] = 100 * share
    return script.finish(figures, plot, size=(10, 5))


if __name__ == "__main__":
    sys.exit(main())
