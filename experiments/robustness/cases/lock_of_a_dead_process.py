"""A worker that a killed run had forked does not hold the folder's lock."""

import contextlib
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import time

import jax
import jax.numpy as jnp
import numpy as np
import optax
from pairs import pair

import paramjax as pj


def work(queue):
    while True:
        with contextlib.suppress(Exception):
            queue.put(np.ones(8, np.float32), timeout=1)


def batches(step):
    queue = multiprocessing.Queue(4)
    context = multiprocessing.get_context("fork")
    worker = context.Process(target=work, args=(queue,), daemon=True)
    worker.start()
    print(worker.pid, flush=True)
    while True:
        yield queue.get()


def fit(folder, steps):
    trainer = pj.train_step(lambda w, b, k: (jnp.mean((w - b) ** 2), {}), optax.sgd(0.1))
    checkpoints = pj.Checkpoints(folder, every=50)
    data, key = (
        (batches if steps > 10**5 else lambda s: iter([np.ones(8, np.float32)] * 10**6)),
        jax.random.key(0),
    )
    pj.fit(trainer, jnp.float32(0), data, key=key, steps=steps, checkpoints=checkpoints)


if len(sys.argv) > 1:
    fit(sys.argv[1], int(sys.argv[2]))
    sys.exit()
with tempfile.TemporaryDirectory() as folder:
    words = [sys.executable, __file__, folder]
    run = subprocess.Popen([*words, "10000000"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    worker = int(run.stdout.readline())
    time.sleep(5)
    run.kill()
    run.wait()
    pair("the worker lives on", os.path.exists(f"/proc/{worker}"), True)
    again = subprocess.run([*words, "10"], capture_output=True, text=True, timeout=120)
    os.kill(worker, signal.SIGKILL)
    last = again.stderr.strip().rpartition("\n")[2][:300]
    pair("refused in the name of a dead process", "in use" in last, False)
    print(last)
