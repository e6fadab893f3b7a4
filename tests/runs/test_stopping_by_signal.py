"""Ctrl-C and SIGTERM end a run with everything so far; the second Ctrl-C interrupts at once."""

import itertools
import os
import signal
import subprocess
import sys
import threading
import time

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import paramjax as pj
from paramjax.checkpoints._folder import steps_in
from paramjax.runs import InterruptWarning

TRAINER = pj.train_step(lambda w, batch, key: ((w - batch.mean()) ** 2, {}), optax.sgd(0.1))
DATA = np.ones(3, np.float32)


def run(measure, **options):
    validation = pj.Validation(measure, DATA, every=10)
    return pj.fit(
        TRAINER, jnp.float32(0), DATA, key=jax.random.key(0), steps=100, validation=validation,
        **options,
    )  # fmt: skip


def interrupting():
    """Ctrl-C, in the middle of the evaluation after step 30."""
    calls = itertools.count(1)

    def press(loss):
        if next(calls) == 3:
            os.kill(os.getpid(), signal.SIGINT)
        return loss

    def measure(w, batch):
        shape = jax.ShapeDtypeStruct((), jnp.float32)
        return {"loss": jax.pure_callback(press, shape, (w - batch.mean()) ** 2)}

    return measure


@pytest.fixture(autouse=True)
def _default_handler():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    assert signal.getsignal(signal.SIGINT) == signal.default_int_handler
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_returns_what_was_done(tmp_path):
    whole = run(lambda w, batch: {"loss": (w - batch.mean()) ** 2})
    measure = interrupting()
    with pytest.warns(InterruptWarning, match="after 30 of 100 steps.* a checkpoint was saved"):
        fit = run(measure, checkpoints=pj.Checkpoints(tmp_path))
    assert fit.status == "interrupted"
    assert int(fit.state.step) == 30
    assert fit.validation["step"].tolist() == [10, 20, 30]
    np.testing.assert_array_equal(fit.history["loss"], whole.history["loss"][:30])
    rest = run(measure, checkpoints=pj.Checkpoints(tmp_path))
    np.testing.assert_array_equal(rest.history["loss"], whole.history["loss"])


def test_without_a_folder_it_says_that_nothing_was_saved():
    with pytest.warns(InterruptWarning, match="and nothing was saved"):
        run(interrupting())


CHILD = """
import sys, time, jax, jax.numpy as jnp, numpy as np, optax, paramjax as pj
trainer = pj.train_step(lambda w, batch, key: ((w - batch.mean()) ** 2, {}), optax.sgd(0.1))
def batches():
    print("begun", flush=True)
    while True:
        time.sleep(0.001)
        yield np.ones(3, np.float32)
pj.fit(trainer, jnp.float32(0), batches(), key=jax.random.key(0), steps=10**6,
       checkpoints=pj.Checkpoints(sys.argv[1]))
print("never here")
"""


def test_a_termination_saves_first(tmp_path):
    words = [sys.executable, "-c", CHILD, str(tmp_path)]
    child = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert child.stdout.readline() == "begun\n"
    time.sleep(1.0)
    child.terminate()
    output, errors = child.communicate(timeout=60)
    assert child.returncode == -signal.SIGTERM
    assert output == ""
    assert "a checkpoint was saved" in errors
    done = steps_in(tmp_path)[-1]
    rest = pj.fit(
        TRAINER, jnp.float32(0), itertools.repeat(np.ones(3, np.float32)), key=jax.random.key(0),
        steps=done + 5, checkpoints=pj.Checkpoints(tmp_path),
    )  # fmt: skip
    assert int(rest.state.step) == done + 5
    assert len(rest.history["loss"]) == done + 5


def test_a_stream_that_never_comes_can_be_interrupted(tmp_path):
    released = threading.Event()

    def batches():
        yield np.ones(3, np.float32)
        threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
        released.wait(20)
        yield np.ones(3, np.float32)

    threading.Timer(2.0, released.set).start()
    began = time.monotonic()
    with pytest.warns(InterruptWarning, match="after 1 of 9 steps"):
        fit = pj.fit(
            TRAINER, jnp.float32(0), batches(), key=jax.random.key(0), steps=9,
            checkpoints=pj.Checkpoints(tmp_path),
        )  # fmt: skip
    assert time.monotonic() - began < 10
    assert int(fit.state.step) == 1
    assert steps_in(tmp_path) == [1]


def test_a_run_without_a_step_is_one(tmp_path):
    def none():
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.5)
        yield np.ones(3, np.float32)

    with pytest.warns(InterruptWarning, match="after 0 of 9 steps"):
        fit = pj.fit(
            TRAINER, jnp.float32(0), none(), key=jax.random.key(0), steps=9,
            checkpoints=pj.Checkpoints(tmp_path),
        )  # fmt: skip
    assert fit.history == {}
    assert len(fit.to_frame()) == 0
    stream = itertools.repeat(np.ones(3, np.float32))
    whole = pj.fit(
        TRAINER,
        jnp.float32(0),
        stream,
        key=jax.random.key(0),
        steps=9,
        checkpoints=pj.Checkpoints(tmp_path),
    )
    assert len(whole.history["loss"]) == 9


TWICE = """
import os, signal, threading, time
import jax, jax.numpy as jnp, optax
import paramjax as pj
from paramjax import _ahead

def compiling(lowered):
    for _ in range(2):
        time.sleep(0.5)  # by then the run waits for the program
        os.kill(os.getpid(), signal.SIGINT)
    time.sleep(30)

_ahead._compile = compiling
trainer = pj.train_step(lambda w, batch, key: (w**2 * batch.sum(), {}), optax.sgd(0.1))
pj.fit(trainer, jnp.float32(1), jnp.ones(3), key=jax.random.key(0), steps=3)
"""


@pytest.mark.slow
def test_the_second_ctrl_c_ends_a_program_that_is_compiling_in_a_thread():
    began = time.monotonic()
    ended = subprocess.run([sys.executable, "-c", TWICE], stderr=subprocess.PIPE, check=False)
    assert ended.returncode == 130  # and not an abort by a thread that comes back from XLA
    assert b"KeyboardInterrupt" in ended.stderr
    assert time.monotonic() - began < 25
