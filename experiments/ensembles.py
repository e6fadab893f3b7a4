"""Ensembles: ten networks together are surer of what they know, and less of what they do not.

Digits by a network of 200 images, alone and in a deep ensemble that one program trains, on test
images as they are and turned by up to 45 degrees: negative log likelihood, calibration error, and
how far the members disagree.

Row 22 of the brief.
"""

from __future__ import annotations

import sys

import jax
import jax.numpy as jnp
import numpy as np
import optax
from scipy.ndimage import rotate

import paramjax as pj
from paramjax.cli import start_script
from paramjax.estimate import ClassMixture
from paramjax.losses import cross_entropy, supervised

MODEL = pj.models.MLP((64, 64, 10))
ROWS, MEMBERS, STEPS, BATCH = 200, 10, 400, 50
ANGLES, SHIFT = (0, 10, 20, 30, 45), 20
NAMES = ("negative log likelihood (nats)", "calibration error", "accuracy (%)")


def turned(x, angle):
    """Digits turned about their centre, as numbers from 0 to 1."""
    images = rotate(x.reshape(-1, 8, 8), angle, axes=(2, 1), reshape=False, order=1)
    return images.reshape(x.shape).astype(np.float32)


@jax.jit
def measured(logits, y):
    """Negative log likelihood, calibration error and accuracy in per cent."""
    return jnp.stack([
        cross_entropy(logits, y).mean(), pj.metrics.calibration_error(logits, y),
        100 * pj.metrics.accuracy(logits, y).mean(),
    ])  # fmt: skip


def main() -> int:
    script = start_script(__file__, __doc__)
    table, order = pj.data.digits(), np.random.default_rng(script.key).permutation(1797)
    train, test = ({n: v[rows] for n, v in table.items()} for rows in np.split(order, [ROWS]))
    x, y = test["x"], test["y"]
    ensemble = pj.estimate.ensemble(
        pj.train_step(supervised(MODEL.apply, cross_entropy), optax.adam(0.003)),
        pj.Problem(init=lambda key: MODEL.init(key, x[:1]), data=train, batch_size=BATCH),
        members=MEMBERS, steps=STEPS, key=jax.random.key(script.key),
    )  # fmt: skip
    said = {angle: ensemble.classify(MODEL.apply, turned(x, angle)) for angle in ANGLES}

    def first(angle, count, start=0):
        """Some of the members as an ensemble."""
        return ClassMixture(said[angle].members[start : start + count]).logits

    alone = {a: np.mean([measured(first(a, 1, i), y) for i in range(MEMBERS)], 0) for a in ANGLES}
    together = {a: np.asarray(measured(first(a, MEMBERS), y)) for a in ANGLES}
    grown = [measured(first(SHIFT, count), y)[0] for count in range(1, MEMBERS + 1)]
    wrong = said[SHIFT].labels != y

    def plot(figure):
        (likelihood, calibration), (reliability, growth) = figure.subplots(2, 2)
        for row, ax in enumerate((likelihood, calibration)):
            ax.plot(ANGLES, [alone[a][row] for a in ANGLES], "o-", label="one network")
            ax.plot(ANGLES, [together[a][row] for a in ANGLES], "s-", label=f"{MEMBERS} together")
            ax.set(xlabel="test images turned by (degrees)", ylabel=NAMES[row], xticks=ANGLES)
            ax.legend()
        shifted = {"one_network": first(SHIFT, 1), "ensemble": first(SHIFT, MEMBERS)}
        curves = {name: pj.metrics.calibration_curve(z, y) for name, z in shifted.items()}
        pj.plots.reliability_diagram(curves, reliability, title=f"Turned by {SHIFT} degrees")
        growth.plot(range(1, MEMBERS + 1), grown, "s-", color="C1")
        growth.axhline(alone[SHIFT][0], color="C0", label="one network, mean")
        growth.set(xlabel=f"members, turned by {SHIFT} degrees", ylabel=NAMES[0])
        growth.legend()

    figures = {
        f"{angle} degrees: {name}, {who}": own[angle][row]
        for angle in (0, SHIFT)
        for row, name in enumerate(NAMES)
        for who, own in (("one network", alone), ("ensemble", together))
    }
    figures[f"{SHIFT} degrees: members' disagreement where wrong, over where right"] = (
        said[SHIFT].between[wrong].mean() / said[SHIFT].between[~wrong].mean()
    )
    return script.finish(figures, plot, size=(10, 8))


if __name__ == "__main__":
    sys.exit(main())
