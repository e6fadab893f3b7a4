import chex
import flax.linen as nn
import jax
import numpy as np
import optax
import pytest
from refusing import assert_refused

import paramjax as pj
from paramjax.losses import squared_error, supervised
from paramjax.models import MLP, Linear, from_linen, from_nnx


class Net(nn.Module):
    """A perceptron as in flax's own examples: it is told when it does not train."""

    @nn.compact
    def __call__(self, x, *, deterministic, offset=0.0):
        x = nn.Dense(6)(x)
        x = nn.BatchNorm(use_running_average=deterministic, momentum=0.75)(x)
        x = nn.Dropout(0.5, deterministic=deterministic)(x)
        return nn.Dense(1)(x) + offset


class Sows(nn.Module):
    @nn.compact
    def __call__(self, x):
        self.sow("seen", "x", x)
        return nn.Dense(1)(x)


def test_both_modes_equal_flax_by_hand_and_state_goes_on(sine, key):
    module, x, draw = Net(), sine["x"], jax.random.key(5)
    net = from_linen(module, x, key, deterministic=True)
    variables = module.init(key, x, deterministic=True)
    chex.assert_trees_all_close({"params": net.params, **net.model_state}, variables, rtol=1e-6)
    trained, state = net.apply(net.params, net.model_state, x, draw, offset=1.0)
    expected, by_hand = module.apply(
        variables, x, deterministic=False, rngs={"dropout": draw}, mutable=["batch_stats"]
    )
    np.testing.assert_allclose(trained, expected + 1.0, rtol=1e-6)
    chex.assert_trees_all_close(state, by_hand, rtol=1e-6)
    evaluated = net.evaluate(net.params, state, x)
    by_hand = module.apply({"params": net.params, **state}, x, deterministic=True)
    np.testing.assert_allclose(evaluated, by_hand, rtol=1e-6)
    merged = net.merge(net.params, state)
    np.testing.assert_allclose(merged(x, deterministic=True), evaluated, rtol=1e-6)
    other = net.init(jax.random.key(9))
    chex.assert_trees_all_equal_shapes_and_dtypes(other, net.params)
    assert (other["Dense_0"]["kernel"] != net.params["Dense_0"]["kernel"]).all()


@pytest.mark.slow
def test_a_population_starts_and_draws_by_its_seeds(sine, key):
    """Each seed has its own start and dropout; the losses of the first steps tell them apart."""
    net = from_linen(MLP((8, 1), batch_norm=True, dropout=0.5), sine["x"], key)
    loss_fn = supervised(net.apply, squared_error, stateful=True, keyed=True)
    problem = pj.Problem(
        init=net.init, data=sine, model_state=net.model_state, batch_size=16, eval_data=sine,
        evaluate=lambda params, state, data: {
            "loss": squared_error(net.evaluate(params, state, data["x"]), data["y"]).mean()
        },
    )  # fmt: skip
    found = pj.sweep(
        lambda hp: pj.train_step(loss_fn, optax.adam(0.03), stateful=True), {}, problem,
        trials=1, seeds=2, steps=60, key=key,
    )  # fmt: skip
    losses = found.history["loss"].reshape(2, -1)
    assert (losses[0] != losses[1]).all()
    assert (losses[:, -10:].mean(axis=1) < 0.7 * losses[:, :10].mean(axis=1)).all()
    assert (np.asarray(found.curve["loss"])[:, -1] < losses[:, :10].mean(axis=1)).all()


def test_a_module_without_modes_and_state(sine, key):
    net = from_linen(Linear(2), sine["x"], key)
    assert net.model_state == {}
    outputs, state = net.apply(net.params, {}, sine["x"], key)
    assert state == {}
    np.testing.assert_array_equal(outputs, net.evaluate(net.params, {}, sine["x"]))


def test_what_is_refused(sine, key):
    x = sine["x"]
    call = lambda net: net.apply(net.params, net.model_state, x)
    assert_refused(
        lambda module, key=key: call(from_linen(module, x, key)),
        ((len,), TypeError, "module: expected a flax linen module, got builtin_function_or_method"),
        ((MLP((1,)), 7), TypeError, "key: expected a typed key, got int 7"),
        ((nn.Dropout(0.5, deterministic=True),), ValueError, "at least one parameter, got none"),
        ((Sows(),), ValueError, "its call changed the tree of its collections"),
    )
    net = from_linen(Linear(2), x, key)
    assert_refused(
        net.apply,
        (({}, {}, x), ValueError, "params: expected the tree of the parameters"),
        ((net.params, {"batch_stats": 1}, x), ValueError, "model_state: expected the tree of the"),
        ((net.params, {}, x, x), TypeError, "key: expected a typed key or None"),
    )
    from flax import nnx

    fixed = from_nnx(nnx.Linear(3, 1, rngs=nnx.Rngs(0)))
    assert_refused(fixed.init, ((key,), TypeError, "init: this module was adapted with the values"))


class Told(nn.Module):
    """Says which mode it is told, under the names that other libraries use."""

    @nn.compact
    def __call__(self, x, is_training=None, inference=None):
        return nn.Dense(1)(x).sum() * 0 + is_training, inference


def test_a_module_is_told_by_the_names_that_it_takes(key):
    net = from_linen(Told(), jax.numpy.ones((1, 1)), key)
    assert net.apply(net.params, {}, np.ones((1, 1)))[0] == (1.0, False)
    assert net.evaluate(net.params, {}, np.ones((1, 1))) == (0.0, True)
