"""Learning rates: eight schedules, each at the best of five peaks, 1 to 0.0001.

A 64-32-10 network reads digits by momentum, 400 steps of 32 rows. Constant, reduced on a plateau
of the validation loss, and by name: exponential, step, linear, cosine after a warm-up, one cycle,
warm restarts. All peaks and seeds of a schedule train as one population; the peak is chosen on
validation rows.

Row 16 of the brief.
"""

from __future__ import annotations

import sys

import jax
import numpy as np
import optax

import paramjax as pj
from paramjax.cli import start_script
from paramjax.data import digits, split
from paramjax.losses import cross_entropy, supervised
from paramjax.models import MLP

MODEL = MLP((32, 10), activation="relu")
LOSS = supervised(MODEL.apply, cross_entropy)
STEPS, EVALUATIONS, PEAKS = 400, 20, (1.0, 0.1, 0.01, 0.001, 0.0001)
OPTIONS = {"cosine": {"warmup_steps": 40}}
NAMES = ("constant", "plateau", "exponential", "step", "linear", "cosine", "one_cycle",
         "warm_restarts")  # fmt: skip


def trainer_of(hp):
    """Momentum by a schedule; on a plateau a link of the chain shrinks the updates."""
    name, peak = hp["schedule"], hp["learning_rate"]
    if name == "plateau":
        shrinking = pj.optim.reduce_on_plateau(0.3, patience=2)
        tx = optax.chain(pj.optim.chain(optax.trace(0.9), peak), shrinking)
    else:
        rate = pj.optim.schedule(name, peak, STEPS, **OPTIONS.get(name, {}))
        tx = pj.optim.chain(optax.trace(0.9), rate)
    return pj.train_step(LOSS, tx)


def evaluate(params, parts):
    return {name: LOSS(params, rows, None)[0] for name, rows in parts.items()}


def main() -> int:
    script = start_script(__file__, __doc__, seeds=3)
    seeds, parts = script["seeds"], split(digits())
    result = pj.sweep(
        trainer_of,
        {"schedule": pj.choice(list(NAMES)), "learning_rate": pj.log_uniform(1e-4, 1.0)},
        pj.Problem(
            init=lambda key: MODEL.init(key, parts.train["x"][:1]), data=parts.train,
            batch_size=32, evaluate=evaluate,
            eval_data={"loss": parts.validation, "test loss": parts.test},
        ),
        trials=[{"schedule": name, "learning_rate": peak} for name in NAMES for peak in PEAKS],
        seeds=seeds, steps=STEPS, key=jax.random.key(script.key), evaluations=EVALUATIONS,
        execution=pj.Execution(layout=pj.populations.Layout(5 * seeds)),
    )  # fmt: skip
    curves = {  # [schedules, peaks, seeds, evaluations]
        name: np.nan_to_num(values, nan=np.inf).reshape(len(NAMES), len(PEAKS), seeds, -1)
        for name, values in result.curve.items()
    }
    best = curves["loss"][..., -1].mean(axis=2).argmin(axis=1)
    tested = curves["test loss"]
    ends = {name: tested[i, best[i], :, -1] for i, name in enumerate(NAMES)}

    def plot(figure):
        left, middle, right = figure.subplots(1, 3)
        at = np.linspace(STEPS / EVALUATIONS, STEPS, EVALUATIONS)
        for i, name in enumerate(NAMES):
            if name != "plateau":
                rate = pj.optim.schedule(name, 1.0, STEPS, **OPTIONS.get(name, {}))
                left.plot(jax.vmap(rate)(np.arange(STEPS)), color=f"C{i}")
            middle.semilogy(at, tested[i, best[i]].mean(axis=0), label=name, color=f"C{i}")
            right.loglog(PEAKS, tested[i, :, :, -1].mean(axis=1), ".-", color=f"C{i}")
        left.set(xlabel="step", ylabel="rate / peak", title="Schedules")
        middle.set(xlabel="step", ylabel="test loss (nats)", title="At the best peak")
        right.set(xlabel="peak", ylabel="test loss at the end (nats)", title="Search of the peak")
        figure.legend(loc="outside lower center", ncols=len(NAMES))

    figures = {}
    for i, name in enumerate(NAMES):
        figures[f"{name}: best peak"] = PEAKS[best[i]]
        figures[f"{name}: test loss (nats)"] = ends[name].mean()
    spread = max(values.std(ddof=1) for values in ends.values()) if seeds > 1 else 0.0
    figures["largest standard deviation over seeds (nats)"] = spread
    return script.finish(figures, plot, size=(12, 4), seeds=seeds)


if __name__ == "__main__":
    sys.exit(main())
