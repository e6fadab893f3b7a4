"""Overfitting 100 images, and what L1, L2, weight decay, dropout and early stopping do about it.

64-128-128-10 on scikit-learn's digits, Adam at 0.003, full batch. L2 in the loss (coupled) and
weight decay outside of the optimizer's step (decoupled) are one thing under SGD. Under Adam they
are two (Loshchilov and Hutter, 2019): the penalty's gradient is divided by the gradient's size.

Row 18 of the brief.
"""

from __future__ import annotations

import functools
import sys

import jax
import numpy as np
import optax

import paramjax as pj
from paramjax.cli import start_script
from paramjax.data import digits, split

STEPS, EVALUATIONS = 400, 40
NONE = {"l1": 0.0, "l2": 0.0, "decay": 0.0, "dropout": 0.0}
VARIANTS = {
    "none": NONE,
    "L1 0.001": NONE | {"l1": 0.001},
    "L2 0.01 (coupled)": NONE | {"l2": 0.01},
    "L2 0.1 (coupled)": NONE | {"l2": 0.1},
    "decay 0.1 (decoupled)": NONE | {"decay": 0.1},
    "decay 1 (decoupled)": NONE | {"decay": 1.0},
    "dropout 0.5": NONE | {"dropout": 0.5},
}
PAIR = list(VARIANTS.values())[3:5]
MODEL = pj.models.MLP((128, 128, 10))
LOSS = pj.losses.supervised(MODEL.apply, pj.losses.cross_entropy)


def trainer(hp, scaled, learning_rate):
    def apply(params, x, key):
        model = MODEL.clone(dropout=hp["dropout"])
        return model.apply(params, x, train=True, rngs={"dropout": key})

    loss_fn = pj.losses.supervised(apply, pj.losses.cross_entropy, keyed=True)
    loss_fn = pj.losses.l2(pj.losses.l1(loss_fn, hp["l1"]), hp["l2"])
    decay, rate = optax.add_decayed_weights(hp["decay"]), optax.scale(-learning_rate)
    return pj.train_step(loss_fn, optax.chain(scaled, decay, rate))


def main() -> int:
    script = start_script(__file__, __doc__, seeds=4)
    seeds, key = script["seeds"], jax.random.key(script.key)
    parts = split(digits())
    train = jax.tree.map(lambda leaf: leaf[:100], parts.train)

    def evaluate(params, data):
        validation, training = LOSS(params, data, None)[0], LOSS(params, train, None)[0]
        return {"validation": validation, "training": training, "norm": optax.tree.norm(params)}

    problem = pj.Problem(
        init=lambda key: MODEL.init(key, train["x"][:1]), data=train, evaluate=evaluate,
        eval_data=parts.validation, metric="validation",
    )  # fmt: skip
    space = {name: pj.uniform(0.0, 2.0) for name in NONE}
    options = {"seeds": seeds, "key": key, "evaluations": EVALUATIONS}
    adam = functools.partial(trainer, scaled=optax.scale_by_adam(), learning_rate=0.003)
    sgd = functools.partial(trainer, scaled=optax.identity(), learning_rate=0.1)
    result = pj.sweep(adam, space, problem, trials=[*VARIANTS.values()], steps=STEPS, **options)
    same = pj.sweep(sgd, space, problem, trials=PAIR, steps=EVALUATIONS, **options)
    curves = {n: v.reshape(len(VARIANTS), seeds, -1).mean(axis=1) for n, v in result.curve.items()}
    validation = pj.Validation(
        evaluate, parts.validation, every=STEPS // EVALUATIONS, metric="validation",
        early_stopping=pj.EarlyStopping(patience=3),
    )  # fmt: skip
    run = pj.fit(adam(NONE), problem.init(key), train, key=key, steps=STEPS, validation=validation)
    early = float(LOSS(run.params, parts.validation, None)[0])
    coupled, decoupled = same.curve["norm"][:, -1].reshape(2, seeds)

    def plot(figure):
        left, right = figure.subplots(1, 2)
        for axes, name in ((left, "training"), (right, "validation")):
            axes.semilogy(np.linspace(STEPS / EVALUATIONS, STEPS, EVALUATIONS), curves[name].T)
            axes.set(xlabel="step", ylabel=f"{name} loss (nats, {seeds} seeds)")
        right.axhline(early, color="0.5", ls=":")
        figure.legend(right.get_lines(), [*VARIANTS, "early stopping"], loc="outside right center")

    figures = {
        f"{name}, {variant}": curves[name][index, -1]
        for name in ("validation", "training", "norm") for index, variant in enumerate(VARIANTS)
    }  # fmt: skip
    figures["validation, early stopping"] = early
    figures["steps, early stopping"] = len(run.history["loss"])
    figures["norm, coupled against decoupled, SGD (%)"] = 100 * abs(coupled / decoupled - 1).max()
    return script.finish(figures, plot, seeds=seeds)


if __name__ == "__main__":
    sys.exit(main())
