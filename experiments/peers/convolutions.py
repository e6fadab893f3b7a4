"""What forms of convolution, pooling, embedding, LSTM and random masks cost inside a scan.

The CNN of the founding programs (28x28x1, convolutions of 32 and 64 features, dense 64,
batch 128, float32; forward, backward, clipping, AdamW), as one loop, as two loops side by side
in two threads, and as 16 runs under vmap; beside it one run of PyTorch. Then layers alone.
Every measurement waits, for a while, until the machine is idle.

    python experiments/peers/convolutions.py --torch PYTHON --out docs/benchmarks/convolutions.md
"""

from __future__ import annotations

import argparse
import functools
import os
import platform
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("PARAMJAX_CACHE_DIR", "off")

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from jax import lax

from paramjax.models import Conv, max_pool
from paramjax.models.convolution import convolve
from paramjax.models.convolution_forms import (
    convolve_as_matmul,
    convolve_by_lax,
    correlate_as_matmul,
)

BATCH, RUNS, STEPS = 128, 16, 4
ON_CPU = jax.default_backend() == "cpu"
TX = optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(1e-3))


# Forms of the convolution, (x, kernel, pads) -> y.


def shifted(x, kernel, pads):
    """Each of the kernel's shifts of the padded images."""
    height, width = kernel.shape[:2]
    padded = jnp.pad(x, ((0, 0), *pads, (0, 0)))
    rows, columns = padded.shape[1] - height + 1, padded.shape[2] - width + 1
    return [padded[:, i : i + rows, j : j + columns] for i in range(height) for j in range(width)]


def wide(x, kernel, pads):
    """The shifts along a row, side by side."""
    width = kernel.shape[1]
    padded = jnp.pad(x, ((0, 0), *pads, (0, 0)))
    columns = padded.shape[2] - width + 1
    return jnp.concatenate([padded[:, :, j : j + columns] for j in range(width)], axis=-1)


def nine_matmuls(x, kernel, pads):
    """A matmul for each shift, added up."""
    flat = kernel.reshape(-1, *kernel.shape[2:])
    return sum(part @ flat[i] for i, part in enumerate(shifted(x, kernel, pads)))


def three_matmuls(x, kernel, pads):
    """A matmul for each row of the kernel, added up."""
    height, features = kernel.shape[0], kernel.shape[-1]
    rows = wide(x, kernel, pads)
    size = rows.shape[1] - height + 1
    flat = kernel.reshape(height, -1, features)
    return sum(rows[:, i : i + size] @ flat[i] for i in range(height))


def shifted_outputs(x, kernel, pads):
    """One matmul for all rows of the kernel, its outputs shifted and added."""
    height, features = kernel.shape[0], kernel.shape[-1]
    rows = wide(x, kernel, pads)
    size = rows.shape[1] - height + 1
    flat = kernel.reshape(height, -1, features).swapaxes(0, 1).reshape(-1, height * features)
    out = rows @ flat
    return sum(out[:, i : i + size, :, i * features : (i + 1) * features] for i in range(height))


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def explicit_gradients(x, kernel, pads):
    """The platform's convolution also for the input's gradient; one matmul for the kernel's."""
    return convolve_by_lax(x, kernel, pads)


def _explicit_backward(pads, saved, g):
    x, kernel = saved
    (top, bottom), (left, right) = pads
    height, width = kernel.shape[0] - 1, kernel.shape[1] - 1
    back = (height - top, height - bottom), (width - left, width - right)
    flipped = jnp.flip(kernel, (0, 1)).swapaxes(2, 3)
    return convolve_by_lax(g, flipped, back), correlate_as_matmul(x, g, pads)


explicit_gradients.defvjp(
    lambda x, kernel, pads: (convolve_by_lax(x, kernel, pads), (x, kernel)), _explicit_backward
)


@functools.partial(jax.custom_jvp, nondiff_argnums=(2,))
def derived_input_gradient(x, kernel, pads):
    """One matmul for the kernel's gradient; the input's as JAX derives it."""
    return convolve_by_lax(x, kernel, pads)


@derived_input_gradient.defjvp
def _derived_jvp(pads, primals, tangents):
    (x, kernel), (dx, dk) = primals, tangents
    out = derived_input_gradient(x, kernel, pads)
    return out, convolve_by_lax(dx, kernel, pads) + convolve_as_matmul(x, dk, pads)


# Forms of pooling.


def pool_by_window(x):
    """As flax and lax do it."""
    return nn.max_pool(x, (2, 2), strides=(2, 2))


def pool_by_reshape(x):
    """A reshape and a maximum over two axes."""
    batch, height, width, channels = x.shape
    return x.reshape(batch, height // 2, 2, width // 2, 2, channels).max(axis=(2, 4))


def pool_by_slices(x):
    """Maxima of strided slices."""
    rows = jnp.maximum(x[:, 0::2], x[:, 1::2])
    return jnp.maximum(rows[:, :, 0::2], rows[:, :, 1::2])


FORMS = {
    "layers of paramjax": (convolve, max_pool),
    "9 shifts, one matmul; pooling by reshape (before)": (convolve_as_matmul, pool_by_reshape),
    "9 shifts, one matmul": (convolve_as_matmul, max_pool),
    "3 row shifts, 3 matmuls added": (three_matmuls, max_pool),
    "9 matmuls added": (nine_matmuls, max_pool),
    "3 row shifts, one matmul, outputs added": (shifted_outputs, max_pool),
    "lax forward and explicit input gradient, one matmul": (explicit_gradients, max_pool),
    "lax forward and derived input gradient, one matmul": (derived_input_gradient, max_pool),
}
AS_IS = "lax convolution and pooling as they are"


class Net(nn.Module):
    """The CNN, of one form of convolution and one of pooling."""

    convolve: Callable
    pool: Callable

    @nn.compact
    def __call__(self, x):
        """Map images to logits."""
        for width in (32, 64):
            x = self.pool(nn.relu(Conv(width, convolve=self.convolve)(x)))
        x = nn.relu(nn.Dense(64)(x.reshape(x.shape[0], -1)))
        return nn.Dense(10)(x)


def images():
    """A batch of the size of MNIST's, and labels."""
    x = jax.random.normal(jax.random.key(1), (BATCH, 28, 28, 1))
    return x, jax.random.randint(jax.random.key(2), (BATCH,), 0, 10)


def training(convolve, pool, steps):
    """A compiled run: (params, opt_state, x, y) -> losses."""
    model = Net(convolve, pool)

    def step(state, batch):
        params, opt_state = state

        def loss_fn(params):
            logits = model.apply(params, batch[0])
            losses = optax.losses.softmax_cross_entropy_with_integer_labels(logits, batch[1])
            return losses.mean()

        loss, grads = jax.value_and_grad(loss_fn)(params)
        updates, opt_state = TX.update(grads, opt_state, params)
        return (optax.apply_updates(params, updates), opt_state), loss

    def run(params, opt_state, x, y):
        return lax.scan(lambda s, _: step(s, (x, y)), (params, opt_state), length=steps)[1]

    return model, run


def program(form, *, runs, steps=STEPS):
    """A call that trains, one run or many under vmap; and its temporary memory in MB."""
    model, run = training(*form, steps)
    x, y = images()

    def init(key):
        return model.init(key, x[:1])

    if runs > 1:
        run = jax.vmap(run, in_axes=(0, 0, None, None))
        params = jax.jit(jax.vmap(init))(jax.random.split(jax.random.key(0), runs))
        opt_state = jax.vmap(TX.init)(params)
    else:
        params = jax.jit(init)(jax.random.key(0))
        opt_state = TX.init(params)
    compiled = jax.jit(run).lower(params, opt_state, x, y).compile()
    memory = compiled.memory_analysis().temp_size_in_bytes / 1e6
    return functools.partial(compiled, params, opt_state, x, y), memory


# Measuring.


def seconds(call, threads=1):
    """How long as many calls take that start together, each in a thread of its own."""
    workers = [
        threading.Thread(target=lambda: jax.block_until_ready(call())) for _ in range(threads)
    ]
    start = time.perf_counter()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return time.perf_counter() - start


def wait_until_idle(most=10.0):
    """Wait until nine tenths of the machine are free, for ten seconds at most."""
    end = time.monotonic() + most
    while sys.platform == "linux" and time.monotonic() < end:
        before = _processor_times()
        time.sleep(0.3)
        after = _processor_times()
        idle, whole = (b - a for a, b in zip(before, after, strict=True))
        if idle >= 0.9 * whole:
            return


def _processor_times():
    words = Path("/proc/stat").read_text().partition("\n")[0].split()[1:]
    values = [int(word) for word in words]
    return values[3] + values[4], sum(values[:8])


def interleaved(measures, rounds):
    """The median of each measure over rounds, each first in turn."""
    times = {name: [] for name in measures}
    for turn in range(rounds):
        for name in list(measures)[:: 1 if turn % 2 == 0 else -1]:
            wait_until_idle()
            times[name].append(measures[name]())
    return {name: statistics.median(values) for name, values in times.items()}


TORCH = """
import sys, time, torch
from torch import nn
torch.manual_seed(0)
last = sys.argv[1] == "channels_last"
model = nn.Sequential(
    nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
    nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
    nn.Flatten(), nn.Linear(3136, 64), nn.ReLU(), nn.Linear(64, 10))
x, y = torch.randn(128, 1, 28, 28), torch.randint(0, 10, (128,))
if last:
    model = model.to(memory_format=torch.channels_last)
    x = x.contiguous(memory_format=torch.channels_last)
optimizer = torch.optim.AdamW(model.parameters(), 1e-3)
loss_fn = nn.CrossEntropyLoss()
def step():
    optimizer.zero_grad()
    loss_fn(model(x), y).backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
for _ in range(5):
    step()
print(torch.__version__, flush=True)
for line in sys.stdin:
    start = time.perf_counter()
    for _ in range(int(line)):
        step()
    print((time.perf_counter() - start) / int(line), flush=True)
"""


class Torch:
    """PyTorch in a process of its own, which trains when it is told to."""

    def __init__(self, python, layout):
        self.process = subprocess.Popen(
            [python, "-c", TORCH, layout], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.version = self.process.stdout.readline().strip()

    def __call__(self):
        """Seconds a step, of a few."""
        self.process.stdin.write(f"{2 * STEPS}\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())

    def close(self):
        """End the process."""
        self.process.stdin.close()
        self.process.wait()


def network(args):
    """The table of the CNN, in milliseconds for each run and step."""
    alone = {name: program(form, runs=1) for name, form in FORMS.items()}
    many = {name: program(form, runs=RUNS, steps=2) for name, form in FORMS.items()}
    losses = [float(call()[-1]) for call, _ in alone.values()]
    if max(losses) - min(losses) > 1e-3 * losses[0]:
        raise SystemExit(f"the forms do not train alike: {losses}")
    measures = {}
    for name in FORMS:
        call, together = alone[name][0], many[name][0]
        seconds(together)
        measures[name, "one"] = lambda call=call: seconds(call) / STEPS
        if ON_CPU:
            measures[name, "two"] = lambda call=call: seconds(call, 2) / STEPS / 2
        measures[name, "many"] = lambda call=together: seconds(call) / RUNS / 2
    peers = [Torch(args.torch, layout) for layout in ("usual", "channels_last") if args.torch]
    for peer, label in zip(peers, ("", ", channels last"), strict=False):
        measures[f"PyTorch {peer.version}{label}", "one"] = peer
    times = interleaved(measures, args.rounds)
    for peer in peers:
        peer.close()
    as_is, _ = program((convolve_by_lax, pool_by_window), runs=1, steps=2)
    seconds(as_is)
    times[AS_IS, "one"] = statistics.median(seconds(as_is) / 2 for _ in range(3))
    yield "| inside a scan, ms for each run and step | one loop | two loops | 16 by vmap | MB |"
    yield "|---|---|---|---|---|"
    for name in dict.fromkeys(name for name, _ in times):
        cells = [f"{1e3 * times[name, k]:.1f}" if (name, k) in times else "" for k in MODES]
        memory = f"{alone[name][1]:.0f}" if name in alone else ""
        yield f"| {name} | {' | '.join(cells)} | {memory} |"
    if not args.torch:
        yield "\nPyTorch was not there."


MODES = ("one", "two", "many")


# Layers alone.


def repeated(function, *operands, times):
    """A compiled loop of a function whose first operand changes with every pass."""

    def body(operands, previous):
        # some of the last result, so that no pass can be left out or moved out of the loop
        small = 1e-30 * jax.tree.leaves(previous)[0].ravel()[0].astype(jnp.float32)
        return function(operands[0] + small, *operands[1:])

    def loop(*operands):
        shapes = jax.eval_shape(function, *operands)
        start = jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), shapes)
        return lax.scan(lambda last, _: (body(operands, last), None), start, length=times)[0]

    compiled = functools.partial(jax.jit(loop).lower(*operands).compile(), *operands)
    seconds(compiled)
    return lambda: seconds(compiled) / times


def backward(function):
    """The vector-Jacobian product in all operands: (gradient of the output, *operands)."""
    return lambda g, *operands: jax.vjp(function, *operands)[1](g)


def normal(seed, *shape):
    return jax.random.normal(jax.random.key(seed), shape)


def pooling_cases():
    """Bias, ReLU and pooling of the first layer, backward."""
    x, bias, g = normal(0, BATCH, 28, 28, 32), normal(1, 32), normal(2, BATCH, 14, 14, 32)
    forms = {
        "max_pool of paramjax": max_pool,
        "strided slices": pool_by_slices,
        "reshape and maximum": pool_by_reshape,
        "reduce_window": pool_by_window,
    }
    for name, pool in forms.items():
        layer = backward(lambda x, b, pool=pool: pool(nn.relu(x + b.reshape(1, 1, 1, -1))))
        yield name, repeated(layer, g, x, bias, times=10)


def convolution_cases():
    """The second layer's three products, each alone."""
    x, kernel = normal(0, BATCH, 14, 14, 32), normal(1, 3, 3, 32, 64)
    g = normal(2, BATCH, 14, 14, 64)
    forms = {"paramjax": convolve, "matmul": convolve_as_matmul, "lax": convolve_by_lax}
    for name, form in forms.items():
        form = functools.partial(form, pads=((1, 1), (1, 1)))
        to_images = functools.partial(_to_images, form, x)
        to_kernel = functools.partial(_to_kernel, form, kernel)
        yield f"forward, {name}", repeated(form, x, kernel, times=5)
        yield f"input gradient, {name}", repeated(to_images, g, kernel, times=5)
        times = 2 if name == "lax" else 5  # it takes a second on a CPU; a scan of 1 is no loop
        yield f"kernel gradient, {name}", repeated(to_kernel, g, x, times=times)


def _to_images(form, x, g, kernel):
    return jax.vjp(lambda x: form(x, kernel), x)[1](g)


def _to_kernel(form, kernel, g, x):
    return jax.vjp(lambda k: form(x, k), kernel)[1](g)


def embedding_cases():
    """Look-up and gradient of a table."""
    for vocabulary, count in ((65, 512), (1000, 2048)):
        table, g = normal(0, vocabulary, 64), normal(1, count, 64)
        tokens = jax.random.randint(jax.random.key(2), (count,), 0, vocabulary)
        label = f"{vocabulary} tokens, {count} places"
        looks = {
            "gather, scatter-add": lambda t, i=tokens: t[i],
            "one-hot matmuls": lambda t, i=tokens, v=vocabulary: jax.nn.one_hot(i, v) @ t,
        }
        for name, look in looks.items():
            both = functools.partial(_look_up, look)
            yield f"{name}: {label}", repeated(both, g, table, times=20)


def _look_up(look, g, table):
    out, back = jax.vjp(look, table)
    return out, back(g)


def lstm_cases():
    """128 features over 64 steps, batch 32, forward and backward."""
    size, x, g = 128, normal(0, 32, 64, 128), normal(1, 32, 64, 128)
    rnn = nn.RNN(nn.OptimizedLSTMCell(size))
    params = rnn.init(jax.random.key(0), x)
    joined = normal(1, size, 4 * size) / 12, normal(2, size, 4 * size) / 12
    yield "flax OptimizedLSTMCell", repeated(backward(rnn.apply), g, params, x, times=4)
    yield "inputs projected before the scan", repeated(backward(projected), g, joined, x, times=4)
    yield "weight gradients after the scan", repeated(backward(late), g, joined, x, times=4)


def cell(carry, z):
    """One step of an LSTM from its gates' inputs; also what its backward step needs."""
    c, i, f, o = carry[0], *(nn.sigmoid(z[:, k * 128 : (k + 1) * 128]) for k in (0, 1, 3))
    g = jnp.tanh(z[:, 256:384])
    new = f * c + i * g
    bent = jnp.tanh(new)
    return (new, o * bent), (o * bent, i, f, g, o, c, bent)


def recurrent(z, kernel):
    """Every step's outputs, [length, batch, features]."""
    zero = jnp.zeros((z.shape[1], 128))
    return lax.scan(lambda s, z: cell(s, z + s[1] @ kernel), (zero, zero), z)[1]


def late(joined, x):
    return late_gradient(x.swapaxes(0, 1) @ joined[0], joined[1]).swapaxes(0, 1)


def projected(joined, x):
    return recurrent(x.swapaxes(0, 1) @ joined[0], joined[1])[0].swapaxes(0, 1)


@jax.custom_vjp
def late_gradient(z, kernel):
    """`recurrent` whose kernel gradient is one matmul."""
    return recurrent(z, kernel)[0]


def _late_forward(z, kernel):
    saved = recurrent(z, kernel)
    return saved[0], (kernel, *saved)


def _late_backward(saved, grads):
    kernel, h, *saved = saved

    def step(carry, inputs):
        (dc, dh), (grad, i, f, g, o, c, bent) = carry, inputs
        dh = dh + grad
        dc = dc + dh * o * (1 - bent**2)
        gates = dc * g * i * (1 - i), dc * c * f * (1 - f), dc * i * (1 - g**2)
        dz = jnp.concatenate([*gates, dh * bent * o * (1 - o)], axis=-1)
        return (dc * f, dz @ kernel.T), dz

    zero = jnp.zeros(h.shape[1:])
    dz = lax.scan(step, (zero, zero), (grads, *saved), reverse=True)[1]
    return dz, h[:-1].reshape(-1, 128).T @ dz[1:].reshape(-1, 512)


late_gradient.defvjp(_late_forward, _late_backward)


def random_cases():
    """Masks of 128 x 1024 that keep nine tenths, and orders of 60,000 rows."""
    shape = (128, 1024)

    def halves(key):
        bits = jax.random.bits(key, (shape[0], shape[1] // 2), jnp.uint32)
        return jnp.concatenate([bits & 0xFFFF, bits >> 16], axis=-1) >= round(0.1 * 2**16)

    def quarters(key):
        bits = jax.random.bits(key, (shape[0], shape[1] // 4), jnp.uint32)
        return jnp.concatenate([bits >> s & 0xFF for s in (0, 8, 16, 24)], axis=-1) >= 26

    forms = {
        "mask, bernoulli": lambda key: jax.random.bernoulli(key, 0.9, shape),
        "mask, 16 bits each (rate exact to 1e-5)": halves,
        "mask, 8 bits each (rate exact to 2e-3)": quarters,
        "order, jax.random.permutation": lambda key: jax.random.permutation(key, 60_000),
        "order, one sort": lambda key: jnp.argsort(jax.random.bits(key, (60_000,))),
    }
    for name, draw in forms.items():
        times = 20 if "mask" in name else 4
        yield name, repeated(functools.partial(_drawn, draw), jnp.float32(1), times=times)


def _drawn(draw, x):
    """A draw whose key depends on the number that `repeated` changes."""
    key = jax.random.fold_in(jax.random.key(0), lax.bitcast_convert_type(x, jnp.int32))
    return draw(key).astype(jnp.float32)


LAYERS = {
    "convolution 32 -> 64 on 14x14": convolution_cases,
    "bias, ReLU, 2x2 pooling, backward": pooling_cases,
    "embedding of width 64": embedding_cases,
    "LSTM, forward and backward": lstm_cases,
    "random numbers": random_cases,
}


def layers(args):
    """The tables of single layers, in milliseconds."""
    for title, cases in LAYERS.items():
        measures = dict(cases())
        times = interleaved(measures, args.rounds)
        first = next(iter(times.values()))
        yield f"\n| {title} | ms | ratio to the first |\n|---|---|---|"
        for name, value in times.items():
            yield f"| {name} | {1e3 * value:.2f} | {value / first:.2f} |"


def report(args):
    """The tables as Markdown."""
    lines = [
        f"{args.machine or jax.devices()[0].device_kind}, jax {jax.__version__}, Python "
        f"{platform.python_version()}; batch {BATCH}, float32; medians of {args.rounds} "
        "interleaved rounds.\n"
    ]
    for line in (*network(args), *layers(args)):
        lines.append(line)
        print(line, flush=True)
    return "\n".join(lines) + "\n"


def main():
    """Measure, print, and write where asked."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, help="a Markdown file for the tables")
    parser.add_argument("--notes", type=Path, help="a Markdown file to put below the tables")
    parser.add_argument("--machine", help="its name in the table")
    parser.add_argument("--torch", help="a Python interpreter that has PyTorch")
    parser.add_argument("--rounds", type=int, default=9)
    args = parser.parse_args()
    text = report(args)
    if args.out:
        notes = f"\n{args.notes.read_text()}" if args.notes else ""
        args.out.write_text(f"# Convolutions and other layers inside a scan\n\n{text}{notes}")


if __name__ == "__main__":
    main()
