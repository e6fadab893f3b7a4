"""Logistic regression by gradient descent against the maximum-likelihood solution.

Binary cross-entropy on four features of scikit-learn's breast-cancer table, standardised. The
references are `pj.estimate.logistic`, which is Newton's method in 64 bits with the observed
information, and scikit-learn without a penalty. The Fisher information, the Hessian of the
summed loss, gives the standard errors.

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
STEPS = 300


def main() -> int:
    script = start_script(__file__, __doc__)
    table = pj.data.breast_cancer()
    x = table["x"][:, list(COLUMNS.values())].astype(np.float64)
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    likeliest = pj.estimate.logistic(x, table["y"], names=list(COLUMNS))

    data = {"x": x.astype(np.float32), "y": table["y"].astype(np.float32)}
    params = MODEL.init(jax.random.key(script.key), data["x"])
    trainer = pj.train_step(LOSS, optax.sgd(0.5, momentum=0.9))
    run = pj.fit(trainer, params, data, key=jax.random.key(script.key), steps=STEPS)
    flat, unflatten = ravel_pytree(run.params)  # bias first, then the kernel
    hessian = jax.hessian(lambda theta: LOSS(unflatten(theta), data, None)[0])(flat)
    found, errors = np.asarray(flat, np.float64), np.sqrt(np.diag(np.linalg.inv(hessian * len(x))))

    sklearn = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-10)
    sklearn = sklearn.fit(x, table["y"])
    package = np.array([*sklearn.intercept_, *sklearn.coef_[0]])
    names, least = likeliest.names, -likeliest.value / len(x)

    def plot(figure):
        left, right = figure.subplots(1, 2)
        for shift, label, w, error in (
            (-0.1, "gradient descent", found, errors),
            (0.1, "maximum likelihood", likeliest.theta, likeliest.errors),
        ):
            rows = np.arange(len(names)) + shift
            left.errorbar(w, rows, xerr=1.96 * error, fmt="o", capsize=4, label=label)
        left.set_yticks(range(len(names)), names)
        left.invert_yaxis()
        left.axvline(0, color="0.7", zorder=0)
        left.set(xlabel="log odds of benign a standard deviation, 95 % interval")
        right.semilogy(run.history["loss"] - least, label="gradient descent with momentum")
        right.set(xlabel="step", ylabel="loss above its minimum (nats)", ylim=(1e-7, 1))
        left.legend(loc="center right")
        right.legend()

    distance, package_distance = found - likeliest.theta, likeliest.theta - package
    figures = {
        **{f"{name}, gradient descent": w for name, w in zip(names, found, strict=True)},
        **{f"{name}, standard error": error for name, error in zip(names, errors, strict=True)},
        **{f"{name}, maximum likelihood": w for name, w in likeliest.params.items()},
        **{f"{name}, standard error in 64 bits": error for name, error in likeliest.stderr.items()},
        "loss (nats)": run.history["loss"][-1],
        "largest distance from the maximum of the likelihood": np.abs(distance).max(),
        "largest distance of the maximum from scikit-learn's": np.abs(package_distance).max(),
        "largest distance of standard errors": np.abs(errors - likeliest.errors).max(),
    }
    return script.finish(figures, plot, size=(10, 4))


if __name__ == "__main__":
    sys.exit(main())
