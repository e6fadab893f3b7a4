"""Ctrl-C and SIGTERM let trainings under way end, keep them and say so; twice never aborts."""

import contextlib
import signal
import sqlite3
import subprocess
import sys
import time

import pytest

CHILD = """
import signal, sys, time, jax, jax.numpy as jnp, numpy as np, optax, paramjax as pj
from paramjax.populations import Layout
signal.signal(signal.SIGINT, signal.default_int_handler)

def slow(loss):
    time.sleep(0.02)
    return loss

def loss_fn(w, batch, key):
    loss = (w - batch.mean()) ** 2
    shape = jax.ShapeDtypeStruct((), jnp.float32)
    waited = jax.pure_callback(slow, shape, jax.lax.stop_gradient(loss))
    return loss + 0 * waited, {}

data = np.ones(3, np.float32)
problem = pj.Problem(
    init=lambda key: jnp.zeros(()), data=data, eval_data=data,
    evaluate=lambda w, batch: {"loss": (w - batch.mean()) ** 2},
)
pj.sweep(
    lambda hp: pj.train_step(loss_fn, optax.sgd(hp["rate"])), {"rate": pj.log_uniform(1e-3, 1e-1)},
    problem, trials=64, seeds=1, steps=30, key=jax.random.key(0), store=sys.argv[1],
    execution=pj.Execution(layout=Layout(1)),
)
print("never here")
"""


def rows(store):
    """Trainings in a store."""
    if not store.exists():
        return 0
    with contextlib.closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as db:
        try:
            return db.execute("select count(*) from trainings").fetchone()[0]
        except sqlite3.OperationalError:  # not made yet, or held by the one who writes
            return 0


@pytest.mark.parametrize(
    ("signals", "code"),
    [
        ([signal.SIGINT], -signal.SIGINT),  # Python's own end after KeyboardInterrupt
        pytest.param([signal.SIGTERM], 143, marks=pytest.mark.slow),
        pytest.param([signal.SIGINT, signal.SIGINT], 130, marks=pytest.mark.slow),
    ],
)
def test_a_sweep_keeps_what_is_done(tmp_path, signals, code):
    words = [sys.executable, "-c", CHILD, str(tmp_path)]
    child = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    store = tmp_path / "records.sqlite"
    deadline = time.monotonic() + 60
    while not rows(store) and child.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    before = rows(store)
    for number in signals:
        child.send_signal(number)
        time.sleep(0.1)
    output, errors = child.communicate(timeout=60)
    assert child.returncode == code, errors
    assert output == ""
    assert "interrupted: trainings under way end and are kept first" in errors
    assert f"what is done is kept in {tmp_path}" in errors
    if len(signals) == 1:
        assert before < rows(store) < 64  # the trainings under way were waited for
