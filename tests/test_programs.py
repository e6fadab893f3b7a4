"""Compiled programs go with what they were compiled for, and the same trainer compiles once."""

from __future__ import annotations

import functools
import gc
import pickle
import threading
import weakref
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import paramjax as pj
from paramjax._programs import owned_jit

MAPS = Path("/proc/self/maps")
DATA = {"x": np.ones((64, 4), "f"), "y": np.zeros(64, "f")}
KEY = jax.random.key(0)

needs_maps = pytest.mark.skipif(not MAPS.exists(), reason="Linux counts mappings of memory")


def new_loss():
    return lambda w, batch, key: (((batch["x"] @ w - batch["y"]) ** 2).mean(), {})


def evaluation(loss_fn):
    return lambda w, batch: {"loss": loss_fn(w, batch, None)[0]}


def fit():
    loss_fn = new_loss()
    pj.fit(
        pj.train_step(loss_fn, optax.adam(1e-3)), jnp.ones(4), DATA, key=KEY, steps=3,
        batch_size=8, validation=pj.Validation(evaluation(loss_fn), DATA, every=2),
    )  # fmt: skip


def fit_of_one_trainer():
    loss_fn = new_loss()
    validation = pj.Validation(evaluation(loss_fn), DATA, every=2)
    pj.fit(TRAINER, jnp.ones(4), DATA, key=KEY, steps=3, validation=validation)


def sweep():
    loss_fn = new_loss()
    problem = pj.Problem(
        init=lambda key: jnp.ones(4), data=DATA, evaluate=evaluation(loss_fn), eval_data=DATA
    )
    pj.sweep(
        lambda hp: pj.train_step(loss_fn, optax.sgd(hp["rate"])),
        {"rate": pj.log_uniform(1e-3, 1e-1)}, problem, trials=2, seeds=1, steps=3, key=KEY,
    )  # fmt: skip


def cross_validate():
    loss_fn = new_loss()
    problem = pj.Problem(init=lambda key: jnp.ones(4), data=DATA, evaluate=evaluation(loss_fn))
    trainer = pj.train_step(loss_fn, optax.sgd(0.1))
    pj.cross_validate(trainer, problem, steps=3, folds=3, key=KEY)


TRAINER = pj.train_step(new_loss(), optax.adam(1e-3))


def mappings():
    """Mappings of memory once what nobody holds is gone: each compiled program takes several."""
    gc.collect()
    return MAPS.read_bytes().count(b"\n")


@needs_maps
@pytest.mark.parametrize(
    "work", [fit, *(pytest.param(w, marks=pytest.mark.slow) for w in (sweep, cross_validate))]
)
def test_programs_go_with_their_trainer(work):
    for _ in range(2):
        work()
    before = mappings()
    for _ in range(4):
        work()
    assert mappings() - before < 4 * 5  # of one alone there are more than 80


@needs_maps
@pytest.mark.slow
@pytest.mark.parametrize("work", [fit, fit_of_one_trainer, sweep, cross_validate])
def test_mappings_stay_for_hundreds(work):
    for _ in range(100):
        work()
    before = mappings()
    for _ in range(200):
        work()
    assert mappings() - before < 200


def test_the_same_trainer_compiles_once():
    traces = []

    def loss_fn(w, batch, key):
        traces.append(1)
        return ((batch["x"] @ w - batch["y"]) ** 2).mean(), {}

    trainer = pj.train_step(loss_fn, optax.sgd(0.1))
    run = lambda trainer: pj.fit(trainer, jnp.ones(4), DATA, key=KEY, steps=3)
    run(trainer)
    once = len(traces)
    run(trainer)
    run(pj.Trainer(*trainer))  # equal, for its functions are the same
    assert len(traces) == once


def double(function, x, *, times=2):
    return times * function(x)


def test_a_program_for_each_value_of_the_static_arguments():
    program = owned_jit()(double)
    square = lambda x: x**2
    assert float(program(square, 3.0)) == 18.0
    assert float(program(square, 3.0, times=3)) == 27.0
    assert program.of(square) is program.of(square)
    assert program.of(square) is not owned_jit()(double).of(square)


def test_a_method_owns_programs_too():
    class Model:
        def square(self, x):
            return x**2

    model, program = Model(), owned_jit()(double)
    assert program.of(model.square) is program.of(model.square)
    assert float(program(model.square, 3.0)) == 18.0


def test_an_owner_goes_and_keeps_the_newest_programs_only():
    program = owned_jit()(double)
    function = lambda x: x + 1
    first = weakref.ref(program.of(function, times=-1))
    for times in range(100):
        program.of(function, times=times)
    gc.collect()
    assert first() is None
    assert float(program(function, 1.0, times=99)) == 198.0
    gone = weakref.ref(function)
    del function
    gc.collect()
    assert gone() is None


def test_programs_are_not_pickled_with_a_partial():
    function = functools.partial(double, abs)
    program = owned_jit()(double)
    assert float(program(function, -3.0)) == 12.0
    again = pickle.loads(pickle.dumps(function))
    assert float(program(again, -3.0)) == 12.0


def test_threads_share_a_program():
    traces = []

    def function(x):
        traces.append(1)
        return x + 1

    program, found = owned_jit()(double), []
    call = lambda: found.append(program.of(function))
    threads = [threading.Thread(target=call) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(one) for one in found}) == 1
    assert float(found[0](1.0)) == 4.0
    assert len(traces) == 1
