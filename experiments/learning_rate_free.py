"""Optimizers that find their learning rate, untuned, beside Adam and SGD at five rates.

Prodigy, D-Adaptation, DoG, DoWG, COCOB, MoMo, MoMo-Adam and schedule-free SGD and AdamW at the
defaults of their papers; a 64-32-10 network reads digits, 500 steps of 32 rows, five seeds.

Row 30 of the brief.
"""

from __future__ import annotations

import sys

import jax
import numpy as np

import paramjax as pj
from paramjax.cli import start_script
from paramjax.data import digits, split
from paramjax.losses import cross_entropy, supervised
from paramjax.metrics import accuracy
from paramjax.models import MLP
from paramjax.optim import get

MODEL = MLP((32, 10), activation="relu")
LOSS = supervised(MODEL.apply, cross_entropy, {"accuracy": accuracy})
UNTUNED = ("prodigy", "dadapt_adamw", "dog", "dowg", "cocob", "momo", "momo_adam",
           "schedule_free_sgd", "schedule_free_adamw")  # fmt: skip
TUNED = {"sgd": (0.01, 0.1, 1.0, 10.0, 100.0), "adam": (1e-4, 1e-3, 1e-2, 1e-1, 1.0)}
STEPS, EVALUATIONS = 500, 20
TRIALS = [{"optimizer": name} for name in UNTUNED] + [
    {"optimizer": name, "learning_rate": rate} for name, rates in TUNED.items() for rate in rates
]


def trainer_of(hp):
    rates = {name: rate for name, rate in hp.items() if name == "learning_rate"}
    return pj.train_step(LOSS, get(hp["optimizer"]).factory(**rates))


def main() -> int:
    script = start_script(__file__, __doc__, seeds=5)
    seeds, parts = script["seeds"], split(digits())
    rate = pj.conditional("optimizer", list(TUNED), pj.log_uniform(1e-4, 100.0))
    result = pj.sweep(
        trainer_of, {"optimizer": pj.choice([*UNTUNED, *TUNED]), "learning_rate": rate},
        pj.Problem(
            init=lambda key: MODEL.init(key, parts.train["x"][:1]), data=parts.train,
            batch_size=32, eval_data=parts.test,
            evaluate=lambda params, data: LOSS(params, data, None),
        ),
        trials=TRIALS, seeds=seeds, steps=STEPS, key=jax.random.key(script.key),
        evaluations=EVALUATIONS, execution=pj.Execution(layout=pj.populations.Layout(5 * seeds)),
    )  # fmt: skip
    # [trials, seeds, evaluations]; a training that diverged has no accuracy
    curves = 100 * np.nan_to_num(result.curve["accuracy"]).reshape(len(TRIALS), seeds, -1)
    ends = curves[:, :, -1]
    first, last = {}, {}
    for trial, hp in enumerate(TRIALS):
        first.setdefault(hp["optimizer"], trial)
        last[hp["optimizer"]] = trial + 1

    def plot(figure):
        left, right = figure.subplots(1, 2)
        at = np.linspace(STEPS / EVALUATIONS, STEPS, EVALUATIONS)
        for i, name in enumerate(UNTUNED):
            left.plot(at, curves[i].mean(axis=0), label=name, color=f"C{i}")
            right.errorbar(i, ends[i].mean(), ends[i].std(), fmt="o", color=f"C{i}")
        for i, (name, rates) in enumerate(TUNED.items(), len(UNTUNED)):
            mean = ends[first[name] : last[name]].mean(axis=1)
            right.scatter(i + np.linspace(-0.3, 0.3, len(rates)), mean, color="0.3", marker="x")
        names = [*UNTUNED, *(f"{name}, five rates" for name in TUNED)]
        right.set_xticks(range(len(names)), names, rotation=50, ha="right", fontsize=8)
        left.set(xlabel="step", ylabel="test accuracy (%)", title="Untuned, mean of the seeds")
        right.set(ylabel="test accuracy (%)", title=f"After {STEPS} steps, {seeds} seeds")
        left.legend(fontsize=8)

    figures = {}
    for name in UNTUNED:
        figures[f"{name}: test accuracy (%)"] = ends[first[name]].mean()
        figures[f"{name}: standard deviation over seeds (%)"] = ends[first[name]].std()
    for name, rates in TUNED.items():
        mean = ends[first[name] : last[name]].mean(axis=1)
        figures[f"{name}: test accuracy at the best of its rates (%)"] = mean.max()
        figures[f"{name}: test accuracy at the median of its rates (%)"] = np.median(mean)
        figures[f"{name}: best rate"] = rates[mean.argmax()]
    return script.finish(figures, plot, seeds=seeds)


if __name__ == "__main__":
    sys.exit(main())
