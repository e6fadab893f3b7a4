"""A recurrent network writes characters: nats on held-out text, beside unigrams and bigrams.

An LSTM reads 32 streams of Tiny Shakespeare in windows of 32 characters; the carry goes on from
window to window (truncated backpropagation through time). Bigrams are smoothed by unigrams (Witten
and Bell, 1991). Where the text is not found, Python's own reference serves.

Row 8 of the brief.
"""

import sys
from pydoc_data.topics import topics

import jax
import numpy as np
import optax

import paramjax as pj
from paramjax.cli import start_script

STREAMS, WINDOW = 32, 32


def find_text(folder):
    try:
        return "tiny_shakespeare", pj.data.tiny_shakespeare(folder or None)
    except pj.data.DataNotFoundError as error:
        print(f"{error}\nPython's own reference serves instead.")
        return "python_reference", "".join(topics[name] for name in sorted(topics))


def windows(ids, length):
    """Windows [steps * STREAMS, length] and what follows: those of a step, then the next ones."""
    count = (len(ids) - 1) // (STREAMS * length) * length
    both = (ids[i : i + STREAMS * count].reshape(STREAMS, -1, length) for i in (0, 1))
    return {n: p.swapaxes(0, 1).reshape(-1, length) for n, p in zip("xy", both, strict=True)}


def counted(train, held_out, size):
    """Nats a character by the frequencies of characters, and by those of pairs."""
    pairs = np.zeros((size, size))
    np.add.at(pairs, (train[:-1], train[1:]), 1)
    single = (pairs.sum(axis=0) + 1) / (pairs.sum() + size)
    kinds = (pairs > 0).sum(axis=1, keepdims=True) + 1e-9
    double = (pairs + kinds * single) / (pairs.sum(axis=1, keepdims=True) + kinds)
    chances = {"unigrams": single[held_out[1:]], "bigrams": double[held_out[:-1], held_out[1:]]}
    return {name: -np.log(each).mean() for name, each in chances.items()}


def main() -> int:
    script = start_script(__file__, __doc__, data="", layer="lstm", steps=960, seeds=3)
    layer, steps, seeds = script["layer"], script["steps"], script["seeds"]
    data, text = find_text(script["data"])
    settings = {"data": data, "layer": layer, "steps": steps, "seeds": seeds}
    script.expected(**settings)  # stops here if --check cannot be answered
    cut = len(text) * 9 // 10
    tokeniser = pj.data.CharacterTokeniser.fit(text[:cut])
    train, held_out = np.split(tokeniser.encode([text])[0][0], [cut])
    model = pj.models.TokenRNN(tokeniser.size, features=128, layer=layer)
    start, newline = model.zero_carry(STREAMS), tokeniser.encode(["\n"])[0]

    def loss(params, carry, batch, key=None):
        logits, carry = model.apply(params, batch["x"], carry)
        return pj.losses.cross_entropy(logits, batch["y"]).mean(), (carry, {})

    def write(params, key):
        def step(state, key):
            logits, carry = model.apply(params, *state)
            drawn = jax.random.categorical(key, logits[:, 0])
            return (drawn[:, None], carry), drawn

        return jax.lax.scan(step, (newline, model.zero_carry(1)), jax.random.split(key, 160))[1].T

    adam = optax.adam(optax.schedules.cosine_decay_schedule(0.01, steps))
    trainer = pj.train_step(loss, optax.chain(optax.clip_by_global_norm(1.0), adam), stateful=True)
    measure = pj.Validation(lambda params, _, batch: {"loss": loss(params, start, batch)[0]},
        windows(held_out, len(held_out) // 33), every=-(-steps // 8))  # fmt: skip
    keys = jax.random.split(jax.random.key(script.key), seeds)
    runs = [pj.fit(trainer, jax.jit(model.init)(key, newline), windows(train, WINDOW), key=key,
                   steps=steps, batch_size=STREAMS, shuffle=False, model_state=start,
                   validation=measure) for key in keys]  # fmt: skip
    print(tokeniser.decode(jax.jit(write)(runs[0].params, keys[0]))[0])
    nats = np.array([run.validation["loss"] for run in runs]).T  # [validations, seeds]
    counts = counted(train, held_out, tokeniser.size)

    def plot(figure):
        axes = figure.subplots()
        axes.plot(runs[0].validation["step"], nats, "o-", label=[f"seed {i}" for i in range(seeds)])
        for (name, value), style in zip(counts.items(), (":", "--"), strict=True):
            axes.axhline(value, color="gray", linestyle=style, label=name)
        axes.set(xlabel="step", ylabel="held-out loss (nats a character)", title=f"{layer}, {data}")
        figure.legend(loc="outside right")

    values = {"mean over seeds": nats[-1].mean(), "worst seed": nats[-1].max(), **counts}
    figures = {f"nats a character, {name}": value for name, value in values.items()}
    return script.finish(figures, plot, **settings)


if __name__ == "__main__":
    sys.exit(main())
