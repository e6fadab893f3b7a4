"""How sure a parameter is: the Fisher information beside 1000 bootstrap resamples of the table.

Logistic regression on four features of scikit-learn's breast-cancer table, standardised. Near the
maximum of the likelihood the inverse of the Hessian is the covariance of the parameters (Fisher,
1925); the bootstrap (Efron, 1979) fits each resample anew, all of them as one program.

Row 28 of the brief.
"""

from __future__ import annotations

import sys

import jax
import jax.numpy as jnp
import numpy as np

import paramjax as pj
from paramjax.cli import start_script
from paramjax.losses import binary_cross_entropy

COLUMNS = {"texture": 1, "smoothness": 4, "symmetry": 8, "fractal dimension": 9}  # of means
NAMES = ["intercept", *COLUMNS]
RESAMPLES, NEWTON = 1000, 8


def likeliest(X, y, weight):
    """Maximum likelihood by steps of Newton, and the standard errors there."""

    def loss(w):
        return (weight * binary_cross_entropy(X @ w, y)).sum()

    w = jnp.zeros(X.shape[1])
    for _ in range(NEWTON):
        w -= jnp.linalg.solve(jax.hessian(loss)(w), jax.grad(loss)(w))
    return w, jnp.sqrt(jnp.diag(jnp.linalg.inv(jax.hessian(loss)(w))))


def main() -> int:
    script = start_script(__file__, __doc__)
    table = pj.data.breast_cancer()
    x, y = table["x"][:, list(COLUMNS.values())], table["y"].astype(np.float32)
    X = np.insert((x - x.mean(axis=0)) / x.std(axis=0), 0, 1.0, axis=1)
    rows = jax.random.randint(jax.random.key(script.key), (RESAMPLES, len(X)), 0, len(X))
    counts = jax.vmap(lambda drawn: jnp.bincount(drawn, length=len(X)))(rows)
    weights = jnp.concatenate([jnp.ones((1, len(X))), counts])  # the table itself comes first
    w, error = jax.jit(jax.vmap(lambda weight: likeliest(X, y, weight)))(weights)
    best, fisher, resampled = w[0], error[0], w[1:].std(axis=0, ddof=1)
    chance = 1 / (1 + np.exp(-X.astype(np.float64) @ np.asarray(best, np.float64)))
    information = X.T.astype(np.float64) @ (X * (chance * (1 - chance))[:, None])
    formula = np.sqrt(np.diag(np.linalg.inv(information)))
    covered = np.abs(w[1:] - best[None]) < 1.96 * fisher[None]

    def plot(figure):
        left, right = figure.subplots(1, 2)
        at = np.arange(len(NAMES))
        for shift, own, label in ((-0.1, fisher, "Fisher information"),
                                  (0.1, resampled, f"{RESAMPLES} resamples")):  # fmt: skip
            left.errorbar(best, at + shift, xerr=1.96 * own, fmt="o", capsize=3, label=label)
        left.set_yticks(at, NAMES)
        left.invert_yaxis()
        left.axvline(0, color="0.7", zorder=0)
        left.set(xlabel="log odds of benign a standard deviation, 95 % interval")
        left.legend(loc="upper left")
        right.hist(w[1:, 1], bins=40, density=True, color="C1", alpha=0.6, label="resamples")
        grid = np.linspace(best[1] - 4 * fisher[1], best[1] + 4 * fisher[1], 200)
        bell = np.exp(-0.5 * ((grid - best[1]) / fisher[1]) ** 2) / fisher[1] / np.sqrt(2 * np.pi)
        right.plot(grid, bell, color="C0", label="normal, by the Fisher information")
        right.set(xlabel=f"log odds of {NAMES[1]}", ylabel="density", ylim=(0, 1.4 * bell.max()))
        right.legend(frameon=False, loc="upper left")

    figures = {
        **{f"standard error of {name}": own for name, own in zip(NAMES, fisher, strict=True)},
        "largest relative distance from the formula in 64 bits": np.abs(fisher / formula - 1).max(),
        "least ratio to the spread of the resamples": (fisher / resampled).min(),
        "largest ratio to the spread of the resamples": (fisher / resampled).max(),
        "resamples within 1.96 standard errors, least parameter (%)": 100 * covered.mean(0).min(),
    }
    return script.finish(figures, plot)


if __name__ == "__main__":
    sys.exit(main())
