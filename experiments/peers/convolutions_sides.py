"""The CNN of `convolutions.py` by each side: scans of several forms, the engine, PyTorch."""

from __future__ import annotations

import functools
import subprocess
import threading
import time
from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax

import paramjax as pj
from paramjax.models import CNN, Conv, max_pool
from paramjax.models._convolution import convolve
from paramjax.models._convolution_forms import (
    convolve_as_matmul,
    convolve_by_lax,
    correlate_as_matmul,
    window,
)

BATCH, RUNS = 128, 16
STEPS = 4 if jax.default_backend() == "cpu" else 200
TX = optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(1e-3))


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def explicit_gradients(x, kernel, moves):
    """Lax's convolution also for the input's gradient, stride 1; one matmul for the kernel's."""
    return convolve_by_lax(x, kernel, moves)


def _explicit_backward(moves, saved, g):
    x, kernel = saved
    back = [
        (side - 1 - low, side - 1 - high)
        for side, (low, high) in zip(moves.size, moves.pads, strict=True)
    ]
    flipped = jnp.flip(kernel, (0, 1)).swapaxes(2, 3)
    to_images = convolve_by_lax(g, flipped, window(moves.size, back))
    return to_images, correlate_as_matmul(x, g, moves)


explicit_gradients.defvjp(
    lambda x, kernel, moves: (convolve_by_lax(x, kernel, moves), (x, kernel)), _explicit_backward
)


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
    "shifted slices and one matmul": (convolve_as_matmul, pool_by_reshape),
    "shifted slices and one matmul, our pooling": (convolve_as_matmul, max_pool),
    "lax forward and input gradient, one matmul, our pooling": (explicit_gradients, max_pool),
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


def program(form, *, runs=1, steps=STEPS):
    """A call that trains, one run or many under vmap; seconds of compiling; temporary MB."""
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
    start = time.perf_counter()
    compiled = jax.jit(run).lower(params, opt_state, x, y).compile()
    taken = time.perf_counter() - start
    memory = compiled.memory_analysis().temp_size_in_bytes / 1e6
    return functools.partial(compiled, params, opt_state, x, y), taken, memory


class Engine:
    """`pj.sweep` over 16 learning rates, as a user writes it; epochs of 8 batches."""

    def __init__(self):
        rng = np.random.default_rng(0)
        self.data = {
            "x": rng.normal(size=(8 * BATCH, 28, 28, 1)).astype(np.float32),
            "y": rng.integers(0, 10, 8 * BATCH).astype(np.int32),
        }
        self.model = CNN()
        self.choice = self.sweep(STEPS).plan.choices[0]
        for steps in (STEPS, 3 * STEPS):
            self.sweep(steps)  # compiled

    def sweep(self, steps):
        """Train all runs for some steps, in the layout that was chosen first."""
        layout = self.choice.layout if hasattr(self, "choice") else None
        return pj.sweep(
            lambda hp: pj.train_step(
                self.loss_fn,
                optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(hp["learning_rate"])),
            ),
            {"learning_rate": pj.log_uniform(1e-5, 1e-2)},
            pj.Problem(init=self.init, data=self.data, batch_size=BATCH),
            trials=RUNS,
            seeds=1,
            steps=steps,
            key=jax.random.key(0),
            execution=pj.Execution(layout=layout),
        )

    def loss_fn(self, params, batch, key):
        """Cross-entropy of a batch."""
        logits = self.model.apply(params, batch["x"])
        losses = optax.losses.softmax_cross_entropy_with_integer_labels(logits, batch["y"])
        return losses.mean(), {}

    def init(self, key):
        """Initial parameters of a run."""
        return self.model.init(key, jnp.zeros((1, 28, 28, 1)))

    def __call__(self):
        """Seconds for a run and step: what more steps add to a whole sweep."""
        times = []
        for steps in (STEPS, 3 * STEPS):
            start = time.perf_counter()
            self.sweep(steps)
            times.append(time.perf_counter() - start)
        return (times[1] - times[0]) / (2 * STEPS) / RUNS


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


TORCH = """
import sys, time, torch
from torch import nn
torch.manual_seed(0)
last = sys.argv[1] == "channels_last"
device = "cuda" if torch.cuda.is_available() else "cpu"
wait = torch.cuda.synchronize if device == "cuda" else lambda: None
model = nn.Sequential(
    nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
    nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
    nn.Flatten(), nn.Linear(3136, 64), nn.ReLU(), nn.Linear(64, 10)).to(device)
x = torch.randn(128, 1, 28, 28, device=device)
y = torch.randint(0, 10, (128,), device=device)
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
    wait()
    start = time.perf_counter()
    for _ in range(int(line)):
        step()
    wait()
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
