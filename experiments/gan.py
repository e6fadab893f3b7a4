"""Two adversarial networks learn a ring of eight Gaussians: the share of modes they cover.

A generator of 2-64-64-2 and a discriminator of 2-64-64-1 ReLU move in turn by Adam, on the
non-saturating losses (Goodfellow et al., 2014) or Wasserstein's with a gradient penalty (Gulrajani
et al., 2017). A sample is near a mode within three standard deviations; a mode is covered if a
quarter of its share of the samples is near it.

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
from paramjax.losses import adversarial, nonsaturating_pair, wasserstein_pair

MODES, DEVIATION, RADIUS, ROWS, SAMPLES = 8, 0.1, 2.0, 8192, 4096
SEEDS, STEPS, BATCH_SIZE, EVALUATIONS = 6, 3000, 128, 20
ANGLES = 2 * np.pi * np.arange(MODES) / MODES
CENTRES = RADIUS * np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=1).astype(np.float32)
GENERATOR = pj.models.Generator((2,), (64, 64))
DISCRIMINATOR = pj.models.Discriminator((64, 64), activation="relu")
PAIRS = {  # penalty, learning rates, Adam's b1, updates of the discriminator for one of the other
    "non-saturating": (nonsaturating_pair, 0.0, 1e-3, 1e-3, 0.5, 1),
    "Wasserstein": (wasserstein_pair, 1.0, 2e-3, 1e-3, 0.0, 3),
}


def init(key):
    models = {"generator": GENERATOR, "discriminator": DISCRIMINATOR}
    keys = zip(models, jax.random.split(key), strict=True)
    return {name: models[name].init(key, jnp.zeros((1, 2))) for name, key in keys}


def make_trainer(hp):
    pair, penalty, *rates, b1, updates = PAIRS[hp["pair"]]
    losses = adversarial(GENERATOR.apply, DISCRIMINATOR.apply, 2, pair, penalty=penalty)
    txs = (optax.adam(optax.linear_schedule(rate, 0.0, STEPS), b1=b1, b2=0.9) for rate in rates)
    txs = dict(zip(("discriminator", "generator"), txs, strict=True))
    return pj.trainers.alternating(losses, txs, steps={"discriminator": updates})


def samples(params):
    return GENERATOR.apply(params["generator"], jax.random.normal(jax.random.key(1), (SAMPLES, 2)))


def evaluate(params, data):
    distance = jnp.linalg.norm(samples(params)[:, None] - CENTRES[None], axis=2)
    near = distance < 3 * DEVIATION  # [samples, modes]
    covered = near.mean(axis=0) > 0.25 / MODES
    return {"near": 100 * near.any(axis=1).mean(), "covered": 100 * covered.mean()}


def main() -> int:
    script = start_script(__file__, __doc__)
    key, noise_key = jax.random.split(jax.random.key(script.key))
    noise = DEVIATION * jax.random.normal(noise_key, (ROWS, 2))
    data = np.asarray(CENTRES[np.arange(ROWS) % MODES] + noise)
    problem = pj.Problem(
        init=init, data=data, batch_size=BATCH_SIZE, evaluate=evaluate, metric="near", maximise=True
    )
    result = pj.sweep(
        make_trainer, {"pair": pj.choice(list(PAIRS))}, problem, seeds=SEEDS, steps=STEPS, key=key,
        trials=[{"pair": pair} for pair in PAIRS], evaluations=EVALUATIONS,
    )  # fmt: skip
    curves = {n: np.asarray(v).reshape(-1, SEEDS, EVALUATIONS) for n, v in result.curve.items()}

    def plot(figure):
        first, *squares = figure.subplots(1, 3)
        steps = np.linspace(STEPS / EVALUATIONS, STEPS, EVALUATIONS)
        for number, name in enumerate(PAIRS):
            first.plot(steps, curves["covered"][number].mean(axis=0), f"C{number}", label=name)
            axes, drawn = squares[number], samples(result.params_of(number, 0))
            axes.plot(*data[:1000].T, ".", color="0.7", ms=4, label="data")
            axes.plot(*drawn[:1000].T, ".", color=f"C{number}", ms=2, label="samples")
            axes.set(title=f"{name}, seed 0", aspect="equal", xlim=(-3, 3), ylim=(-3, 3))
            axes.legend(loc="center", markerscale=3)
        first.set(xlabel="step", ylabel="modes covered, mean of seeds (%)", ylim=(0, 105))
        first.legend()

    figures = {}
    for name, near, covered in zip(PAIRS, curves["near"], curves["covered"], strict=True):
        ends = near[:, -1]
        figures[f"{name}: modes covered, mean of {SEEDS} seeds (%)"] = covered[:, -1].mean()
        figures[f"{name}: samples near a mode, mean of {SEEDS} seeds (%)"] = ends.mean()
        figures[f"{name}: samples near a mode, median (%)"] = np.median(ends)
        figures[f"{name}: samples near a mode, standard deviation (%)"] = ends.std(ddof=1)
    return script.finish(figures, plot)


if __name__ == "__main__":
    sys.exit(main())
