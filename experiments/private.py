"""Differentially private SGD: what privacy costs in accuracy, epsilon by epsilon.

Each row's gradient is clipped to length 1, noise is added to the sum, and an accountant says
which noise keeps a run (epsilon, 1e-5)-private. Linear classifier of scikit-learn's digits.

Row 26 of the brief.
"""

from __future__ import annotations

import dataclasses
import sys

import jax
import numpy as np
import optax

import paramjax as pj
from paramjax.cli import start_script
from paramjax.losses import cross_entropy, supervised
from paramjax.metrics import accuracy
from paramjax.models import Linear

MODEL = Linear(10)
LOSS = supervised(MODEL.apply, cross_entropy, {"accuracy": accuracy})
TX = optax.sgd(1.0)
NOISES = [20.0, 10.0, 5.0, 2.5, 1.5]
RATE, STEPS, SEEDS, DELTA = 0.1, 200, 5, 1e-5


def main() -> int:
    script = start_script(__file__, __doc__, needs={"dp_accounting": "private"})
    train, _, test = pj.data.split(pj.data.digits())
    rows = len(train["y"])
    run = {"sampling_rate": RATE, "steps": STEPS, "delta": DELTA}
    spent = [pj.grads.epsilon(noise_multiplier=noise, **run) for noise in NOISES]
    # one step on all rows, for which the exact answer is known
    single = pj.grads.epsilon(noise_multiplier=2.0, sampling_rate=1.0, steps=1, delta=DELTA)

    def private(hp):
        grad_fn = pj.grads.private(
            LOSS, clip_norm=1.0, noise_multiplier=hp["noise"], expected_batch_size=RATE * rows
        )
        return pj.grads.poisson(pj.train_step(grad_fn, TX), RATE)

    problem = pj.Problem(
        init=lambda key: MODEL.init(key, test["x"][:1]), data=train, eval_data=test,
        evaluate=lambda params, data: LOSS(params, data, None),
    )  # fmt: skip
    space = {"noise": pj.log_uniform(1e-7, 100.0)}
    trials = [{"noise": noise} for noise in (*NOISES, 1e-6)]
    names = [*(f"epsilon {epsilon:.2f}" for epsilon in spent), "clipped, no noise", "SGD"]
    curves = []
    plain = dataclasses.replace(problem, batch_size=round(RATE * rows))
    for args in ((private, space, problem), (lambda hp: pj.train_step(LOSS, TX), {}, plain)):
        result = pj.sweep(
            *args, trials=trials if args[1] else 1, seeds=SEEDS, steps=STEPS, evaluations=50,
            key=jax.random.key(script.key),
        )  # fmt: skip
        curves.append(100 * np.asarray(result.curve["accuracy"]).reshape(-1, SEEDS, 50))
    accuracies = np.concatenate(curves)  # [methods, seeds, evaluations]
    last = accuracies[..., -1]

    def plot(figure):
        left, right = figure.subplots(1, 2, sharey=True)
        mean, deviation = last.mean(axis=1), last.std(axis=1, ddof=1)
        left.errorbar(spent, mean[:-2], deviation[:-2], fmt="o-", capsize=4)
        for name, level, style in zip(names[-2:], mean[-2:], ("--", ":"), strict=True):
            left.axhline(level, color="0.3", ls=style, label=name)
        left.set(xscale="log", xlabel=f"epsilon at delta = {DELTA:g}", title="After 200 steps")
        left.set_xticks([0.25, 0.5, 1, 2, 4], ["0.25", "0.5", "1", "2", "4"])
        left.set_xticks([], minor=True)
        left.set_ylabel("test accuracy (%), mean and deviation of 5 seeds")
        for name, curve in zip(names, accuracies.mean(axis=1), strict=True):
            right.plot(np.linspace(STEPS / 50, STEPS, 50), curve, label=name)
        right.set(xlabel="step", title="Mean of 5 seeds")
        left.legend(loc="lower right")
        right.legend(loc="upper left", bbox_to_anchor=(1, 1))

    figures = {"epsilon of one step on all rows, noise 2": single}
    for noise, epsilon in zip(NOISES, spent, strict=True):
        figures[f"epsilon, noise {noise:g}"] = epsilon
    for noise, seeds in zip([*(f"noise {n:g}" for n in NOISES), *names[-2:]], last, strict=True):
        figures[f"test accuracy, {noise} (%)"] = seeds.mean()
    figures["spread of the accuracy over seeds, noise 5 (%)"] = last[2].std(ddof=1)
    return script.finish(figures, plot, size=(11, 4))


if __name__ == "__main__":
    sys.exit(main())
