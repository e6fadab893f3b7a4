"""Imbalanced classes: plain, class weights, focal loss and balanced sampling on the Adult table.

24 % of the rows of Adult (a9a) are positive; where it is not found, 10 % of scikit-learn's digits,
one against the rest. Average precision and the recall at a fixed share of false alarms depend on
the ranking alone; F1 and recall on the threshold, which weights and sampling move.

Row 21 of the brief.
"""

import sys

import jax
import jax.numpy as jnp
import numpy as np
import optax

import paramjax as pj
from paramjax import metrics
from paramjax.cli import start_script
from paramjax.losses import binary_cross_entropy, focal, supervised

MODEL = pj.models.MLP((32, 1))
LIKELIHOOD, FOCAL = (
    pj.train_step(supervised(MODEL.apply, loss), optax.adam(3e-3))
    for loss in (binary_cross_entropy, focal)
)
NAMES = ("recall at 10 % false alarms", "average precision", "F1", "recall", "calibration error")
SEEDS, EPOCHS, BATCH, ALARMS, DIGIT = 5, 2, 128, 0.1, 8


def tables(folder, key):
    """The name of the data, and its training and test part, labels 0 and 1."""
    try:
        return "adult", *pj.data.adult(folder or None)
    except pj.data.DataNotFoundError as error:
        print(f"{error}\nscikit-learn's digits serve instead.")
    table, order = pj.data.digits(), np.asarray(jax.random.permutation(key, 1797))
    table["y"] = (table["y"] == DIGIT).astype(np.int32)
    return "digits", *({n: v[rows] for n, v in table.items()} for rows in np.split(order, [1200]))


def evaluate(params, data):
    logits, y = MODEL.apply(params, data["x"]), data["y"]
    curve = metrics.ranking_curve(logits, y)
    at_few = jnp.where(curve.false_positive_rate <= ALARMS, curve.recall, 0).max()
    whole = metrics.average_precision, metrics.f1, metrics.recall, metrics.calibration_error
    return dict(zip(NAMES, (at_few, *(metric(logits, y) for metric in whole)), strict=True))


def main() -> int:
    script = start_script(__file__, __doc__, data="")
    key, order_key = jax.random.split(jax.random.key(script.key))
    source, train, test = tables(script["data"], order_key)
    script.expected(data=source)  # stops here if --check cannot be answered
    order = pj.data.balanced_order(order_key, train["y"], 2)
    train["weight"] = np.ones(len(order), np.float32)
    methods = {
        "plain": (LIKELIHOOD, train),
        "class weights": (LIKELIHOOD, train | {"weight": pj.data.sample_weights(train["y"], 2)}),
        "focal loss": (FOCAL, train),
        "balanced sampling": (LIKELIHOOD, {n: v[order] for n, v in train.items()}),
    }
    steps = (EPOCHS if source == "adult" else 20 * EPOCHS) * len(train["y"]) // BATCH
    found, curves, figures = {}, {}, {}
    for method, (trainer, data) in methods.items():
        problem = pj.Problem(
            init=lambda key: MODEL.init(key, train["x"][:1]), data=data, batch_size=BATCH,
            evaluate=evaluate, eval_data=test, metric=NAMES[1], maximise=True,
        )  # fmt: skip
        make, counts = lambda hp, trainer=trainer: trainer, {"trials": 1, "seeds": SEEDS}
        result = pj.sweep(make, {}, problem, steps=steps, key=key, evaluations=1, **counts)
        found[method] = {name: 100 * np.asarray(result.curve[name])[:, -1] for name in NAMES}
        logits = MODEL.apply(jax.tree.map(lambda leaf: leaf[0], result.params), test["x"])
        curves[method] = metrics.ranking_curve(logits, test["y"])
        for metric, values in found[method].items():
            figures[f"{metric}, {method} (%)"] = values.mean()
            figures[f"{metric}, {method}: deviation of seeds (%)"] = values.std()

    def plot(figure):
        left, right = figure.subplots(1, 2, width_ratios=(3, 2))
        for i, (method, values) in enumerate(found.items()):
            for row, metric in enumerate(NAMES):
                places = np.full(SEEDS, row + 0.15 * (i - 1.5))
                left.plot(values[metric], places, f"C{i}{'osD^'[i]}", ms=4)
            threshold, _, *both = curves[method]  # recall and precision
            right.plot(*both, f"C{i}")
            last = [rates[np.argmin(threshold > 0) - 1] for rates in both]
            right.plot(*last, f"C{i}{'osD^'[i]}", ms=8, mec="k", label=method)
        left.set_yticks(range(len(NAMES)), NAMES)
        left.set(xlabel=f"% of test rows, {SEEDS} seeds ({source})", xlim=(0, 100))
        right.set(xlabel="recall", ylabel="precision", title="Marks: at a probability of one half")
        right.legend(loc="lower left")

    return script.finish(figures, plot, size=(11, 4.5), data=source)


if __name__ == "__main__":
    sys.exit(main())
