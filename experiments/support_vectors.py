"""A linear support vector machine, trained to the optimum; a decision tree as a reference.

Hinge loss and a squared penalty, by Adam with a falling rate, against libsvm's solution. Both
classifiers are cross-validated over the same folds of scikit-learn's breast-cancer table.

Row 12 of the brief.
"""

import sys

import jax
import numpy as np
import optax
from jax.flatten_util import ravel_pytree
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

import paramjax as pj
from paramjax.cli import start_script
from paramjax.losses import hinge, l2, supervised
from paramjax.metrics import binary_accuracy

MODEL, C, STEPS, FOLDS = pj.models.Linear(1), 1.0, 3000, 5
HINGE = supervised(MODEL.apply, hinge, {"accuracy": binary_accuracy})
COLUMNS = {"mean texture": 1, "mean concave points": 7}


def machine(rows):
    """The loss `mean hinge + |w|^2 / (2 C n)`, and its trainer."""
    loss_fn = l2(HINGE, 1 / (C * rows), where=".*kernel")
    return loss_fn, pj.train_step(loss_fn, optax.adam(optax.cosine_decay_schedule(0.05, STEPS)))


def cross_validated(x, y, key):
    """Held-out accuracy of machine and tree on the same folds, [2, folds], in percent."""
    data, (_, trainer) = {"x": x, "y": y}, machine(len(y) * (FOLDS - 1) // FOLDS)
    init, evaluate = lambda key: MODEL.init(key, x), lambda params, rows: HINGE(params, rows, None)
    problem = pj.Problem(init=init, data=data, evaluate=evaluate)
    result = pj.cross_validate(trainer, problem, steps=STEPS, key=key, folds=FOLDS, stratify=y)
    tree = []
    for held_out in (result.folds == fold for fold in range(FOLDS)):
        fitted = DecisionTreeClassifier(random_state=0).fit(x[~held_out], y[~held_out])
        tree.append(fitted.score(x[held_out], y[held_out]))
    return 100 * np.array([result.metrics["accuracy"], tree])


def main() -> int:
    script = start_script(__file__, __doc__)
    key, table = jax.random.key(script.key), pj.data.breast_cancer()
    y, whole = table["y"], (table["x"] - table["x"].mean(axis=0)) / table["x"].std(axis=0)
    x = whole[:, list(COLUMNS.values())]
    loss_fn, trainer = machine(len(x))
    run = pj.fit(trainer, MODEL.init(key, x), {"x": x, "y": y}, key=key, steps=STEPS)
    found, unflatten = ravel_pytree(run.params)  # bias first, then the kernel
    exact = SVC(kernel="linear", C=C, tol=1e-8).fit(x, y)
    best = np.array([*exact.intercept_, *exact.coef_[0]], np.float32)
    above = run.history["loss"][-1] / loss_fn(unflatten(best), {"x": x, "y": y}, None)[0] - 1
    support = (2 * y - 1) * np.asarray(MODEL.apply(run.params, x))[:, 0] < 1.001  # their margins
    tree = DecisionTreeClassifier(max_depth=3, random_state=0).fit(x, y)
    folds = {"two features": cross_validated(x, y, key), "thirty": cross_validated(whole, y, key)}

    def plot(figure):
        left, right = figure.subplots(1, 2, width_ratios=(3, 2))
        sides = np.linspace(x.min(axis=0) - 0.2, x.max(axis=0) + 0.2, 200).T
        grid = np.stack(np.meshgrid(*sides)).astype(np.float32)
        for label, name in enumerate(("malignant", "benign")):
            left.scatter(*x[y == label].T, s=8, label=name)
        left.scatter(*x[support].T, s=40, fc="none", ec="0.3", lw=0.6, label="support vectors")
        for score, levels, style in ((lambda x: MODEL.apply(run.params, x), [-1, 1], "k--"),
                                     (lambda x: MODEL.apply(run.params, x), [0], "k-"),
                                     (tree.predict, [0.5], "g-")):  # fmt: skip
            side = score(grid.reshape(2, -1).T).reshape(200, 200)
            left.contour(*grid, side, levels, colors=style[0], linestyles=style[1:])
        left.set(title="Black: the machine and its margins, green: a tree")
        left.legend(loc="upper right")
        left.set(xlabel="{} (standard deviations)".format(*COLUMNS), ylabel=[*COLUMNS][1])
        for i, color in enumerate("kg"):
            places = np.arange(2)[:, None] + 0.3 * i - 0.15 + np.linspace(-0.08, 0.08, FOLDS)
            right.plot(places, [both[i] for both in folds.values()], "o", color=color)
        right.set_xticks(range(2), list(folds))
        right.set(ylabel="held-out accuracy of each fold (%)", title="Black: machine, green: tree")

    figures = {
        "objective": run.history["loss"][-1],
        "objective above libsvm's (%)": 100 * above,
        "largest distance of the weights from libsvm's": np.abs(found - best).max(),
        "support vectors": support.sum(),
        "support vectors of libsvm": exact.n_support_.sum(),
    }
    for name, both in folds.items():
        for who, values in zip(("machine", "tree"), both, strict=True):
            figures[f"accuracy, {who}, {name}: mean of folds (%)"] = values.mean()
            figures[f"accuracy, {who}, {name}: deviation of folds (%)"] = values.std()
    return script.finish(figures, plot, size=(11, 4.5))


if __name__ == "__main__":
    sys.exit(main())
