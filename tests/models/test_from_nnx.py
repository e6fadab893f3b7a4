import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from refusing import assert_refused

import paramjax as pj
from paramjax._checks import check_params
from paramjax.losses import squared_error, supervised
from paramjax.models import MLP, from_nnx


class Net(nnx.Module):
    """A perceptron with batch normalisation, dropout and a list of layers."""

    def __init__(self, rngs):
        self.layers = nnx.List([nnx.Linear(3, 8, rngs=rngs), nnx.Linear(8, 1, rngs=rngs)])
        self.norm = nnx.BatchNorm(8, momentum=0.9, rngs=rngs)
        self.dropout = nnx.Dropout(0.25, rngs=rngs)

    def __call__(self, x):
        return self.layers[1](self.dropout(nnx.relu(self.norm(self.layers[0](x)))))


class Tied(nnx.Module):
    """Two layers that share a kernel, and a table of whole numbers."""

    def __init__(self, rngs):
        self.first = nnx.Linear(3, 3, use_bias=False, rngs=rngs)
        self.second = nnx.Linear(3, 3, use_bias=False, rngs=rngs)
        self.second.kernel = self.first.kernel
        self.order = nnx.Param(jnp.array([2, 0, 1]))

    def __call__(self, x, *, offset=0.0):
        return self.second(nnx.relu(self.first(x)))[:, self.order[...]] + offset


def net():
    return Net(nnx.Rngs(params=0, dropout=1))


def test_training_equals_nnx_by_hand(sine, key):
    module, by_hand = net(), net()
    adapted = from_nnx(module)
    loss_fn = supervised(adapted.apply, squared_error, stateful=True, keyed=True)
    trainer = pj.train_step(loss_fn, optax.adam(0.01), stateful=True)
    state = trainer.init(key, adapted.params, adapted.model_state)
    step = jax.jit(trainer.step)

    optimizer = nnx.Optimizer(by_hand, optax.adam(0.01), wrt=nnx.Param)

    @nnx.jit
    def hand_step(model, optimizer, key):
        nnx.reseed(model, dropout=jax.random.fold_in(key, 0))
        loss = lambda model: squared_error(model(sine["x"]), sine["y"]).mean()
        value, grads = nnx.value_and_grad(loss)(model)
        optimizer.update(model, grads)
        return value

    for index in range(5):
        state, metrics = step(state, sine)
        value = hand_step(by_hand, optimizer, jax.random.fold_in(key, index))
        np.testing.assert_allclose(metrics["loss"], value, rtol=1e-5)

    trained = adapted.merge(state.params, state.model_state)
    kinds = (nnx.Param, nnx.BatchStat)
    theirs, ours = (nnx.to_pure_dict(nnx.state(m, kinds)) for m in (by_hand, trained))
    # as a scan over the steps needs it
    chex.assert_trees_all_equal_shapes_and_dtypes(state.model_state, adapted.model_state)
    chex.assert_trees_all_close(ours, theirs, rtol=1e-5, atol=1e-6)
    trained.eval()
    by_hand.eval()
    np.testing.assert_allclose(trained(sine["x"]), by_hand(sine["x"]), rtol=1e-4, atol=1e-5)
    # the module that was adapted keeps its first values
    first = [nnx.to_pure_dict(nnx.state(m, nnx.Param)) for m in (module, net())]
    chex.assert_trees_all_equal(*first)


def test_params_and_state_are_plain_dicts_named_by_path():
    adapted = from_nnx(net())
    assert jax.tree.map(jnp.shape, adapted.params) == {
        "layers": {"0": {"kernel": (3, 8), "bias": (8,)}, "1": {"kernel": (8, 1), "bias": (1,)}},
        "norm": {"scale": (8,), "bias": (8,)},
    }
    assert jax.tree.map(jnp.shape, adapted.model_state) == {
        "norm": {"mean": (8,), "var": (8,)},
        "dropout": {"rngs": {"key": (), "count": ()}},
    }
    check_params(adapted.params)


def test_dropout_is_a_function_of_the_key(sine):
    adapted = from_nnx(
        nnx.Sequential(nnx.Linear(3, 2000, rngs=nnx.Rngs(0)), nnx.Dropout(0.25, rngs=nnx.Rngs(5)))
    )
    call = jax.jit(lambda state, key: adapted.apply(adapted.params, state, sine["x"], key))
    first, state = call(adapted.model_state, jax.random.key(0))
    again, _ = call(state, jax.random.key(0))
    other, _ = call(adapted.model_state, jax.random.key(1))
    np.testing.assert_array_equal(first, again)
    # 32,000 draws: the share dropped has a standard error of 0.0024
    np.testing.assert_allclose((first == 0).mean(), 0.25, atol=0.012)
    np.testing.assert_allclose(((first == 0) & (other == 0)).mean(), 0.25**2, atol=0.012)


def test_streams_of_different_names_and_modules_differ_and_go_on_without_a_key(sine, key):
    class Noise(nnx.Module):
        def __init__(self):
            self.scale = nnx.Param(jnp.ones(()))
            self.streams = nnx.List([nnx.Rngs(a=0, b=0), nnx.Rngs(a=0)])

        def __call__(self, x):
            keys = [self.streams[0].a(), self.streams[0].b(), self.streams[1].a()]
            return x + self.scale * jnp.stack([jax.random.uniform(k) for k in keys])

    adapted = from_nnx(Noise())
    outputs, _ = adapted.apply(adapted.params, adapted.model_state, jnp.zeros(3), key)
    assert len(np.unique(outputs)) == 3
    adapted, by_hand, state, seen = from_nnx(net()), net(), None, []
    for _ in range(2):
        outputs, state = adapted.apply(adapted.params, state or adapted.model_state, sine["x"])
        np.testing.assert_allclose(outputs, by_hand(sine["x"]), rtol=1e-5, atol=1e-6)
        seen.append(outputs)
    assert (seen[0] != seen[1]).any()


def test_evaluation_uses_the_running_statistics(sine):
    module = net()
    adapted = from_nnx(module)
    _, state = adapted.apply(adapted.params, adapted.model_state, sine["x"], jax.random.key(0))
    hidden = sine["x"] @ adapted.params["layers"]["0"]["kernel"]
    np.testing.assert_allclose(state["norm"]["mean"], 0.1 * hidden.mean(axis=0), atol=1e-6)
    module.eval()
    evaluated, after = from_nnx(module).apply(adapted.params, state, sine["x"])
    merged = adapted.merge(adapted.params, state)
    merged.eval()
    np.testing.assert_allclose(merged(sine["x"]), evaluated, rtol=1e-6)
    same = adapted.evaluate(adapted.params, state, sine["x"])
    np.testing.assert_allclose(same, evaluated, rtol=1e-6)
    chex.assert_trees_all_equal(after["norm"], state["norm"])


def test_tied_weights_stay_tied_and_whole_numbers_are_no_parameters(sine):
    adapted = from_nnx(Tied(nnx.Rngs(0)))
    assert jax.tree.map(jnp.shape, adapted.params) == {"first": {"kernel": (3, 3)}}
    assert adapted.model_state["order"].tolist() == [2, 0, 1]
    loss = lambda params: adapted.apply(params, adapted.model_state, sine["x"], offset=1.0)[0].sum()
    by_hand = lambda w: (jax.nn.relu(sine["x"] @ w) @ w + 1.0).sum()
    kernel = adapted.params["first"]["kernel"]
    grads, expected = jax.grad(loss)(adapted.params), jax.grad(by_hand)(kernel)
    np.testing.assert_allclose(grads["first"]["kernel"], expected, rtol=1e-5, atol=1e-5)
    merged = adapted.merge(adapted.params, adapted.model_state)
    assert merged.first.kernel is merged.second.kernel


def test_more_than_ten_layers_keep_their_order_and_have_no_state():
    """As strings "10" sorts before "2", as whole numbers after it."""
    rngs = nnx.Rngs(0)
    adapted = from_nnx(nnx.Sequential(*[nnx.Linear(1, 1, rngs=rngs) for _ in range(12)]))
    assert adapted.model_state == {}
    layer = lambda i: {"kernel": jnp.ones((1, 1)), "bias": jnp.full(1, float(i))}
    params = {"layers": {str(i): layer(i) for i in range(12)}}
    assert [float(layer.bias[0]) for layer in adapted.merge(params, {}).layers] == list(range(12))
    outputs, _ = adapted.apply(params, {}, jnp.zeros((1, 1)))
    np.testing.assert_allclose(outputs, sum(range(12)))


def test_numbers_and_numpy_arrays_become_arrays():
    class Scaled(nnx.Module):
        def __init__(self):
            self.slope = nnx.Param(2.0)
            self.shift = nnx.Param(np.ones(2, np.float32))

        def __call__(self, x):
            return self.slope[...] * x + self.shift[...]

    params = from_nnx(Scaled()).params
    assert all(isinstance(leaf, jax.Array) and not leaf.weak_type for leaf in params.values())


class Grows(nnx.Module):
    def __init__(self, rngs):
        self.layer = nnx.Linear(3, 1, rngs=rngs)

    def __call__(self, x):
        self.seen = nnx.Intermediate(x.sum())
        return self.layer(x)


class Counts(Grows):
    calls = 0

    def __call__(self, x):
        self.calls = self.calls + 1
        return self.layer(x)


def test_what_is_refused(sine):
    rngs = nnx.Rngs(0)
    linear = nnx.Linear(3, 1, rngs=rngs)

    def first_call(module):
        adapted = from_nnx(module)
        adapted.apply(adapted.params, adapted.model_state, sine["x"])

    rbg = nnx.Dropout(0.5, rngs=nnx.Rngs(jax.random.key(0, impl="rbg")))
    assert_refused(
        first_call,
        (MLP((2, 1)), TypeError,
         "module: expected a flax nnx module, got MLP; a linen module needs no"),
        (nnx.List([]), TypeError,
         "module: expected it to be callable; give List a __call__"),
        (nnx.Sequential(jnp.tanh), ValueError,
         "module: expected at least one floating-point nnx.Param, got none"),
        (nnx.Sequential(linear, rbg), ValueError,
         "stream layers/1/rngs/key has a key of .*rbg.*threefry"),
        (Grows(rngs), ValueError, "its call added or removed the variables seen; create them bef"),
        (Counts(rngs), ValueError, "module: its call changed an attribute that is not an array"),
        (nnx.WeightNorm(linear, rngs=rngs), ValueError,
         "its call changed the parameter layer_instance/kernel, which only the optimizer may"),
    )  # fmt: skip
    adapted = from_nnx(net())
    params, state = adapted.params, adapted.model_state
    wide = params | {"norm": {"scale": jnp.ones(9), "bias": jnp.zeros(8)}}
    few, x = {"norm": params["norm"]}, sine["x"]
    assert_refused(
        adapted.apply,
        ((params, state, x, x), TypeError, r"key: expected a typed key or None, got float32\[16"),
        ((few, state, x), ValueError, "params: expected the tree of the parameters"),
        ((wide, state, x), ValueError, r"params: leaf norm/scale has shape \(9,\), expected"),
        ((params, (), x), ValueError, "model_state: expected the tree of the module's own"),
    )
