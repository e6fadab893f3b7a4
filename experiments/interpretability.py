"""What drives an estimate: the pixels of a digit, the features of a table.

Digits: input gradients, SmoothGrad and integrated gradients, whose contributions add up to the
change of the logit, judged by what is lost without the five pixels that they put first. Breast
cancer: permutation importance of a network beside scikit-learn's on the same orders of the rows.

Row 28 of the brief.
"""

from __future__ import annotations

import sys

import jax
import numpy as np
import optax
from sklearn.datasets import load_breast_cancer
from sklearn.inspection import permutation_importance as by_sklearn

import paramjax as pj
from paramjax.cli import start_script
from paramjax.losses import cross_entropy, supervised

REPEATS = 10
DIGITS, TABLE = pj.models.MLP((64, 10)), pj.models.MLP((16, 2))
FITTED = type("Fitted", (), {"fit": None.__init__})()  # all that scikit-learn asks of a model


def trained(model, data, key):
    trainer = pj.train_step(supervised(model.apply, cross_entropy), optax.adam(0.003))
    params = jax.jit(model.init)(key, data["x"][:1])
    return pj.fit(trainer, params, data, key=key, steps=600, batch_size=64).params


def orders_of_sklearn(rows):
    """It shuffles a shuffled column again, with one seed for all columns."""
    draw, order = np.random.RandomState(np.random.RandomState(0).randint(2**31)), np.arange(rows)
    shuffled = [order.copy()]
    for _ in range(REPEATS):
        draw.shuffle(order)
        shuffled.append(shuffled[-1][order])
    return np.stack(shuffled[1:])


def main() -> int:
    script = start_script(__file__, __doc__)
    keys = jax.random.split(jax.random.key(script.key), 3)
    parts = pj.data.split(pj.data.digits(), seed=script.key)
    (x, y), params = (parts.test[name] for name in "xy"), trained(DIGITS, parts.train, keys[0])
    asked = {"fn": DIGITS.apply, "params": params, "x": x, "target": y}
    whole = pj.explain.integrated_gradients(steps=512, **asked)
    maps = {"gradient": pj.explain.input_gradients(**asked), "integrated": whole.attributions,
            "SmoothGrad": pj.explain.smooth_grad(key=keys[1], **asked)}  # fmt: skip

    def logit_lost(choice):
        """How far a logit falls, on average, once the five chosen pixels are black."""
        black = np.where(np.argsort(np.argsort(-choice)) < 5, 0, x)
        return (DIGITS.apply(params, x) - DIGITS.apply(params, black))[np.arange(len(y)), y].mean()

    table = pj.data.standardise(pj.data.split(pj.data.breast_cancer(), seed=script.key))
    weights, rows = trained(TABLE, table.train, keys[2]), (table.test["x"], table.test["y"])
    score = jax.jit(lambda x, y: -cross_entropy(TABLE.apply(weights, x), y).mean())
    ours = pj.explain.permutation_importance(score, *rows, orders_of_sklearn(len(rows[0])))
    theirs = by_sklearn(FITTED, *rows, scoring=lambda _, x, y: float(score(x, y)),
                        n_repeats=REPEATS, random_state=0)  # fmt: skip

    def plot(figure):
        left, right = figure.subfigures(1, 2)
        top, *others = left.subplots(4, 4)
        for ax, image in zip(top, x[:4].reshape(4, 8, 8), strict=True):
            ax.imshow(image, cmap="Greys")
            ax.axis("off")
        for axes, (name, own) in zip(others, maps.items(), strict=True):
            pj.plots.saliency_maps(own[:4].reshape(4, 8, 8), axes, label=name)
        ax, first = right.subplots(), np.argsort(ours.mean)[-10:]
        names = load_breast_cancer().feature_names[first]
        ax.barh(names, ours.mean[first], xerr=ours.std[first], alpha=0.6, label="paramjax")
        ax.plot(theirs.importances_mean[first], names, "k|", ms=10, label="scikit-learn")
        ax.set(xlabel="log likelihood lost without the feature (nats)")
        ax.legend(loc="lower right")

    apart, chance = (
        np.abs(ours.values - theirs.importances).max(),
        jax.random.uniform(keys[1], x.shape),
    )
    figures = {
        "digits: test accuracy (%)": 100 * (DIGITS.apply(params, x).argmax(1) == y).mean(),
        "integrated gradients: mean change of a logit": whole.change.mean(),
        "integrated gradients: largest gap to the change": np.abs(whole.gap).max(),
        "logit lost with five pixels, by integrated gradients": logit_lost(maps["integrated"]),
        "logit lost with five pixels, by SmoothGrad": logit_lost(maps["SmoothGrad"]),
        "logit lost with five pixels, by chance": logit_lost(chance),
        "importance: largest distance from scikit-learn (nats)": apart,
    }
    return script.finish(figures, plot, size=(10, 5))


if __name__ == "__main__":
    sys.exit(main())
