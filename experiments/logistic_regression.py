"""Logistic regression by gradient descent against the maximum-likelihood solution.

Binary cross-entropy on four features of scikit-learn's breast-cancer table, standardised. The
references are Newton's method in 64 bits and scikit-learn without a penalty. The Fisher
information, the Hessian of the summed loss, gives the standard errors.

Row 3 of the brief.
"""

from __future__ import annotations

import sys

import jax
import numpy as np
import optax
from jax.flatten_util import ravel_pytree
from sklearn.linear_model import LogisticRegression

import paramjax as pj
from paramjax.cli import start_script
from paramjax.losses import binary_cross_entropy, supervised

MODEL = pj.models.Linear(1)  # starts at zero
LOSS = supervised(MODEL.apply, binary_cross_entropy)
COLUMNS = {"texture": 1, "smoothness": 4, "symmetry": 8, "fractal dimension": 9}  # of means
NAMES = ["intercept", *COLUMNS]
STEPS = 300


def newton(X, y, steps=12):
    """Iterates of Newton's method in 64 bits, and the Fisher information at the last."""
    w, path = np.zeros(X.shape[1]), []
    for _ in range(steps):
        path.append(w)
        chance = 1 / (1 + np.exp(-X @ w))
        information = X.T @ (X * (chance * (1 - chance))[:, None])
        w = w + np.linalg.solve(information, X.T @ (y - chance))
    return np.array(path), information


def mean_loss(X, y, w):
    return np.mean(np.logaddexp(0, X @ w) - y * (X @ w))


def main() -> int:
    script = start_script(__file__, __doc__)
    table = pj.data.breast_cancer()
    x = table["x"][:, list(COLUMNS.values())]
    data = {"x": (x - x.mean(axis=0)) / x.std(axis=0), "y": table["y"].astype(np.float32)}
    params = MODEL.init(jax.random.key(script.key), data["x"])
    trainer = pj.train_step(LOSS, optax.sgd(0.5, momentum=0.9))
    run = pj.fit(trainer, params, data, key=jax.random.key(script.key), steps=STEPS)
    flat, unflatten = ravel_pytree(run.params)  # bias first, then the kernel
    hessian = jax.hessian(lambda theta: LOSS(unflatten(theta), data, None)[0])(flat)
    found, errors = np.asarray(flat, np.float64), np.sqrt(np.diag(np.linalg.inv(hessian * len(x))))

    X, y = np.hstack([np.ones((len(x), 1)), data["x"]]).astype(np.float64), table["y"]
    path, information = newton(X, y)
    likeliest, exact = path[-1], np.sqrt(np.diag(np.linalg.inv(information)))
    sklearn = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-10).fit(X[:, 1:], y)
    package = np.array([*sklearn.intercept_, *sklearn.coef_[0]])
    least = mean_loss(X, y, likeliest)

    def plot(figure):
        left, right = figure.subplots(1, 2)
        for shift, label, w, error in ((-0.1, "gradient descent", found, errors),
                                       (0.1, "Newton, 64 bits", likeliest, exact)):  # fmt: skip
            rows = np.arange(len(NAMES)) + shift
            left.errorbar(w, rows, xerr=1.96 * error, fmt="o", capsize=4, label=label)
        left.set_yticks(range(len(NAMES)), NAMES)
        left.invert_yaxis()
        left.axvline(0, color="0.7", zorder=0)
        left.set(xlabel="log odds of benign a standard deviation, 95 % interval")
        right.semilogy(run.history["loss"] - least, label="gradient descent with momentum")
        right.semilogy([mean_loss(X, y, w) - least for w in path], "o-", label="Newton")
        right.set(xlabel="step", ylabel="loss above its minimum (nats)", ylim=(1e-7, 1))
        left.legend(loc="center right")
        right.legend()

    figures = {
        **{f"{name}, gradient descent": w for name, w in zip(NAMES, found, strict=True)},
        **{f"{name}, standard error": error for name, error in zip(NAMES, errors, strict=True)},
        "loss (nats)": run.history["loss"][-1],
        "largest distance from Newton's solution": np.abs(found - likeliest).max(),
        "largest distance of Newton's from scikit-learn's": np.abs(likeliest - package).max(),
        "largest distance of standard errors from those in 64 bits": np.abs(errors - exact).max(),
    }
    return script.finish(figures, plot, size=(10, 4))


if __name__ == "__main__":
    sys.exit(main())
