"""How sure a parameter is: the Fisher information beside 1000 bootstrap resamples of the table.

Logistic regression on four features of scikit-learn's breast-cancer table, standardised. Near the
maximum of the likelihood the inverse of the Hessian is the covariance of the parameters (Fisher,
1925) if the model is right, and the sandwich (Huber, 1967) even if it is not; the bootstrap (Efron,
1979) fits each resample anew, all of them as one population.

Row 28 of the brief.
"""

from __future__ import annotations

import sys

import jax
import numpy as np

import paramjax as pj
from paramjax.cli import start_script

COLUMNS = {"texture": 1, "smoothness": 4, "symmetry": 8, "fractal dimension": 9}  # of means
RESAMPLES = 1000


def by_formula(x, y, w):
    """Inverse of X' diag(p (1 - p)) X, in 64 bits."""
    X = np.insert(x.astype(np.float64), 0, 1.0, axis=1)
    chance = 1 / (1 + np.exp(-X @ w))
    return np.sqrt(np.diag(np.linalg.inv(X.T @ (X * (chance * (1 - chance))[:, None]))))


def main() -> int:
    script = start_script(__file__, __doc__)
    table = pj.data.breast_cancer()
    x, y = table["x"][:, list(COLUMNS.values())], table["y"]
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    est = pj.estimate.logistic(x, y, names=list(COLUMNS))
    sandwich = pj.estimate.robust(est, "HC0")
    resamples = pj.estimate.bootstrap(est, jax.random.key(script.key), RESAMPLES)
    best, fisher, spread = est.theta, est.errors, np.sqrt(np.diag(resamples.covariance))
    covered = np.abs(resamples.theta - best) < 1.96 * fisher

    def plot(figure):
        left, right = figure.subplots(1, 2)
        at = np.arange(len(best))
        for shift, own, label in ((-0.1, fisher, "Fisher information"),
                                  (0.0, sandwich.errors, "sandwich"),
                                  (0.1, spread, f"{RESAMPLES} resamples")):  # fmt: skip
            left.errorbar(best, at + shift, xerr=1.96 * own, fmt="o", capsize=3, label=label)
        left.set_yticks(at, est.names)
        left.invert_yaxis()
        left.axvline(0, color="0.7", zorder=0)
        left.set(xlabel="log odds of benign a standard deviation, 95 % interval")
        left.legend(loc="upper left")
        right.hist(
            resamples.theta[:, 1], bins=40, density=True, color="C2", alpha=0.6, label="resamples"
        )
        grid = np.linspace(best[1] - 4 * fisher[1], best[1] + 4 * fisher[1], 200)
        bell = np.exp(-0.5 * ((grid - best[1]) / fisher[1]) ** 2) / fisher[1] / np.sqrt(2 * np.pi)
        right.plot(grid, bell, color="C0", label="normal, by the Fisher information")
        right.set(
            xlabel=f"log odds of {est.names[1]}", ylabel="density", ylim=(0, 1.4 * bell.max())
        )
        right.legend(frameon=False, loc="upper left")

    formula = by_formula(x, y, best)
    figures = {
        **{f"standard error of {name}": own for name, own in zip(est.names, fisher, strict=True)},
        "largest relative distance from the formula": np.abs(fisher / formula - 1).max(),
        "least ratio to the spread of the resamples": (fisher / spread).min(),
        "largest ratio to the spread of the resamples": (fisher / spread).max(),
        "least ratio of the sandwich to that spread": (sandwich.errors / spread).min(),
        "largest ratio of the sandwich to that spread": (sandwich.errors / spread).max(),
        "resamples within 1.96 standard errors, least parameter (%)": 100 * covered.mean(0).min(),
    }
    return script.finish(figures, plot)


if __name__ == "__main__":
    sys.exit(main())
