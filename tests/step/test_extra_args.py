import jax.numpy as jnp
import optax
import optax.contrib
import pytest
from refusing import assert_refused

import paramjax as pj


def taking(*names):
    """A transformation that requires some arguments and raises for all others."""

    def update_fn(updates, state, params=None, **given):
        for name in given:
            if name not in names:
                raise TypeError(f"update_fn() got an unexpected keyword argument '{name}'")
        for name in names:
            if name not in given:
                raise TypeError(f"update_fn() missing 1 required keyword-only argument: '{name}'")
        return updates, state

    return optax.GradientTransformationExtraArgs(optax.init_empty_state, update_fn)


def step(loss_fn, tx, key, start=1.0):
    trainer = pj.train_step(loss_fn, tx)
    return trainer.step(trainer.init(key, jnp.asarray(start)), None)


def square(params, batch, key):
    return jnp.sum(params**2), {}


@pytest.mark.parametrize("names", [("value",), ("grad_fn",), ("value_fn", "obj_fn")])
def test_each_gets_what_it_takes(names, key):
    state, _ = step(square, taking(*names), key)
    assert float(state.params) == 3.0  # the gradient, 2, unchanged


def test_what_is_missing_is_named_and_errors_of_the_transformation_itself_pass(key):
    def broken(updates, state, params=None, **extra):
        raise TypeError("a defect")

    ones = pj.GradFn(lambda params, batch, key: (params, 0.0, {}))
    defect = optax.GradientTransformationExtraArgs(optax.init_empty_state, broken)
    assert_refused(
        lambda loss_fn, tx: step(loss_fn, tx, key),
        ((square, taking("temperature")), TypeError, "temperature"),
        ((ones, optax.lbfgs()), TypeError, "asks for value_fn, the loss along which it searches"),
        ((square, defect), TypeError, "a defect"),
    )


def test_line_searches_go_with_hessian_estimates(key):
    """Zoom line search refuses arguments that its value_fn does not name; sophia wants one."""
    tx = optax.chain(optax.contrib.hutchinson_estimator_diag_hessian(), optax.lbfgs())
    _, metrics = step(square, tx, key, start=[1.0, 2.0])
    assert jnp.isfinite(metrics["loss"])
