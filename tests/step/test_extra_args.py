import jax.numpy as jnp
import optax
import pytest

import paramjax as pj
from paramjax.step._extra_args import update_with


def taking(*names):
    """A transformation that insists on some arguments and refuses all others."""

    def update_fn(updates, state, params=None, **given):
        for name in given:
            if name not in names:
                raise TypeError(f"update_fn() got an unexpected keyword argument '{name}'")
        for name in names:
            if name not in given:
                raise TypeError(f"update_fn() missing 1 required keyword-only argument: '{name}'")
        return updates, state

    return optax.GradientTransformationExtraArgs(optax.init_empty_state, update_fn)


@pytest.mark.parametrize("names", [("value",), ("grad_fn",), ("value_fn", "obj_fn")])
def test_each_gets_what_it_takes(names, key):
    trainer = pj.train_step(lambda p, batch, key: (p**2, {}), taking(*names))
    state, _ = trainer.step(trainer.init(key, jnp.float32(1.0)), None)
    assert float(state.params) == 3.0  # the gradient, 2, as it came


def test_what_is_missed_is_named(key):
    trainer = pj.train_step(lambda p, batch, key: (p**2, {}), taking("temperature"))
    with pytest.raises(TypeError, match="temperature"):
        trainer.step(trainer.init(key, jnp.float32(1.0)), None)


def test_a_search_along_a_loss_that_is_not_there_is_refused(key):
    ones = pj.GradFn(lambda params, batch, key: (params, 0.0, {}))
    trainer = pj.train_step(ones, optax.lbfgs())
    with pytest.raises(TypeError, match="asks for value_fn, the loss along which it searches"):
        trainer.step(trainer.init(key, jnp.ones(2)), None)


def test_errors_of_the_transformation_itself_pass():
    def broken(updates, state, params=None, **extra):
        raise TypeError("a defect")

    tx = optax.GradientTransformationExtraArgs(optax.init_empty_state, broken)
    with pytest.raises(TypeError, match="a defect"):
        update_with(tx, 1.0, optax.EmptyState(), 1.0, {"value": 2.0})


def test_line_searches_go_with_hessian_estimates(key):
    """Zoom line search refuses arguments that its value_fn does not name; sophia wants one."""
    tx = optax.chain(optax.contrib.hutchinson_estimator_diag_hessian(), optax.lbfgs())
    trainer = pj.train_step(lambda p, batch, key: (jnp.sum((p - 3.0) ** 2), {}), tx)
    state = trainer.init(key, jnp.zeros(2))
    state, metrics = trainer.step(state, None)
    assert jnp.isfinite(metrics["loss"])
