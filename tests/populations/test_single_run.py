"""A single run keeps no copy of the state before; a segment with a lost step is computed again."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import paramjax as pj
from paramjax.populations import Layout, Population, TrialRun, prepare_starts

STEPS = 40
SINGLE, STEPWISE, MAPPED = Layout(1), Layout(1, stepwise=True), Layout(2)


def population(rows, make, batch_size=None, evaluations=1):
    return Population(
        make,
        {"rate": pj.uniform(-1.0, 1.0), "bound": pj.uniform(0.0, 10.0)},
        pj.Problem(init=jnp.float32, data=jnp.array(rows, jnp.float32), batch_size=batch_size),
        starts=prepare_starts(lambda key: jnp.float32(0.1), jax.random.key(0), [0]),
        seeds=[0], steps=STEPS, evaluations=evaluations,
    )  # fmt: skip


def trained(made, layout, rate=0.1, bound=0.0):
    return made.train([TrialRun(0, 0, {"rate": rate, "bound": bound})], layout)


def attempts(bad, steps):
    """Steps computed: on to a bad one, again up to it, once more alone; then from there on."""
    computed = start = 0
    for index in bad:
        before = index - start
        computed += before + 1 + (before + 1 if before else 0)
        start = index + 1
    return computed + steps - start


def test_what_a_hook_rejects_is_passed_as_step_by_step():
    """A row in eight is NaN, so that several steps of each of four segments are rejected."""
    rows = np.where(np.arange(16) % 8 == 3, np.nan, np.arange(16.0))

    def make(hp):
        loss = lambda params, batch, key: (jnp.mean((params - batch) ** 2), {})
        hooks = [pj.hooks.skip_nonfinite()]
        return pj.train_step(loss, optax.adam(hp["rate"]), hooks)

    made = population(rows, make, batch_size=1, evaluations=4)
    single, stepwise, mapped = (trained(made, layout) for layout in (SINGLE, STEPWISE, MAPPED))
    bad = np.flatnonzero(np.isnan(stepwise.history["loss"][0]))
    assert len(bad) >= 4
    for part in (single, mapped):
        assert part.alive[0]
        assert part.steps[0] == STEPS
        np.testing.assert_allclose(part.params[0], stepwise.params[0], rtol=1e-5)
        np.testing.assert_allclose(part.history["loss"], stepwise.history["loss"], rtol=1e-5)
    assert single.computed.tolist() == [STEPS]
    assert stepwise.computed.tolist() == [STEPS]


@pytest.fixture(scope="module")
def cliff():
    """The parameter grows by the rate at each step; beyond the bound the loss is NaN."""

    def make(hp):
        def loss(params, batch, key):
            return jnp.where(params > hp["bound"], jnp.nan, 1.0) * (params - batch.mean()), {}

        return pj.train_step(loss, optax.sgd(hp["rate"]))

    return population(np.zeros(3), make)


@pytest.mark.parametrize("index", [0, 1, 5, STEPS - 1, STEPS])
def test_a_lost_run_stays_as_before_the_step_that_lost_it(cliff, index):
    bound = 0.1 * index + 0.05
    single, stepwise = (trained(cliff, layout, -0.1, bound) for layout in (SINGLE, STEPWISE))
    assert single.alive.tolist() == stepwise.alive.tolist() == [index == STEPS]
    assert single.steps.tolist() == stepwise.steps.tolist() == [index]
    np.testing.assert_array_equal(single.params, stepwise.params)
    np.testing.assert_array_equal(single.history["loss"], stepwise.history["loss"])
    np.testing.assert_allclose(single.params, [0.1 + 0.1 * index], rtol=1e-5)
    assert np.isnan(single.history["loss"][0, index:]).all()
    assert np.isfinite(single.history["loss"][0, :index]).all()
    # without an accident each step is computed once
    expected = attempts([index], index + 1) if index < STEPS else STEPS
    assert single.computed.tolist() == [expected]
