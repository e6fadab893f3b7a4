"""All metrics of one classifier beside scikit-learn's, its calibration and its ranking curves.

A network learns scikit-learn's digits from few of them, so that it errs and is too sure of itself.

Row 22 of the brief.
"""

from __future__ import annotations

import functools
import sys

import jax
import jax.numpy as jnp
import numpy as np
import optax
from scipy.special import softmax
from sklearn import metrics as reference

import paramjax as pj
from paramjax import metrics as own
from paramjax.cli import start_script
from paramjax.losses import cross_entropy, supervised

MODEL = pj.models.MLP((64, 10))
LOSS = supervised(MODEL.apply, cross_entropy)
ROWS, STEPS, BINS, CLASS = 150, 300, 10, 8


def calibration_error(z, p, y):
    """Spelled out, because scikit-learn has none."""
    sure, right, bins = p.max(axis=1), z.argmax(axis=1) == y, np.arange(BINS)[:, None]
    return abs(((np.ceil(BINS * sure) == bins + 1) * (right - sure)).sum(axis=1)).sum() / len(y)


METRICS = {  # ours of (logits, labels), scikit-learn's of (logits, probabilities, labels)
    "accuracy": (lambda z, y: own.accuracy(z, y).mean(),
                 lambda z, p, y: reference.accuracy_score(y, z.argmax(axis=1))),
    "top-3 accuracy": (lambda z, y: own.top_k_accuracy(z, y, k=3).mean(),
                       lambda z, p, y: reference.top_k_accuracy_score(y, z, k=3)),
    "ROC-AUC, one against rest": (
        own.roc_auc, lambda z, p, y: reference.roc_auc_score(y, p, multi_class="ovr")),
    "average precision, macro": (
        own.average_precision, lambda z, p, y: reference.average_precision_score(np.eye(10)[y], p)),
    "Brier score": (lambda z, y: own.brier_score(z, y).mean(),
                    lambda z, p, y: reference.brier_score_loss(y, p, scale_by_half=False)),
    "log loss (nats)": (lambda z, y: cross_entropy(z, y).mean(),
                        lambda z, p, y: reference.log_loss(y, p)),
    "calibration error": (functools.partial(own.calibration_error, bins=BINS), calibration_error),
    "confusion matrix": (own.confusion_matrix,
                         lambda z, p, y: reference.confusion_matrix(y, z.argmax(axis=1))),
}  # fmt: skip
for name in ("precision", "recall", "f1"):
    ours, theirs = getattr(own, name), getattr(reference, f"{name}_score")
    METRICS |= {f"{name}, {average}": (
        functools.partial(ours, average=average),
        lambda z, p, y, score=theirs, of=average: score(y, z.argmax(axis=1), average=of),
    ) for average in ("micro", "macro", "weighted")}  # fmt: skip


def main() -> int:
    script = start_script(__file__, __doc__)
    key = jax.random.key(script.key)
    table, order = pj.data.digits(), jax.random.permutation(key, 1797)
    train, test = ({n: v[rows] for n, v in table.items()} for rows in np.split(order, [ROWS]))
    trainer = pj.train_step(LOSS, optax.adam(0.01))
    run = pj.fit(trainer, MODEL.init(key, train["x"]), train, key=key, steps=STEPS)
    logits, y = MODEL.apply(run.params, test["x"]), test["y"]
    found = jax.jit(lambda z: {name: ours(z, y) for name, (ours, _) in METRICS.items()})(logits)
    z = np.asarray(logits, np.float64)
    off = {
        n: np.abs(found[n] - of(z, softmax(z, axis=1), y)).max() for n, (_, of) in METRICS.items()
    }
    curve = jax.jit(functools.partial(own.calibration_curve, bins=BINS))(logits, y)
    log_odds = logits[:, CLASS] - jax.nn.logsumexp(jnp.delete(logits, CLASS, axis=1), axis=1)
    ranking = own.ranking_curve(log_odds, y == CLASS)

    def plot(figure):
        left, middle, right = figure.subplots(1, 3)
        pj.plots.reliability_diagram({"network": curve}, left)
        middle.plot([0, *ranking.false_positive_rate], [0, *ranking.recall])
        middle.set(xlabel="false positive rate", ylabel="recall", title=f"ROC, digit {CLASS}")
        right.plot(ranking.recall, ranking.precision)
        right.set(xlabel="recall", title=f"Precision and recall, digit {CLASS}", ylim=(0, 1.03))
        right.set(ylabel="precision")

    figures = {name: value for name, value in found.items() if np.ndim(value) == 0}
    figures["wrong cells of the confusion matrix"] = off.pop("confusion matrix")
    figures["largest difference from scikit-learn"] = max(off.values())
    return script.finish(figures, plot, size=(12, 4))


if __name__ == "__main__":
    sys.exit(main())
