"""Every model trains in a population, alike alone, keeps its state and dtypes, and resumes."""

import dataclasses
import functools

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import optuna
import pytest
from models import MODELS, REPRESENTATIVES, ROWS

import paramjax as pj

STEPS, KEY = 4, jax.random.key(0)
RATES = (0.02, 0.05)


def test_every_module_has_a_row():
    offered = {name: getattr(pj.models, name) for name in pj.models.__all__}
    modules = {n for n, c in offered.items() if isinstance(c, type) and issubclass(c, nn.Module)}
    assert modules == set(MODELS), "add a row to tests/contract/models.py"


def each_model(quick=REPRESENTATIVES):
    """The representatives always, the others with `make test-all`."""
    slow = pytest.mark.slow
    rows = [n if n in quick else pytest.param(n, marks=slow) for n in sorted(MODELS)]
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


@each_model({"BatchNormMLP"})
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


@pytest.mark.slow
@pytest.mark.parametrize("name", ["BatchNormMLP", "LSTM"])
def test_states_in_folds_searches_and_early_stopping(name):
    """Batches of four of sixteen rows; a carry begins at zero where rows are evaluated."""
    model = MODELS[name]
    data = jax.tree.map(lambda leaf: np.concatenate([leaf] * 4), model.data)
    model_state = model.start(jax.random.key(0))[1]

    def evaluate(params, state, batch):
        if name == "LSTM":
            state = model.module.zero_carry(len(batch["x"]))
        outputs, _ = model.apply(
            model.module, params, state, batch["x"], jax.random.key(0), train=False
        )
        return {"loss": jnp.mean(model.loss(outputs, batch["y"]))}

    def make_trainer(hp):
        return pj.train_step(model.loss_fn, optax.sgd(hp["rate"]), stateful=True)

    folded = pj.Problem(
        init=lambda key: model.start(key)[0], data=data, batch_size=ROWS,
        model_state=model_state, evaluate=evaluate,
    )  # fmt: skip
    problem = dataclasses.replace(folded, eval_data=data)
    space = {"rate": pj.log_uniform(1e-3, 0.1)}
    settings = {"trials": 3, "seeds": 2, "steps": STEPS, "key": KEY}
    found = pj.sweep(
        make_trainer, space, problem, stopping=pj.tuning.successive_halving(3), **settings
    )
    assert np.isfinite(found.best().value)
    shape = jax.tree.map(jnp.shape, model_state)
    assert jax.tree.map(jnp.shape, found.model_state_of(0, 0)) == shape
    assert len(pj.sweep(make_trainer, space, folded, folds=2, **settings).records) == 12

    whole, parts = (
        pj.cross_validate(
            make_trainer, folded, steps=STEPS, key=KEY, hyperparameters={"rate": 0.05}, folds=3,
            eval_batch_size=rows,
        )
        for rows in (None, 2)
    )  # fmt: skip
    assert whole.mean["loss"] == pytest.approx(parts.mean["loss"], rel=1e-5)
    assert jax.tree.leaves(whole.model_state)[0].shape[0] == 3

    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    pj.search(study, make_trainer, space, problem, batch=3, **settings)
    assert np.isfinite(study.best_value)
