"""Every model trains in a population, alike alone, keeps its state and dtypes, and resumes."""

import functools

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from models import MODELS, REPRESENTATIVES

import paramjax as pj

STEPS, KEY = 4, jax.random.key(0)
RATES = (0.02, 0.05)


def test_every_module_has_a_row():
    offered = {name: getattr(pj.models, name) for name in pj.models.__all__}
    modules = {n for n, c in offered.items() if isinstance(c, type) and issubclass(c, nn.Module)}
    assert modules == set(MODELS), "add a row to tests/contract/models.py"


def each_model():
    """The representatives always, the others with `make test-all`."""
    slow = pytest.mark.slow
    rows = [n if n in REPRESENTATIVES else pytest.param(n, marks=slow) for n in sorted(MODELS)]
    return pytest.mark.parametrize("name", rows)


def in_a_population(model, model_state):
    """Two learning rates, two seeds; each step reads all rows, so that no order matters."""
    return pj.sweep(
        lambda hp: pj.train_step(model.loss_fn, optax.sgd(hp["rate"]), stateful=True),
        {"rate": pj.log_uniform(1e-4, 1.0)},
        pj.Problem(
            init=lambda key: model.start(key)[0], data=model.data,
            model_state=model_state,
        ),
        trials=[{"rate": rate} for rate in RATES], seeds=2, steps=STEPS, key=KEY,
        execution=pj.Execution(layout=pj.populations.Layout(4)),
    )  # fmt: skip


def first_key(seed):
    """The key that a sweep gives to the `init` of a seed."""
    return jax.random.split(jax.random.fold_in(jax.random.split(KEY)[1], seed), 3)[0]


@each_model()
def test_in_a_population_alone_and_resumed(name, tmp_path):
    """The last trial and seed of a sweep, once more by `fit`, in one go and in two."""
    model = MODELS[name]
    params, model_state = jax.jit(model.start)(first_key(1))
    found = in_a_population(model, model_state)
    assert len(found.records) == 4
    assert (found.history["loss"][:, -1] < found.history["loss"][:, 0]).all()

    trainer = pj.train_step(model.loss_fn, optax.sgd(RATES[1]), stateful=True)
    alone = functools.partial(pj.fit, trainer, params, model.data, key=KEY, model_state=model_state)
    run = alone(steps=STEPS)
    ended = found.params_of(1, 1), found.model_state_of(1, 1)
    # rounding, which normalisation by four rows makes larger
    chex.assert_trees_all_close((run.params, run.model_state), ended, rtol=1e-4, atol=1e-5)
    assert {leaf.dtype for leaf in jax.tree.leaves(ended)} == {jnp.dtype("float32")}
    for before, after in zip(*map(jax.tree.leaves, (model_state, ended[1])), strict=True):
        assert not np.array_equal(before, after), "the state of the model stood still"

    kept = pj.Checkpoints(tmp_path, every=1)
    first = alone(steps=1, checkpoints=kept)
    assert len(first.history["loss"]) == 1
    resumed = alone(steps=STEPS, checkpoints=kept)
    chex.assert_trees_all_equal(resumed.state, run.state)
