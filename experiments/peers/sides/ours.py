"""paramjax as its README writes a training: a model, its own start, a step, `pj.fit`.

python ours.py WORK FILE [--steady]      (ours.py WORK FILE given: the start from the file)
"""

import sys

import jax
import optax
from compilations import compilations
from works import VOCABULARY, serve

import paramjax as pj

MODELS = {
    "xor": lambda: pj.models.MLP((4, 1), activation="sigmoid"),
    "line": lambda: pj.models.MLP((1,)),
    "mlp": lambda: pj.models.MLP((5, 1), activation="relu"),
    "digits": lambda: pj.models.MLP((128, 128, 10), activation="relu"),
    "cnn": lambda: pj.models.CNN(),
    "lstm": lambda: pj.models.TokenRNN(VOCABULARY, features=128),
}
LOSSES = {
    "binary_cross_entropy": pj.losses.binary_cross_entropy,
    "squared_error": pj.losses.squared_error,
    "cross_entropy": pj.losses.cross_entropy,
}
TX = {
    "adam": lambda work: optax.adam(work.rate),
    "sgd": lambda work: optax.sgd(work.rate),
    "adamw": lambda work: optax.adamw(work.rate),
}


def make(name, work, given):
    """A training: its losses for a number of steps."""
    model, data = MODELS[name](), {"x": given.x, "y": given.y}
    if name == "lstm":

        def loss_fn(params, batch, key):
            logits = model.apply(params, batch["x"])
            return pj.losses.cross_entropy(logits, batch["y"]).mean(), {}
    else:
        loss_fn = pj.losses.supervised(model.apply, LOSSES[work.loss])
    tx = TX[work.optimizer](work)
    if work.clip:
        tx = optax.chain(optax.clip_by_global_norm(1.0), tx)
    trainer = pj.train_step(loss_fn, tx)
    if "given" in sys.argv:
        params = {"params": given.start}
    else:
        params = model.init(jax.random.key(0), data["x"][:1])

    def train(steps):
        run = pj.fit(
            trainer, params, data, key=jax.random.key(1), steps=steps, batch_size=work.batch
        )
        return run.history["loss"]

    return train


def write(name, file):
    """Write the file of a work, with the start and the order that `fit` takes above."""
    import works

    work, x = works.WORKS[name], works.data(name)[0]
    start = {}
    for path, leaf in jax.tree_util.tree_leaves_with_path(
        MODELS[name]().init(jax.random.key(0), x[:1])["params"]
    ):
        start["/".join(entry.key for entry in path)] = leaf
    if work.batch is None:
        order = [[0]] * work.steps
    else:
        order = pj.data.order_of(jax.random.key(1), len(x), work.batch, work.steps)
    works.save(file, name, start, order)


if __name__ == "__main__":
    if sys.argv[1] == "write":
        for word in sys.argv[3:]:
            write(word, f"{sys.argv[2]}/{word}.npz")
    else:
        serve(make, compilations)
