"""Every optimizer of the catalogue on one problem, each at the best of its learning rates.

A 64-32-10 network reads digits: 300 steps of 32 rows, seven rates over the three decades of each
optimizer's range, all rates and seeds of an optimizer as one population; the best rate is chosen
on validation rows. Methods that find their rate are trained once a seed. The paths are those on
an ill-conditioned bowl.

Row 15 of the brief.
"""

from __future__ import annotations

import sys

import jax
import jax.numpy as jnp
import numpy as np

import paramjax as pj
from paramjax.cli import start_script
from paramjax.data import digits, split
from paramjax.losses import cross_entropy, supervised
from paramjax.metrics import accuracy
from paramjax.models import MLP
from paramjax.optim import CATALOGUE

MODEL = MLP((32, 10), activation="relu")
LOSS = supervised(MODEL.apply, cross_entropy, {"accuracy": accuracy})
SEARCHED = [name for name, optimizer in CATALOGUE.items() if optimizer.space]
SPACE = {
    "optimizer": pj.choice(list(CATALOGUE)),
    "learning_rate": pj.conditional("optimizer", SEARCHED, pj.log_uniform(1e-5, 10.0)),
}
TRIALS = [
    {"optimizer": name, **{n: d.quantile(share) for n, d in optimizer.space.items()}}
    for name, optimizer in CATALOGUE.items()
    for share in (np.linspace(0, 1, 7) if optimizer.space else [0])
]
STEPS, EVALUATIONS = 300, 15
PATHS = {"sgd": 0.09, "momentum": 0.01, "adagrad": 1.0, "rmsprop": 0.1, "adam": 0.3}


def trainer_of(hp):
    numbers = {name: value for name, value in hp.items() if name != "optimizer"}
    return pj.train_step(LOSS, CATALOGUE[hp["optimizer"]].factory(**numbers))


def evaluate(params, parts):
    return {name: LOSS(params, rows, None)[0] for name, rows in parts.items()}


def bowl(xy, batch, key):
    return 0.5 * (xy[0] ** 2 + 20 * xy[1] ** 2), {}


def path(name, rate):
    """The points of 50 steps on the bowl."""
    trainer = pj.train_step(bowl, CATALOGUE[name].factory(learning_rate=rate))
    state = trainer.init(jax.random.key(0), jnp.array([-4.0, 1.5]))
    step = lambda state, _: (trainer.step(state, None)[0], state.params)  # noqa: E731
    return jax.jit(lambda state: jax.lax.scan(step, state, None, length=50)[1])(state)


def main() -> int:
    script = start_script(__file__, __doc__, seeds=3)
    parts = split(digits())
    problem = pj.Problem(
        init=lambda key: MODEL.init(key, parts.train["x"][:1]), data=parts.train, batch_size=32,
        evaluate=evaluate, eval_data={"loss": parts.validation, "test loss": parts.test},
    )  # fmt: skip
    result = pj.sweep(
        trainer_of, SPACE, problem, trials=TRIALS, seeds=script["seeds"], steps=STEPS,
        key=jax.random.key(script.key), evaluations=EVALUATIONS,
        execution=pj.Execution(layout=pj.populations.Layout(7 * script["seeds"])),
    )  # fmt: skip
    curves = {n: v.reshape(len(TRIALS), script["seeds"], -1) for n, v in result.curve.items()}
    validation = np.nan_to_num(curves["loss"][:, :, -1].mean(axis=1), nan=np.inf)
    # from the worst to the best, which is what is kept of each optimizer
    best = {TRIALS[t]["optimizer"]: t for t in np.argsort(validation, stable=True)[::-1]}
    curves = curves["test loss"]
    scores = curves[:, :, -1].mean(axis=1)
    for name, trial in sorted(best.items(), key=lambda item: scores[item[1]]):
        rate = TRIALS[trial].get("learning_rate")
        found = "found by itself" if rate is None else f"{rate:.2g}"
        spread = curves[trial, :, -1].std(ddof=1) if script["seeds"] > 1 else 0
        print(f"  {name:<20} rate {found:<16} test loss {scores[trial]:.3f} ± {spread:.3f}")

    def plot(figure):
        left, right = figure.subplots(1, 2)
        x, y = np.meshgrid(np.linspace(-4.5, 1.5, 81), np.linspace(-2, 2, 81))
        left.contour(x, y, 0.5 * (x**2 + 20 * y**2), np.geomspace(0.05, 50, 12), colors="0.8")
        steps = np.linspace(STEPS / EVALUATIONS, STEPS, EVALUATIONS)
        for name in CATALOGUE:
            curve = curves[best[name]].mean(axis=0)
            if name in PATHS:
                (line,) = left.plot(*path(name, PATHS[name]).T, ".-", ms=3, lw=1)
                right.semilogy(steps, curve, color=line.get_color(), label=name, zorder=3)
            else:
                right.semilogy(steps, curve, color="0.8", lw=0.8)
        right.plot([], [], color="0.8", label=f"the {len(CATALOGUE) - len(PATHS)} others")
        left.set(xlabel="x", ylabel="y", title="50 steps on the bowl (x² + 20 y²) / 2")
        right.set(xlabel="step", ylabel="test loss (nats)", ylim=(0.08, 3))
        right.set_title("Digits, each at its best rate")
        right.legend(loc="upper right", ncols=2)

    figures = {
        "optimizers": len(CATALOGUE),
        **{f"test loss of {name} (nats)": scores[best[name]] for name in PATHS},
        "test loss, best of all (nats)": min(scores[t] for t in best.values()),
        "test loss, median of all (nats)": np.median([scores[t] for t in best.values()]),
        "optimizers with a test loss below 0.3": sum(scores[t] < 0.3 for t in best.values()),
    }
    return script.finish(figures, plot, seeds=script["seeds"])


if __name__ == "__main__":
    sys.exit(main())
