"""Every optimizer of the catalogue on one problem, each at the best of its learning rates.

A 64-32-10 network reads digits: seven rates over the range of each optimizer, all rates and
seeds as one population; the best is chosen on validation rows. Methods that find their rate are
trained once a seed (rate nan). The paths are those on an ill-conditioned bowl.

Row 15 of the brief.
"""

from __future__ import annotations

import sys

import jax
import jax.numpy as jnp
import numpy as np

import paramjax as pj
from paramjax.cli import start_script
from paramjax.optim import CATALOGUE

MODEL = pj.models.MLP((32, 10), activation="relu")
LOSS = pj.losses.supervised(MODEL.apply, pj.losses.cross_entropy)
SEARCHED = [name for name, optimizer in CATALOGUE.items() if optimizer.space]
RATE = pj.conditional("optimizer", SEARCHED, pj.log_uniform(1e-5, 10.0))
TRIALS = [
    {"optimizer": name, **{n: d.quantile(share) for n, d in optimizer.space.items()}}
    for name, optimizer in CATALOGUE.items()
    for share in (np.linspace(0, 1, 7) if optimizer.space else [0])
]
STEPS, EVALUATIONS = 300, 15
PATHS = {"sgd": 0.09, "momentum": 0.01, "adagrad": 1.0, "rmsprop": 0.1, "adam": 0.3}


def trainer_of(hp, loss_fn=LOSS):
    numbers = {name: value for name, value in hp.items() if name != "optimizer"}
    return pj.train_step(loss_fn, CATALOGUE[hp["optimizer"]].factory(**numbers))


def bowl(xy, batch, key):
    return 0.5 * (xy[0] ** 2 + 20 * xy[1] ** 2), {"x": xy[0], "y": xy[1]}


def path(name, rate):
    """The points of 50 steps on the bowl."""
    trainer, start = trainer_of({"optimizer": name, "learning_rate": rate}, bowl), [-4.0, 1.5]
    run = pj.fit(trainer, jnp.array(start), np.zeros((1, 1)), key=jax.random.key(0), steps=50)
    return run.history["x"], run.history["y"]


def main() -> int:
    script = start_script(__file__, __doc__, seeds=3)
    seeds, parts = script["seeds"], pj.data.split(pj.data.digits())
    problem = pj.Problem(
        init=lambda key: MODEL.init(key, parts.train["x"][:1]), data=parts.train, batch_size=32,
        evaluate=lambda params, data: {n: LOSS(params, data[n], None)[0] for n in data},
        eval_data={"loss": parts.validation, "test loss": parts.test},
    )  # fmt: skip
    result = pj.sweep(
        trainer_of, {"optimizer": pj.choice(list(CATALOGUE)), "learning_rate": RATE}, problem,
        trials=TRIALS, seeds=seeds, steps=STEPS, evaluations=EVALUATIONS,
        key=jax.random.key(script.key), execution=pj.Execution(layout=pj.populations.Layout(21)),
    )  # fmt: skip
    loss, tested = (result.curve[n].reshape(len(TRIALS), seeds, -1) for n in ("loss", "test loss"))
    validation = np.nan_to_num(loss[:, :, -1].mean(axis=1), nan=np.inf)
    # from the worst to the best, which is what is kept of each optimizer
    best = {TRIALS[t]["optimizer"]: t for t in np.argsort(validation, stable=True)[::-1]}
    scores = tested[:, :, -1].mean(axis=1)
    spread = tested[:, :, -1].std(axis=1)
    for name, t in sorted(best.items(), key=lambda item: scores[item[1]]):
        rate = f"{TRIALS[t].get('learning_rate', np.nan):.2g}"
        print(f"  {name:<20} rate {rate:<6} test loss {scores[t]:.3f} ± {spread[t]:.3f} nats")

    def plot(figure):
        left, right = figure.subplots(1, 2)
        x, y = np.meshgrid(np.linspace(-4.5, 1.5, 81), np.linspace(-2, 2, 81))
        left.contour(x, y, 0.5 * (x**2 + 20 * y**2), np.geomspace(0.05, 50, 12), colors="0.8")
        steps = np.linspace(STEPS / EVALUATIONS, STEPS, EVALUATIONS)
        for name in CATALOGUE:
            look = {"color": "0.8", "lw": 0.8}
            if name in PATHS:
                (line,) = left.plot(*path(name, PATHS[name]), ".-", ms=3, lw=1)
                look = {"color": line.get_color(), "label": name, "zorder": 3}
            right.semilogy(steps, tested[best[name]].mean(axis=0), **look)
        right.plot([], [], color="0.8", label=f"the {len(CATALOGUE) - len(PATHS)} others")
        left.set(xlabel="x", ylabel="y", title="50 steps on the bowl (x² + 20 y²) / 2")
        right.set(xlabel="step", ylabel="test loss (nats)", title="Digits, each at its best rate")
        right.legend(loc="upper right", ncols=2)

    kept = np.sort(scores[list(best.values())])
    figures = {f"test loss of {name} (nats)": scores[best[name]] for name in PATHS}
    figures["test loss, best of all (nats)"], figures["optimizers"] = kept[0], len(kept)
    figures["test loss, median of all (nats)"] = np.median(kept)
    figures["optimizers with a test loss below 0.3"] = (kept < 0.3).sum()
    return script.finish(figures, plot, seeds=seeds)


if __name__ == "__main__":
    sys.exit(main())
