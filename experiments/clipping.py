"""Gradient clipping at the cliff of a recurrent network: by value, by block and by norm.

The one-unit network of Pascanu et al. (2013, figure 6): x <- w sigmoid(x) + b, fifty times from
one half, trained until sigmoid(x) is 0.7. Its loss has a wall, at which gradients explode: plain
gradient descent is thrown onto a plateau where it stays. 200 starts below the wall train as one
population for each clipping; `grad_norm` among the metrics is the norm before clipping. The
blocks w and b hold a number each, so that clipping by block is clipping by value here: both turn
the gradient, and the steps miss the valley that those of its own direction find.

Row 17 of the brief.
"""

from __future__ import annotations

import sys

import jax
import jax.numpy as jnp
import numpy as np
import optax

import paramjax as pj
from paramjax.cli import start_script

STEPS, STARTS, RATE, SIZE = 400, 200, 0.5, 0.2
CLIPPINGS = {
    "none": {},
    "by value": {"clip_value": SIZE},
    "by block": {"clip_block_norm": SIZE},
    "by norm": {"clip_norm": SIZE},
}
START = {"minval": jnp.array([4.0, -4.0]), "maxval": jnp.array([6.0, -3.0])}


def loss_fn(params, batch, key):
    step = lambda _, x: params["w"] * jax.nn.sigmoid(x) + params["b"]  # noqa: E731
    x = jax.lax.fori_loop(0, 50, step, jnp.float32(0.5))
    return (jax.nn.sigmoid(x) - 0.7) ** 2, params  # where it is, among the metrics


def start(key):
    w, b = jax.random.uniform(key, (2,), **START)
    return {"w": w, "b": b}


def main() -> int:
    script = start_script(__file__, __doc__)
    result = pj.sweep(
        lambda hp: pj.train_step(
            loss_fn, pj.optim.chain(optax.identity(), RATE, **CLIPPINGS[hp["clipping"]])
        ),
        {"clipping": pj.choice(list(CLIPPINGS))},
        pj.Problem(init=start, data=np.zeros((1, 1))),
        trials=[{"clipping": name} for name in CLIPPINGS], seeds=STARTS, steps=STEPS,
        key=jax.random.key(script.key),
    )  # fmt: skip
    history = {  # [clippings, starts, steps]
        name: values.reshape(len(CLIPPINGS), STARTS, STEPS)
        for name, values in result.history.items()
    }
    norms, loss = history["grad_norm"], history["loss"]
    solved = 100 * (loss[:, :, -1] < 1e-3).mean(axis=1)
    farthest = np.hypot(history["w"], history["b"]).max(axis=2)
    thrown = norms[0].max(axis=1).argmax()  # the start whose gradient exploded most

    def plot(figure):
        left, right = figure.subplots(1, 2)
        w, b = np.meshgrid(np.linspace(3, 8, 201), np.linspace(-4.5, -1.5, 201))
        each = jax.vmap(lambda w, b: loss_fn({"w": w, "b": b}, None, None)[0])
        heights = jax.jit(each)(w.ravel(), b.ravel()).reshape(w.shape)
        shades = left.contourf(w, b, heights, 20, cmap="Greys")
        figure.colorbar(shades, label="loss")
        for index, name in enumerate(CLIPPINGS):
            points = history["w"][index, thrown], history["b"][index, thrown]
            left.plot(*points, ".-", ms=3, lw=3 if name == "by value" else 1, label=name)
            right.semilogy(np.sort(norms[index].max(axis=1)), np.linspace(0, 100, STARTS))
        left.set(xlim=(3, 8), ylim=(-4.5, -1.5), xlabel="w", ylabel="b")
        left.set_title("The start with the largest gradient")
        left.legend(loc="upper right", title="clipping")
        right.set(xscale="log", yscale="linear", xlabel="largest grad_norm before clipping")
        right.set(ylabel="starts (%)", title=f"{STARTS} starts below the wall")

    figures = {}
    for index, name in enumerate(CLIPPINGS):
        figures[f"starts that reach the target, clipping {name} (%)"] = solved[index]
        figures[f"largest grad_norm before clipping {name}, median start"] = np.median(
            norms[index].max(axis=1)
        )
        figures[f"farthest from the origin, clipping {name}, 90th percentile"] = np.quantile(
            farthest[index], 0.9
        )
    return script.finish(figures, plot)


if __name__ == "__main__":
    sys.exit(main())
