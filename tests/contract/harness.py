"""What the files of the contract suite share: trainers, runs under jit, comparisons."""

import functools

import chex
import jax
import numpy as np
import pytest
from by_hand import loss_fn, problem, train
from every_optax import FACTORIES, MECHANISMS, PER_EXAMPLE

import paramjax as pj

RATE = 0.05
PARAMS, BATCHES = problem()


def each(names, quick=MECHANISMS):
    """One test per name: the representatives always, the others with `make test-all`."""
    return pytest.mark.parametrize(
        "name",
        [n if n in quick else pytest.param(n, marks=pytest.mark.slow) for n in sorted(names)],
    )


def trainer_of(name, loss=loss_fn, hooks=(), rate=RATE):
    """The transformation of this name behind the one step function."""
    grad_fn = pj.grads.per_example(loss) if name in PER_EXAMPLE else pj.gradient(loss)
    return pj.train_step(grad_fn, FACTORIES[name](rate), hooks)


def by_optax(name, batches=BATCHES, rate=RATE, **changes):
    """The same with optax alone: the parameters to evaluate after each step, the last state."""
    if batches is BATCHES and not changes:
        return _plain_by_optax(name, rate)  # several layouts are compared with these
    return _by_optax(name, batches, rate, **changes)


def _by_optax(name, batches, rate, **changes):
    per_example = name in PER_EXAMPLE
    return train(name, FACTORIES[name](rate), batches, PARAMS, per_example=per_example, **changes)


@functools.cache
def _plain_by_optax(name, rate):
    return _by_optax(name, BATCHES, rate)


def compiled(trainer):
    """Its step under jit, which may be traced once."""
    chex.clear_trace_counter()
    return jax.jit(chex.assert_max_traces(trainer.step, n=1))


def run(trainer, batches=BATCHES, state=None, step=None):
    """Step by step under jit, traced once; the parameters to evaluate after each step."""
    state = trainer.init(jax.random.key(0), PARAMS) if state is None else state
    dtypes = jax.tree.map(lambda leaf: leaf.dtype, state)
    step = compiled(trainer) if step is None else step
    iterates = []
    for index in range(len(batches["x"])):
        state, _ = step(state, at(batches, index))
        iterates.append(trainer.eval_params(state))
    chex.assert_trees_all_equal(dtypes, jax.tree.map(lambda leaf: leaf.dtype, state))
    return iterates, state


def at(tree, index):
    """Every leaf at an index."""
    return jax.tree.map(lambda leaf: leaf[index], tree)


def assert_close(ours, theirs, rtol=1e-5):
    """Relative 1e-5; parameters are of order 1."""
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol, atol=1e-6), ours, theirs)
