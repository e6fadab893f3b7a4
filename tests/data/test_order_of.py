"""The rows that `order_of` names are those that runs read, which their parameters write down."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import optuna
import pytest

import paramjax as pj
from paramjax.data import order_of

ROWS, STEPS = 7, 9


def written(w, batch, key):
    """Its gradient makes w twice itself, plus 1 in the rows of the batch: step t is bit -t."""
    rows = batch["row"].astype(int)
    read = jnp.zeros(ROWS).at[rows].add(batch.get("weight", jnp.ones(rows.shape)))
    return -jnp.dot(w, read) - 0.5 * jnp.sum(w**2), {}


TRAINER = pj.train_step(written, optax.sgd(1.0))
DATA = {"row": np.arange(ROWS, dtype=np.float32)}


def rows_read(w):
    """The rows of each step, read off the bits of the parameters."""
    bits = np.asarray(w).astype(int)[None] >> np.arange(STEPS)[::-1, None] & 1
    return [set(np.flatnonzero(row).tolist()) for row in bits]


def sets(order):
    return [set(rows[rows >= 0].tolist()) for rows in order]


@pytest.mark.parametrize("last_batch", ["drop", "keep", "pad"])
@pytest.mark.parametrize("batch_size", [pytest.param(1, marks=pytest.mark.slow), 3, 7])
def test_fit_reads_these_rows(batch_size, last_batch, key):
    run = pj.fit(TRAINER, jnp.zeros(ROWS), DATA, key=key, steps=STEPS, batch_size=batch_size,
                 last_batch=last_batch)  # fmt: skip
    order = order_of(key, ROWS, batch_size, STEPS, last_batch=last_batch)
    assert order.shape == (STEPS, batch_size)
    assert order.dtype == np.int32
    assert sets(order) == rows_read(run.params)


def test_fit_without_shuffling_reads_the_rows_in_their_order(key):
    run = pj.fit(TRAINER, jnp.zeros(ROWS), DATA, key=key, steps=STEPS, batch_size=3,
                 last_batch="keep", shuffle=False)  # fmt: skip
    order = order_of(key, ROWS, 3, STEPS, last_batch="keep", shuffle=False)
    assert order[:4].tolist() == [[0, 1, 2], [3, 4, 5], [6, -1, -1], [0, 1, 2]]
    assert sets(order) == rows_read(run.params)


def test_whole_data_is_read_at_each_step(key):
    assert order_of(key, 3, None, 2).tolist() == [[0, 1, 2], [0, 1, 2]]


PROBLEM = pj.Problem(init=lambda key: jnp.zeros(ROWS), data=DATA, batch_size=2)
SPACE = {"learning_rate": pj.uniform(0.9, 1.1)}


def make_trainer(hyperparameters):
    # read, so that it is not refused, but without effect
    return pj.train_step(written, optax.sgd(1.0 + 0.0 * hyperparameters["learning_rate"]))


def test_sweep_and_search_read_these_rows_for_each_seed(key):
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    swept = pj.sweep(make_trainer, SPACE, PROBLEM, trials=2, seeds=2, steps=STEPS, key=key)
    searched = pj.search(study, make_trainer, SPACE, PROBLEM, trials=2, batch=2, seeds=2,
                         steps=STEPS, key=key)  # fmt: skip
    for found in (swept, searched):
        for seed in range(2):
            order = order_of(key, ROWS, 2, STEPS, seed=seed)
            assert sets(order) == rows_read(found.params_of(1, seed))
    assert (order_of(key, ROWS, 2, STEPS, seed=0) != order_of(key, ROWS, 2, STEPS, seed=1)).any()


def test_cross_validation_reads_what_its_documented_keys_draw(key):
    fold = np.array([0, 1, 0, 1, 0, 1, 1])
    problem = dataclasses.replace(PROBLEM, evaluate=lambda params, data: {"loss": params.sum()})
    found = pj.cross_validate(TRAINER, problem, folds=fold, steps=STEPS, key=key)
    order_key = jax.random.split(key, 3)[2]
    for number in range(2):
        own = np.flatnonzero(fold != number)
        drawn = pj.data.batch_order(jax.random.fold_in(order_key, number), len(own), 2, STEPS)
        params = jax.tree.map(lambda leaf, n=number: leaf[n], found.params)
        assert sets(own[np.asarray(drawn)]) == rows_read(params)


def test_what_cannot_be_drawn_is_refused(key):
    with pytest.raises(ValueError, match="at most the 7 rows of the data, got 8"):
        order_of(key, 7, 8, 1)
    with pytest.raises(ValueError, match=r"from 0 to 2\*\*32 - 1, got -1"):
        order_of(key, 7, 2, 1, seed=-1)
    with pytest.raises(ValueError, match="'drop', 'keep' or 'pad', got 'wrap'"):
        order_of(key, 7, 2, 1, last_batch="wrap")
    with pytest.raises(TypeError, match="legacy PRNGKey"):
        order_of(jax.random.PRNGKey(0), 7, 2, 1)
