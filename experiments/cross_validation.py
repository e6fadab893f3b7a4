"""Cross-validation: stratified folds as one population, scaled within the folds, and nested.

Logistic regression on breast cancer, its L2 penalty of least held-out cross-entropy. That value
chose, so in theory it flatters (Cawley and Talbot, 2010); nested folds choose within the other
rows. One key cannot prove it: here both differ by less than a deviation over the outer folds.

Row 19 of the brief.
"""

import sys

import jax
import numpy as np
import optax

import paramjax as pj
from paramjax.cli import start_script
from paramjax.data import Moments, breast_cancer, folds

MODEL = pj.models.MLP((1,))  # no hidden layer: logistic regression
ROWS, OUTER, INNER, STEPS = 565, 5, 4, 200  # folds of 113 rows, so that programs are shared
L2 = np.logspace(-4, 1, 8).tolist()


def apply(params, moments, x):
    moments = Moments.none((30,)).update(x)  # full batches: of all rows that the fold trains on
    return MODEL.apply(params, moments.scaler().apply(x)), moments


LOSS = pj.losses.supervised(apply, pj.losses.binary_cross_entropy, stateful=True)


def evaluate(params, moments, rows):
    logits = MODEL.apply(params, moments.scaler().apply(rows["x"]))
    measures = {"loss": pj.losses.binary_cross_entropy, "accuracy": pj.metrics.binary_accuracy}
    return {name: measure(logits, rows["y"]).mean() for name, measure in measures.items()}


def trainer(hp):
    return pj.train_step(pj.losses.l2(LOSS, hp["l2"]), optax.adam(0.05), stateful=True)


def held_out(rows, folds, key):
    """Cross-entropy and accuracy on the rows held out, each [weights, folds]."""
    init, moments = (lambda key: MODEL.init(key, rows["x"][:1])), Moments.none((30,))
    problem = pj.Problem(init=init, data=rows, evaluate=evaluate, model_state=moments)
    result = pj.sweep(
        trainer, {"l2": pj.log_uniform(1e-4, 10)}, problem, seeds=1, steps=STEPS, key=key,
        trials=[{"l2": weight} for weight in L2], folds=folds,
    )  # fmt: skip
    last = {name: np.asarray(values)[:, -1] for name, values in result.curve.items()}
    return (last[name].reshape(len(L2), -1) for name in ("loss", "accuracy"))


def choices(data, outer, key):
    """The weight that inner folds choose without each outer fold, and their loss for it."""
    for number in range(OUTER):
        rows = jax.tree.map(lambda leaf, number=number: leaf[outer != number], data)
        inner = folds(len(rows["y"]), INNER, key, stratify=rows["y"])
        losses = next(held_out(rows, inner, key)).mean(axis=1)
        yield losses.argmin(), losses.min()


def main() -> int:
    script = start_script(__file__, __doc__)
    key = jax.random.key(script.key)
    data = {name: values[:ROWS] for name, values in breast_cancer().items()}
    outer = folds(ROWS, OUTER, key, stratify=data["y"])
    losses, accuracy = held_out(data, outer, key)
    chosen, promised = zip(*choices(data, outer, key), strict=True)
    nested, percent = losses[chosen, range(OUTER)], 100 * accuracy[chosen, range(OUTER)]

    def plot(figure):
        left, right = figure.subplots(1, 2)
        left.plot(L2, losses, "-", color="C0", alpha=0.35)
        left.plot(L2, losses.mean(axis=1), "o-", color="C0", label=f"mean of {OUTER} folds")
        left.axvline(L2[losses.mean(axis=1).argmin()], color="k", linestyle=":", label="least mean")
        left.loglog()
        left.legend()
        left.set(xlabel="weight of the L2 penalty", ylabel="held-out cross-entropy (nats)")
        right.bar(np.arange(OUTER) - 0.2, promised, 0.4, label="inner folds, for their choice")
        right.bar(np.arange(OUTER) + 0.2, nested, 0.4, label="outer fold, which took no part")
        right.set(xlabel="outer fold", ylabel="cross-entropy (nats)", ylim=(0, 1.45 * nested.max()))
        right.legend(loc="upper right")
        figure.suptitle("Logistic regression on breast cancer, standardised within the folds")

    figures = {
        "least mean cross-entropy, which chose its weight (nats)": losses.mean(axis=1).min(),
        "nested: cross-entropy on the outer folds (nats)": nested.mean(),
        "nested: deviation over the outer folds (nats)": nested.std(ddof=1),
        "nested: accuracy on the outer folds (%)": percent.mean(),
        "nested: worst outer fold (%)": percent.min(),
    }
    return script.finish(figures, plot)


if __name__ == "__main__":
    sys.exit(main())
