"""Every activation by name in one network: how it learns, and what depth leaves of the gradient.

64-64-64-10 on scikit-learn's digits, Adam at 0.003, 200 steps. Then gradients at the start of ten
hidden layers, by depth: the derivative of a sigmoid is at most 1/4, so that each layer on the way
back leaves about a quarter of the gradient (Hochreiter, 1991); a ReLU with He's numbers keeps it.

Row 14 of the brief.
"""

import sys

import jax
import jax.numpy as jnp
import numpy as np
import optax

import paramjax as pj
from paramjax.cli import start_script
from paramjax.data import digits, split

NAMES, STEPS, DEPTH = list(pj.models.ACTIVATIONS), 200, 10
DEEP = {"sigmoid": "glorot_normal", "tanh": "glorot_normal", "relu": "he_normal"}


def network(name, depth=2, initialiser="lecun_normal"):
    return pj.models.MLP((*[64] * depth, 10), name, initialiser)


def loss_of(model):
    metrics = {"accuracy": pj.metrics.accuracy}
    return pj.losses.supervised(model.apply, pj.losses.cross_entropy, metrics)


LOSSES = {name: loss_of(network(name)) for name in NAMES}


def loss_fn(params, batch, key):
    """The sum over all activations: Adam, which is elementwise, trains each as if alone."""
    losses = {name: loss(params[name], batch, key)[0] for name, loss in LOSSES.items()}
    return sum(losses.values()), losses


def evaluate(params, data):
    return {n: loss(params[n], data, None)[1]["accuracy"] for n, loss in LOSSES.items()}


def gradient_norms(name, keys, data):
    """Norm of the gradient of each hidden layer's kernel, geometric mean over the keys, [DEPTH]."""
    model = network(name, DEPTH, DEEP[name])

    def one(key):
        grads = jax.grad(lambda p: loss_of(model)(p, data, None)[0])(model.init(key, data["x"]))
        kernels = [grads["params"][f"Dense_{i}"]["kernel"] for i in range(DEPTH)]
        return jnp.stack([jnp.log(jnp.linalg.norm(kernel)) for kernel in kernels])

    return jnp.exp(jnp.mean(jax.vmap(one)(keys), axis=0))


def main() -> int:
    script = start_script(__file__, __doc__, seeds=4)
    seeds, key = script["seeds"], jax.random.key(script.key)
    train, _, test = split(digits())
    for part in (test, train):
        part["x"] = (part["x"] - train["x"].mean()) / train["x"].std()
    problem = pj.Problem(
        init=lambda key: dict.fromkeys(NAMES, network("relu").init(key, train["x"][:1])),
        data=train, batch_size=64, evaluate=evaluate, eval_data=test,
    )  # fmt: skip
    result = pj.sweep(
        lambda hp: pj.train_step(loss_fn, optax.adam(0.003)), {}, problem, trials=1, seeds=seeds,
        steps=STEPS, key=key, execution=pj.Execution(layout=pj.populations.Layout(seeds)),
    )  # fmt: skip
    loss = {n: result.history[n].reshape(seeds, -1, 10).mean(axis=(0, 2)) for n in NAMES}
    accuracy = {n: 100 * np.mean(result.curve[n]) for n in NAMES}
    keys = jax.random.split(key, seeds)
    norms = jax.jit(lambda keys: {name: gradient_norms(name, keys, train) for name in DEEP})(keys)

    def plot(figure):
        left, right = figure.subplots(1, 2)
        for index, name in enumerate(NAMES):
            style = {"color": f"C{index % 10}", "ls": "--" if index >= 10 else "-"}
            left.semilogy(np.arange(10, STEPS + 1, 10), loss[name], label=name, **style)
        left.set(xlabel="step", ylabel=f"training loss (nats, mean of {seeds} seeds)")
        left.legend(ncols=2, fontsize=7)
        for name, values in norms.items():
            right.semilogy(range(1, DEPTH + 1), values, "o-", label=f"{name}, {DEEP[name]}")
        right.set(xlabel="hidden layer", ylabel="norm of its gradient at the start")
        right.legend()

    figures = {f"loss, last 10 steps, {n} (nats)": loss[n][-1] for n in NAMES}
    figures |= {f"test accuracy, {n} (%)": accuracy[n] for n in NAMES}
    for name, values in norms.items():
        figures[f"gradient left by a layer, {name}"] = (values[1] / values[-1]) ** (1 / (DEPTH - 2))
    return script.finish(figures, plot, seeds=seeds)


if __name__ == "__main__":
    sys.exit(main())
