"""A single run keeps no state of before; where a loss was not finite, it is trained again."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from problems import problem_arguments

import paramjax as pj
from paramjax.populations import Layout, Population, TrialRun, prepare_starts

STEPS = 40
SINGLE, STEPWISE, MAPPED = Layout(1), Layout(1, stepwise=True), Layout(2)


def mean(params, batch, key):
    return jnp.mean((params - batch) ** 2), {}


def population(rows, loss=mean, optimizer=optax.adam, start=0.0, hooks=(), **settings):
    arguments = problem_arguments({"init": jnp.float32, "data": jnp.array(rows)} | settings)
    return Population(
        lambda hp: pj.train_step(loss, optimizer(hp["rate"]), hooks=hooks),
        {"rate": pj.uniform(-1.0, 1.0)},
        starts=prepare_starts(lambda key: jnp.float32(start), jax.random.key(0), [0]),
        seeds=[0], steps=STEPS, **arguments,
    )  # fmt: skip


def trained(made, layout, rate=0.1):
    return made.train([TrialRun(0, 0, {"rate": rate})], layout)


def attempts(bad, steps):
    """Steps computed: on to a bad one, again up to it, once more alone; then from there on."""
    computed = start = 0
    for place in bad:
        before = place - start
        computed += before + 1 + (before + 1 if before else 0)
        start = place + 1
    return computed + steps - start


@pytest.mark.parametrize("evaluations", [1, 4])
def test_what_a_guard_rejects_is_passed_as_step_by_step(evaluations):
    """A row in eight is NaN, so that several steps of a segment are rejected."""
    rows = np.where(np.arange(16) % 8 == 3, np.nan, np.arange(16.0)).astype(np.float32)
    guard = [pj.hooks.skip_nonfinite()]
    made = population(rows, hooks=guard, batch_size=1, evaluations=evaluations)
    single, stepwise, mapped = (trained(made, layout) for layout in (SINGLE, STEPWISE, MAPPED))
    bad = np.flatnonzero(np.isnan(stepwise.history["loss"][0]))
    assert len(bad) >= 4
    for part in (single, mapped):
        assert part.alive[0]
        assert part.steps[0] == STEPS
        np.testing.assert_allclose(part.params[0], stepwise.params[0], rtol=1e-5)
        np.testing.assert_allclose(part.history["loss"], stepwise.history["loss"], rtol=1e-5)
    segment = STEPS // evaluations
    expected = sum(
        attempts([p - first for p in bad if first <= p < first + segment], segment)
        for first in range(0, STEPS, segment)
    )
    assert single.computed.tolist() == [expected]
    assert stepwise.computed.tolist() == [STEPS]


@pytest.mark.parametrize("place", [0, 1, 5, STEPS - 1])
def test_without_a_guard_it_stays_as_before_the_step_in_which_it_was_lost(place):
    """The whole data at each step, which the parameters leave where they pass a bound."""
    bound = np.float32(0.1) * place + np.float32(0.05)

    def cliff(params, batch, key):
        return jnp.where(params > bound, jnp.nan, 1.0) * (params - batch.mean()), {}

    made = population(np.zeros(3, np.float32), cliff, optax.sgd, start=0.1)
    single, stepwise = (trained(made, layout, rate=-0.1) for layout in (SINGLE, STEPWISE))
    assert single.alive.tolist() == stepwise.alive.tolist() == [False]
    assert single.steps.tolist() == stepwise.steps.tolist() == [place]
    np.testing.assert_array_equal(single.params, stepwise.params)
    np.testing.assert_array_equal(single.history["loss"], stepwise.history["loss"])
    np.testing.assert_allclose(single.params, [0.1 + 0.1 * place], rtol=1e-5)
    assert single.computed.tolist() == [attempts([place], place + 1)]
    assert np.isnan(single.history["loss"][0, place:]).all()
    assert np.isfinite(single.history["loss"][0, :place]).all()


def test_a_run_without_accidents_is_computed_once():
    part = trained(population(np.arange(16.0, dtype=np.float32), batch_size=1), SINGLE)
    assert part.computed.tolist() == part.steps.tolist() == [STEPS]
