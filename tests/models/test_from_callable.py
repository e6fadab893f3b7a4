from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from refusing import assert_refused

import paramjax as pj
from paramjax._checks import check_params
from paramjax.losses import squared_error, supervised
from paramjax.models import MLP, from_callable


@jax.tree_util.register_dataclass
@dataclass
class Dense:
    kernel: Any
    bias: Any

    def __call__(self, x):
        return x @ self.kernel + self.bias


@jax.tree_util.register_dataclass
@dataclass
class Net:
    """A perceptron written for one example; functions and numbers are leaves among arrays."""

    layers: list
    between: Callable
    scale: float
    order: Any
    shift: Any = None
    name: str = field(default="net", metadata={"static": True})

    def __call__(self, x, *, key=None):
        for layer in self.layers[:-1]:
            x = self.between(layer(x[self.order]))
        if key is not None:
            x = x + jax.random.normal(key, x.shape)
        return self.scale * self.layers[-1](x)


def net():
    keys = jax.random.split(jax.random.key(0), 2)
    first = Dense(jax.random.normal(keys[0], (3, 4)), np.zeros(4, np.float32))
    second = Dense(jax.random.normal(keys[1], (4, 1)), jnp.zeros(1))
    return Net([first, second], jnp.tanh, 2.0, jnp.array([2, 0, 1]))


def test_what_is_parameter_what_is_state_and_what_stays():
    adapted = from_callable(net())
    assert jax.tree.map(jnp.shape, adapted.params) == {
        "layers": {"0": {"kernel": (3, 4), "bias": (4,)}, "1": {"kernel": (4, 1), "bias": (1,)}}
    }
    assert jax.tree.map(np.ndarray.tolist, jax.device_get(adapted.model_state)) == {
        "order": [2, 0, 1]
    }
    check_params(adapted.params)
    doubled = jax.tree.map(lambda leaf: 2 * leaf, adapted.params)
    merged = adapted.merge(doubled, adapted.model_state)
    assert isinstance(merged, Net)
    assert (merged.between, merged.scale, merged.shift, merged.name) == (jnp.tanh, 2.0, None, "net")
    np.testing.assert_array_equal(merged.layers[1].kernel, 2 * net().layers[1].kernel)


def test_the_gradient_equals_that_of_the_equations(sine):
    adapted = from_callable(net())

    def loss(params):
        module = adapted.merge(params, adapted.model_state)
        return squared_error(jax.vmap(module)(sine["x"]), sine["y"]).mean()

    def by_hand(params):
        first, last = params["layers"]["0"], params["layers"]["1"]
        x = sine["x"][:, jnp.array([2, 0, 1])]
        outputs = jnp.tanh(x @ first["kernel"] + first["bias"][None]) @ last["kernel"]
        return ((2 * (outputs + last["bias"][None]) - sine["y"]) ** 2).mean()

    ours, theirs = (jax.value_and_grad(f)(adapted.params) for f in (loss, by_hand))
    chex.assert_trees_all_close(ours, theirs, rtol=1e-5, atol=1e-6)


def test_apply_fits_a_stateful_and_keyed_supervised_loss(sine, key):
    adapted = from_callable(Dense(jnp.ones((3, 1)), jnp.zeros((1, 1))))
    whole = supervised(adapted.apply, squared_error, stateful=True, keyed=True)
    trainer = pj.train_step(whole, optax.sgd(0.1), stateful=True)
    run = pj.fit(trainer, adapted.params, sine, key=key, steps=3, model_state=adapted.model_state)
    twin = supervised(lambda p, x: x @ p["kernel"] + p["bias"], squared_error)
    same = pj.fit(pj.train_step(twin, optax.sgd(0.1)), adapted.params, sine, key=key, steps=3)
    np.testing.assert_allclose(run.history["loss"], same.history["loss"], rtol=1e-5)


def test_the_key_goes_to_a_call_that_takes_one(sine, key):
    module = net()
    adapted = from_callable(module)
    x = sine["x"][0]
    outputs, state = adapted.apply(adapted.params, adapted.model_state, x, key)
    np.testing.assert_allclose(outputs, module(x, key=key), rtol=1e-6)
    chex.assert_trees_all_equal(state, adapted.model_state)
    without, _ = adapted.apply(adapted.params, adapted.model_state, x)
    np.testing.assert_allclose(without, module(x), rtol=1e-6)
    np.testing.assert_array_equal(adapted.evaluate(adapted.params, state, x), without)
    plain = from_callable(module.layers[0])
    outputs, _ = plain.apply(plain.params, plain.model_state, x, key)
    np.testing.assert_allclose(outputs, module.layers[0](x), rtol=1e-6)
    with pytest.raises(TypeError, match=r"key: expected a typed key or None, got float32\[3\]"):
        plain.apply(plain.params, plain.model_state, x, x)


def test_an_equinox_module_has_equinoxs_gradient(sine, key):
    eqx = pytest.importorskip("equinox")
    module = eqx.nn.MLP(3, 1, width_size=4, depth=1, activation=jnp.tanh, key=key)
    adapted = from_callable(module)
    assert jax.tree.map(jnp.shape, adapted.params) == {
        "layers": {"0": {"weight": (4, 3), "bias": (4,)}, "1": {"weight": (1, 4), "bias": (1,)}}
    }

    loss = lambda module: squared_error(jax.vmap(module)(sine["x"]), sine["y"]).mean()
    ours = jax.grad(lambda params: loss(adapted.merge(params, {})))(adapted.params)
    theirs = eqx.filter_grad(loss)(module)
    ours = eqx.filter(adapted.merge(ours, {}), eqx.is_inexact_array)
    chex.assert_trees_all_close(jax.tree.leaves(ours), jax.tree.leaves(theirs), rtol=1e-5)


def test_what_is_refused(sine):
    linear = nnx.Linear(3, 1, rngs=nnx.Rngs(0))
    kernel = jnp.ones((3, 3))
    shared = [Dense(kernel, jnp.ones(3)), Dense(kernel, 0.0)]
    rbg = jax.random.key(0, impl="rbg")
    assert_refused(
        lambda module: from_callable(module),
        ([jnp.ones(3)], TypeError, "module: expected a callable pytree, got list; give it"),
        (linear, TypeError, "flax nnx module, whose batch statistics .* use pj.models.from_nnx"),
        (MLP((2, 1)), ValueError, "at least one floating-point array in a registered pytree,"),
        (Dense(jnp.arange(3), 1.0), ValueError, "at least one floating-point array"),
        (Net(shared, jnp.tanh, 1.0, None), ValueError,
         "module: layers/1/kernel is the same array as layers/0/kernel, but .* copy one with"),
        (Dense(jnp.ones(3), rbg), ValueError,
         "random stream bias has a key of .*rbg.* expected threefry"),
    )  # fmt: skip
    adapted = from_callable(net())
    with pytest.raises(ValueError, match="params: expected the tree of the parameters"):
        adapted.merge(adapted.params["layers"], adapted.model_state)
    with pytest.raises(ValueError, match="model_state: expected the tree of the module's own"):
        adapted.apply(adapted.params, {}, sine["x"][0])
