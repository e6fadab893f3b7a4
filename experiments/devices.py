"""Several devices: the same training on one, on eight, and in two processes of four.

The script starts itself again with simulated CPU devices, and as two processes that find each
other by `jax.distributed`. `pj.trainers.shard` splits the rows of a batch over the devices, so that
losses agree to rounding. Simulated devices share cores: they tell nothing about real speed.

Row 27 of the brief.
"""

import json
import os
import socket
import subprocess
import sys
import time

import jax
import numpy as np
import optax

import paramjax as pj
from paramjax.cli import start_script

LAYOUTS = {"1 device": (1, 1), "8 devices": (1, 8), "2 processes of 4": (2, 4)}
BATCH, STEPS = 256, 40


def train(key):
    """Losses of all steps, and milliseconds a step once the program is compiled."""
    model = pj.models.MLP((128, 10))
    mesh = jax.make_mesh((jax.device_count(),), ("data",))
    loss_fn = pj.losses.supervised(model.apply, pj.losses.cross_entropy)
    trainer = pj.trainers.shard(pj.train_step(loss_fn, optax.adam(1e-3)), mesh)
    data = pj.data.digits()
    for _ in range(2):  # the second run finds its program compiled
        params, started = jax.jit(model.init)(key, data["x"][:1]), time.perf_counter()
        run = pj.fit(trainer, params, data, key=key, steps=STEPS, batch_size=BATCH, progress=False)
        ms = 1000 * (time.perf_counter() - started) / STEPS
    return {"loss": run.history["loss"].tolist(), "ms": ms}


def child(key, processes, number, port):
    if processes > 1:
        jax.distributed.initialize(f"127.0.0.1:{port}", processes, number)
    print(json.dumps(train(jax.random.key(key)) | {"devices": jax.device_count()}))


def start(key, processes, number, devices, port):
    """Start a process of a layout, which sees so many simulated devices of its own."""
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count={devices}"
    return subprocess.Popen(
        [sys.executable, __file__, "child", *map(str, (key, processes, number, port))],
        env={**os.environ, "XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"},
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


def launched(key, processes, devices):
    """What each process of a layout reports."""
    with socket.socket() as free:  # a port for them to meet at
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    running = [start(key, processes, number, devices, port) for number in range(processes)]
    try:
        return [json.loads(own.communicate(timeout=120)[0].splitlines()[-1]) for own in running]
    finally:
        for own in running:
            own.kill()


def main() -> int:
    script = start_script(__file__, __doc__)
    reports = {name: launched(script.key, *layout) for name, layout in LAYOUTS.items()}
    loss = {name: np.array([own["loss"] for own in all_]) for name, all_ in reports.items()}
    apart = {name: abs(own / loss["1 device"] - 1).max(axis=0) for name, own in loss.items()}
    for name, own in reports.items():
        print(f"{name}: {own[0]['devices']} devices, {own[0]['ms']:.2f} ms a step")

    def plot(figure):
        left, right = figure.subplots(1, 2)
        for (name, own), style in zip(loss.items(), ("-", "--", ":"), strict=True):
            label = f"{name}, {reports[name][0]['ms']:.2f} ms a step"
            left.plot(own[0], style, linewidth=2.5, label=label)
            right.plot(1e7 * apart[name], "o", label=name)
        left.set(xlabel="step", ylabel="training loss (nats)", ylim=(None, 2.9))
        right.set(xlabel="step", ylabel="relative difference to 1 device (1e-7)", ylim=(-0.2, 4))
        for axes in (left, right):
            axes.legend(loc="upper right", title="simulated on this machine")

    figures = {"last loss on 1 device (nats)": loss["1 device"][0, -1]}
    for name in ("8 devices", "2 processes of 4"):
        figures[f"devices seen, {name}"] = reports[name][0]["devices"]
        figures[f"largest relative difference of a loss, {name}"] = apart[name].max()
    return script.finish(figures, plot)


if __name__ == "__main__":
    sys.exit(child(*map(int, sys.argv[2:])) if sys.argv[1:2] == ["child"] else main())
