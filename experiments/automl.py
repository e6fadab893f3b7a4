"""A search over depth, width, activation and learning rate, with successive halving.

27 networks of scikit-learn's digits are drawn at random; at each rung the best third goes on.
Networks of one structure train side by side, so that each structure compiles once a rung.

Row 29 of the brief.
"""

from __future__ import annotations

import itertools
import sys

import jax
import numpy as np
import optax

import paramjax as pj
from paramjax.cli import start_script
from paramjax.losses import cross_entropy, supervised
from paramjax.metrics import accuracy
from paramjax.models import MLP

SPACE = {
    "depth": pj.choice([1, 2], static=True),
    "width": pj.choice([8, 64], static=True),
    "activation": pj.choice(["relu", "tanh"]),
    "learning_rate": pj.log_uniform(1e-3, 3.0),
}
NAMES = ("depth", "width", "activation")
TRIALS, SEEDS, STEPS = 27, 2, 270


def model(hp):
    return MLP((*[hp["width"]] * hp["depth"], 10), activation=hp["activation"])


def loss(hp):
    return supervised(model(hp).apply, cross_entropy, {"accuracy": accuracy})


def main() -> int:
    script = start_script(__file__, __doc__)
    train, validation, test = pj.data.split(pj.data.digits())
    problem = pj.Problem(
        init=lambda key, hp: model(hp).init(key, train["x"][:1]), data=train, batch_size=32,
        evaluate=lambda params, data, hp: loss(hp)(params, data, None),
        eval_data=validation, metric="accuracy", maximise=True,
    )  # fmt: skip
    result = pj.sweep(
        lambda hp: pj.train_step(loss(hp), optax.sgd(hp["learning_rate"], momentum=0.9)),
        SPACE, problem, trials=pj.tuning.random_design(TRIALS), seeds=SEEDS, steps=STEPS,
        key=jax.random.key(script.key), evaluations=10, stopping=pj.tuning.successive_halving(),
    )  # fmt: skip
    best, rungs = result.best(), [rung.step for rung in result.rungs]
    chosen = [result.params_of(best.trial, seed) for seed in range(SEEDS)]
    tested = [loss(best.hyperparameters)(params, test, None)[1]["accuracy"] for params in chosen]
    drawn = [record.hyperparameters for record in result.records[::SEEDS]]
    curves = np.asarray(result.curve["accuracy"]).reshape(TRIALS, SEEDS, -1).mean(axis=1)
    curves = 100 * curves  # [trials, evaluations], NaN once stopped
    times = sorted({*rungs, *range(STEPS // 10, STEPS + 1, STEPS // 10)})
    first = curves[:, times.index(rungs[0])]

    def plot(figure):
        left, right = figure.subplots(1, 2, sharey=True)
        left.plot(times, curves.T, ".-", color="0.6", lw=1)
        left.plot(times, curves[best.trial], "o-", color="C3", label="the winner")
        for rung in rungs:
            left.axvline(rung, color="0.3", ls=":")
        left.set(xlabel="step", ylabel="validation accuracy (%)", title="A third goes on at a rung")
        for number, structure in enumerate(itertools.product((1, 2), (8, 64), ("relu", "tanh"))):
            mine = [t for t, hp in enumerate(drawn) if tuple(map(hp.get, NAMES)) == structure]
            rates = [drawn[t]["learning_rate"] for t in mine]
            label = "{} x {} {}".format(*structure)
            right.semilogx(rates, first[mine], "os^vD<>P"[number], label=label)
        right.set(xlabel="learning rate", title=f"All {TRIALS} networks after {rungs[0]} steps")
        left.legend(loc="lower right")
        right.legend(loc="upper left", bbox_to_anchor=(1, 1), title="depth x width")

    figures = {
        "validation accuracy, winner (%)": 100 * best.value,
        "test accuracy, winner (%)": 100 * np.mean(tested),
        f"validation accuracy, median network after {rungs[0]} steps (%)": np.median(first),
        "learning rate, winner (log10)": np.log10(best.hyperparameters["learning_rate"]),
        "width, winner": best.hyperparameters["width"],
        "steps trained, of those without halving (%)": 100 * result.budget.share,
    }
    return script.finish(figures, plot, size=(11, 4))


if __name__ == "__main__":
    sys.exit(main())
