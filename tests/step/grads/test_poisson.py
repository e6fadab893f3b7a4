import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from refusing import assert_refused
from scipy import stats

import paramjax as pj
from paramjax.step.grads import poisson


def recorder():
    """A trainer whose metrics are the batch that it was handed."""

    def step(state, batch):
        return state._replace(step=state.step + 1), {"rows": batch.rows, "mask": batch.mask}

    return pj.Trainer(lambda key, params, model_state=(): None, step, lambda state: state.params)


def start(key):
    return pj.TrainState(jnp.int32(0), (), (), (), (), key)


def test_every_row_comes_with_the_rate_and_independently(key):
    """40 rows over 4,000 steps at rate 0.3, each count binomial: chi-squared at 1e-3."""
    trainer = poisson(recorder(), 0.3, capacity=40)

    def one(state, _):
        state, metrics = trainer.step(state, jnp.arange(40))
        drawn = jnp.zeros(40).at[metrics["rows"]].add(metrics["mask"])
        return state, (drawn, metrics["sampled"])

    _, (drawn, sampled) = jax.lax.scan(one, start(key), length=4000)
    assert set(np.unique(drawn)) == {0.0, 1.0}  # no row twice
    np.testing.assert_array_equal(drawn.sum(1), sampled)
    counts = np.asarray(drawn.sum(0))
    chi2 = ((counts - 1200) ** 2 / (4000 * 0.3 * 0.7)).sum()
    assert stats.chi2.sf(chi2, df=40) > 1e-3
    correlation = np.corrcoef(np.asarray(drawn).T)[np.triu_indices(40, 1)]
    assert stats.kstest(correlation * np.sqrt(4000), "norm").pvalue > 1e-3
    np.testing.assert_allclose(np.var(sampled), 40 * 0.3 * 0.7, rtol=0.1)


@pytest.mark.parametrize(
    ("rows", "rate"), [(60_000, 256 / 60_000), (100, 0.5), (10, 1.0), (1000, 1e-6)]
)
def test_the_default_capacity_overflows_with_less_than_a_billionth(rows, rate, key):
    _, metrics = jax.eval_shape(poisson(recorder(), rate).step, start(key), np.zeros(rows))
    (capacity,) = metrics["mask"].shape
    assert stats.binom.sf(capacity, rows, rate) < 1e-9 or capacity == rows
    assert capacity == 1 or stats.binom.sf(capacity - 1, rows, rate) >= 1e-9
    assert 1 <= capacity <= rows


def test_rows_beyond_the_capacity_are_dropped_and_steps_draw_other_rows(key):
    trainer = poisson(recorder(), 1.0, capacity=3)
    _, metrics = trainer.step(start(key), {"x": jnp.arange(5)})
    assert (int(metrics["sampled"]), int(metrics["overflow"])) == (5, 2)
    assert metrics["rows"]["x"].tolist() == [0, 1, 2]
    assert metrics["mask"].all()
    step = poisson(recorder(), 0.5).step
    state, first = step(start(key), jnp.arange(64))
    np.testing.assert_array_equal(first["rows"], step(start(key), jnp.arange(64))[1]["rows"])
    assert (first["rows"] != step(state, jnp.arange(64))[1]["rows"]).any()


@pytest.mark.parametrize("traced", [pytest.param(False, marks=pytest.mark.slow), True])
def test_small_rates_are_kept(traced, key):
    """A float32 uniform would draw 2**-23 for any rate below it: here none of 2**20 rows."""

    def sampled(rate, rows):
        count = lambda r: poisson(recorder(), r, capacity=1).step(start(key), jnp.zeros(rows))[1]
        compiled = jax.jit(count) if traced else jax.jit(lambda _: count(rate))
        return int(compiled(rate)["sampled"])

    assert sampled(1e-9, 2**20) <= 1
    rate, rows = 1e-5, 2**24
    assert abs(sampled(rate, rows) - rate * rows) < 4 * np.sqrt(rate * rows)


def test_a_traced_rate_draws_the_same_rows(key):
    def sampled(rate):
        step = poisson(recorder(), rate, capacity=64).step
        return step(start(key), jnp.arange(64))[1]["sampled"]

    rates = jnp.array([0.25, 0.5, 1.0])
    together = jax.vmap(sampled)(rates)
    assert together.tolist() == [int(sampled(rate)) for rate in rates.tolist()]
    assert together[-1] == 64


def test_what_cannot_be_sampled_is_refused(key):
    trainer = recorder()
    uneven = {"x": jnp.zeros(3), "y": jnp.zeros(4)}
    assert_refused(
        lambda rate=0.5, trainer=trainer, **capacity: poisson(trainer, rate, **capacity).step(
            start(key), uneven
        ),
        ((0.1, 0.1), TypeError, "poisson: expected a trainer, got float"),
        (0.0, ValueError, "sampling_rate: expected a number above 0"),
        (1.5, ValueError, "sampling_rate: expected a number from 0, to 1, got 1.5"),
        ({"capacity": 0}, ValueError, "capacity: expected a whole number from 1"),
        ((), ValueError, "poisson: expected leaves of one length"),
    )
    with pytest.raises(ValueError, match="capacity: needed where the sampling rate is traced"):
        jax.jit(lambda rate: poisson(recorder(), rate).step(start(key), jnp.arange(4))[1])(0.5)
    loss_fn = lambda params, batch, key: (jnp.mean((params - batch["x"]) ** 2), {})
    trainer = poisson(pj.train_step(loss_fn, optax.sgd(0.1)), 0.25)
    with pytest.raises(TypeError, match="this batch is Masked rows, its 'x' is in batch.rows"):
        trainer.step(trainer.init(key, jnp.zeros(())), {"x": jnp.ones(8)})
    # a batch size beside the rate: the rate would apply to the batch, with another privacy
    for each in (trainer, pj.trainers.shard(trainer, jax.make_mesh((1,), ("data",)))):
        with pytest.raises(ValueError, match="this trainer draws its own rows"):
            pj.fit(each, jnp.zeros(()), {"x": jnp.ones(8)}, key=key, steps=2, batch_size=4)
