"""A tiny training as a whole process: XOR, one example a step, 4,000 steps of Adam.

Starts each program anew, one after the other, round by round, and prints the medians. The
compilation cache of JAX is off, as on the first run on a machine, and on in one more line.

    python experiments/peers/cold_start.py --python PATH_OF_A_PYTHON_WITH_TORCH_AND_KERAS
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

OURS = """
import numpy as np, jax, optax
import paramjax as pj
from paramjax.models import MLP

x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
data = {"x": x, "y": np.array([0, 1, 1, 0], np.float32)}
model = MLP((4, 1), activation="sigmoid")
loss_fn = pj.losses.supervised(model.apply, pj.losses.binary_cross_entropy)
params = jax.jit(model.init)(jax.random.key(0), x)
run = pj.fit(pj.train_step(loss_fn, optax.adam(0.01)), params, data,
             key=jax.random.key(0), steps=4000, batch_size=1)
print(float(run.history["loss"][-100:].mean()))
"""

BY_HAND = """
import jax, jax.numpy as jnp

x = jnp.array([[0, 0], [0, 1], [1, 0], [1, 1]], jnp.float32)
y = jnp.array([0, 1, 1, 0], jnp.float32)

def loss_fn(params, x, y):
    (w1, b1), (w2, b2) = params
    logits = (jax.nn.sigmoid(x @ w1 + b1) @ w2 + b2)[..., 0]
    return (jax.nn.softplus(logits) - y * logits).mean()

@jax.jit
def train(key):
    k1, k2, k3 = jax.random.split(key, 3)
    first = jax.random.normal(k1, (2, 4)), jnp.zeros(4)
    params = first, (jax.random.normal(k2, (4, 1)), jnp.zeros(1))
    zeros = jax.tree.map(jnp.zeros_like, params)
    epochs = jax.random.split(k3, 1000)
    order = jax.vmap(lambda key: jax.random.permutation(key, 4))(epochs).reshape(-1)
    def step(carry, row):
        params, m, v, t = carry
        loss, g = jax.value_and_grad(loss_fn)(params, x[row][None], y[row][None])
        m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, m, g)
        v = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, v, g)
        def update(p, m, v):
            return p - 0.01 * (m / (1 - 0.9**t)) / (jnp.sqrt(v / (1 - 0.999**t)) + 1e-8)
        params = jax.tree.map(update, params, m, v)
        return (params, m, v, t + 1), loss
    return jax.lax.scan(step, (params, zeros, zeros, 1.0), order)[1]

print(float(train(jax.random.key(0))[-100:].mean()))
"""

TORCH = """
import torch

torch.manual_seed(0)
x = torch.tensor([[0., 0.], [0., 1.], [1., 0.], [1., 1.]])
y = torch.tensor([[0.], [1.], [1.], [0.]])
model = torch.nn.Sequential(torch.nn.Linear(2, 4), torch.nn.Sigmoid(), torch.nn.Linear(4, 1))
loss_fn = torch.nn.BCEWithLogitsLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
losses = []
for epoch in range(1000):
    for row in torch.randperm(4):
        optimizer.zero_grad()
        loss = loss_fn(model(x[row][None]), y[row][None])
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
print(sum(losses[-100:]) / 100)
"""

KERAS = """
import os
os.environ["KERAS_BACKEND"] = "jax"
import keras, numpy as np

keras.utils.set_random_seed(0)
x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
y = np.array([[0], [1], [1], [0]], np.float32)
Dense = keras.layers.Dense
model = keras.Sequential([Dense(4, activation="sigmoid"), Dense(1, activation="sigmoid")])
model.compile(optimizer=keras.optimizers.Adam(0.01), loss="binary_crossentropy")
history = model.fit(x, y, batch_size=1, epochs=1000, verbose=0)
print(history.history["loss"][-1])
"""


def seconds(python: str, code: str, cache: str) -> float:
    """Wall time of a process that runs some code."""
    environment = os.environ | {"PARAMJAX_CACHE_DIR": cache, "TF_CPP_MIN_LOG_LEVEL": "3"}
    start = time.perf_counter()
    done = subprocess.run([python, "-c", code], env=environment, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    return time.perf_counter() - start


def main() -> None:
    """Measure, print, and write where asked."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--python", default=sys.executable, help="one that has torch and keras")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--machine", default="this machine", help="its name in the table")
    parser.add_argument("--out", type=Path, help="a Markdown file for the table")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as cache:
        programs = {
            "paramjax, first run": (sys.executable, OURS, "off"),
            "paramjax, compiled before": (sys.executable, OURS, cache),
            "a scan by hand, jax alone": (sys.executable, BY_HAND, "off"),
            "PyTorch": (args.python, TORCH, "off"),
            "Keras on JAX": (args.python, KERAS, "off"),
            "import jax": (sys.executable, "import jax", "off"),
            "import paramjax": (sys.executable, "import paramjax", "off"),
        }
        for program in programs.values():
            seconds(*program)  # files into memory, and the cache filled
        times: dict[str, list[float]] = {name: [] for name in programs}
        for _ in range(args.rounds):
            for name, program in programs.items():
                times[name].append(seconds(*program))
    ours = statistics.median(times["paramjax, first run"])
    lines = [
        f"{args.machine}; medians of {args.rounds} interleaved rounds of whole processes.", "",
        "| process | seconds | quartiles | of the first line's |", "|---|---|---|---|",
    ]  # fmt: skip
    for name, values in times.items():
        low, middle, high = statistics.quantiles(values, n=4)
        lines.append(f"| {name} | {middle:.2f} | {low:.2f} to {high:.2f} | {middle / ours:.2f} |")
    text = "\n".join(lines) + "\n"
    print(text)
    if args.out:
        args.out.write_text(f"# What a tiny training costs as a process\n\n{text}")


if __name__ == "__main__":
    main()
