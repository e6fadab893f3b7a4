"""JAX's own switches, by which users debug, change no healthy sweep."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import paramjax as pj
from paramjax.populations import Layout

ROWS = np.linspace(-1, 1, 16, dtype=np.float32)
SEEN = []


def loss(params, batch, key):
    noise = jax.random.normal(key, batch.shape)
    return jnp.mean((params * batch - 3 * batch + 0.01 * noise) ** 2), {"whole": jnp.int32(1)}


def measure(params, rows):
    SEEN.append(params)
    return {"loss": jnp.mean((params * rows - 3 * rows) ** 2)}


def make(hp):
    tx = optax.chain(optax.adam(hp["rate"]), pj.optim.reduce_on_plateau())
    return pj.train_step(loss, tx, [pj.hooks.ema(0.9)])


def swept(layout, low=1e-3, **settings):
    problem = pj.Problem(
        init=jax.random.normal, data=ROWS, batch_size=4, evaluate=measure, eval_data=ROWS
    )
    return pj.sweep(
        make, {"rate": pj.log_uniform(low, 1e3 * low)}, problem, trials=3, seeds=1, steps=6,
        evaluations=2, key=jax.random.key(0), execution=pj.Execution(layout=layout), **settings,
    )  # fmt: skip


@pytest.fixture
def switch(request):
    name = f"jax_{request.param}"
    jax.config.update(name, True)
    yield request.param
    jax.config.update(name, False)


LAYOUTS = pytest.mark.parametrize(
    "layout", [Layout(1), pytest.param(Layout(2), marks=pytest.mark.slow)], ids=str
)
SWITCHES = ["debug_nans", "debug_infs", "disable_jit", "debug_key_reuse"]


usual_of = functools.cache(swept)


@pytest.fixture
def usual(layout):
    """Without a switch, since it comes before `switch` in the tests."""
    return usual_of(layout)


@LAYOUTS
@pytest.mark.parametrize(
    "switch",
    [pytest.param(n, marks=() if n == "debug_nans" else pytest.mark.slow) for n in SWITCHES],
    indirect=True,
)
def test_a_healthy_sweep_is_what_it_is_without(usual, switch, layout):
    SEEN.clear()
    found, expected = swept(layout, stopping=pj.tuning.successive_halving(2)), usual
    for record in found.records:
        which = record.trial, record.seed
        first = found.history["loss"][record.trial, : record.steps]
        usual_losses = expected.history["loss"][record.trial, : record.steps]
        np.testing.assert_allclose(first, usual_losses, rtol=1e-5)
        if record.status != "stopped":
            np.testing.assert_allclose(
                found.params_of(*which), expected.params_of(*which), rtol=1e-5
            )
    # whoever turns compilation off sees values in the evaluation
    seen = any(not isinstance(params, jax.core.Tracer) for params in SEEN)
    if layout.width == 1:
        assert seen is (switch == "disable_jit")


@pytest.mark.parametrize("switch", ["debug_nans"], indirect=True)
def test_who_asks_for_nan_hears_of_it(switch):
    def broken(params, batch, key):
        return jnp.sum(params) * jnp.nan * batch.mean(), {}

    with pytest.raises(FloatingPointError):
        pj.sweep(
            lambda hp: pj.train_step(broken, optax.sgd(hp["rate"])),
            {"rate": pj.uniform(0.1, 0.2)}, pj.Problem(init=jax.random.normal, data=ROWS),
            trials=1, seeds=1, steps=3, key=jax.random.key(0),
        )  # fmt: skip
