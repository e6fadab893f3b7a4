import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from refusing import assert_refused

from paramjax.models import CNN, MLP, BatchNormMLP, Linear, ResNet


def test_cnn_counts_its_parameters(key):
    params = jax.eval_shape(lambda: CNN().init(key, jnp.zeros((1, 28, 28, 1))))
    sizes = [leaf.size for leaf in jax.tree.leaves(params)]
    # 3*3*1*32+32, 3*3*32*64+64, 7*7*64*64+64, 64*10+10, as the article's network
    assert sum(sizes) == 320 + 18_496 + 200_768 + 650


def test_mlp_is_affine_maps_and_activations(key):
    model = MLP((5, 1), activation="tanh")
    x = jax.random.normal(key, (4, 3))
    params = model.init(key, x)
    layers = jax.tree.map(np.asarray, params["params"])
    first, last = layers["Dense_0"], layers["Dense_1"]
    hidden = np.tanh(np.asarray(x) @ first["kernel"] + first["bias"])
    by_hand = hidden @ last["kernel"] + last["bias"]
    np.testing.assert_allclose(model.apply(params, x), by_hand, rtol=1e-5)


def test_linear_starts_at_zero_or_at_random(key):
    x = jnp.ones((1, 3))
    assert not jnp.any(Linear(2).apply(Linear(2).init(key, x), x))
    random = Linear(2, initialiser="lecun_normal")
    assert jnp.all(random.apply(random.init(key, x), x) != 0)


def test_batch_normalisation_by_hand(key):
    model = BatchNormMLP((5, 2), activation="tanh", momentum=0.75)
    x = jax.random.normal(key, (6, 3))
    start = model.init(key, x, train=False)
    layers = jax.tree.map(np.asarray, start["params"])
    hidden = np.asarray(x) @ layers["Dense_0"]["kernel"]
    mean, var = hidden.mean(axis=0), hidden.var(axis=0)

    def output(mean, var):
        normal = np.tanh((hidden - mean) / np.sqrt(var + 1e-5))
        return normal @ layers["Dense_1"]["kernel"]

    trained, state = model.apply(start, x, train=True, mutable=["batch_stats"])
    np.testing.assert_allclose(trained, output(mean, var), rtol=1e-4, atol=1e-6)
    running = jax.tree.map(np.asarray, state["batch_stats"]["BatchNorm_0"])
    np.testing.assert_allclose(running["mean"], 0.25 * mean, rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(running["var"], 0.75 + 0.25 * var, rtol=1e-5)
    evaluated = model.apply({**start, **state}, x, train=False)
    by_hand = output(running["mean"], running["var"])
    np.testing.assert_allclose(evaluated, by_hand, rtol=1e-4, atol=1e-6)


def test_batch_norm_mlp_is_an_mlp_with_batch_norm(key):
    x = jnp.ones((4, 3))
    named, asked = (m.init(key, x) for m in (BatchNormMLP((5, 2)), MLP((5, 2), batch_norm=True)))
    jax.tree.map(np.testing.assert_array_equal, named, asked)


def test_dropout_drops_its_share_keeps_the_mean_and_may_be_traced(key):
    x = jnp.ones((50, 3))
    start = MLP((400, 1), dropout=0.25).init(key, x)
    hidden = jnp.maximum(x[:1] @ start["params"]["Dense_0"]["kernel"], 0)[0]
    last = start["params"]["Dense_1"]["kernel"] * 0 + 1

    @jax.jit
    def counted(rate, key):
        params = {"params": start["params"] | {"Dense_1": {"kernel": last, "bias": jnp.zeros(1)}}}
        model = MLP((400, 1), dropout=rate)
        return model.apply(params, x, train=True, rngs={"dropout": key}), model.apply(params, x)

    dropped, kept = counted(0.25, key)
    np.testing.assert_allclose(kept, hidden.sum(), rtol=1e-5)
    # each row sums kept units over 3/4: mean and variance of independent draws
    deviation = np.sqrt((hidden**2).sum() * 0.25 / 0.75)
    assert abs(dropped.mean() - hidden.sum()) < 4 * deviation / np.sqrt(50)
    np.testing.assert_allclose(dropped.std(), deviation, rtol=0.5)
    np.testing.assert_allclose(*counted(0.0, key), rtol=1e-6)


def test_where_a_cnn_normalises_and_drops(key):
    """With a rate close to 1 nothing gets through but the last bias; layers have their norms."""
    model = CNN((2, 3), (4, 5), dropout=0.999999, batch_norm=True)
    x = jnp.ones((2, 4, 4, 1))

    @jax.jit
    def run(key):
        start = model.init(key, x)
        rngs = {"dropout": key}
        return start, model.apply(start, x, train=True, rngs=rngs, mutable=["batch_stats"])

    start, (outputs, state) = run(key)
    np.testing.assert_array_equal(outputs, 0.0)
    shapes = [leaf.shape[0] for leaf in jax.tree.leaves(start["batch_stats"])]
    assert shapes == [2, 2, 3, 3, 4, 4]
    assert jax.tree.structure(state) == jax.tree.structure({"batch_stats": start["batch_stats"]})


def resnet_by_hand(params, x):
    """Stages of widths 2 and 3, one block each, in training: equation (1) and section 4.2."""

    def convolved(x, index, stride=1):
        kernel = params[f"Conv_{index}"]["kernel"]
        y = lax.conv_general_dilated(
            x, kernel, (stride, stride), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )
        mean, var = y.mean((0, 1, 2), keepdims=True), y.var((0, 1, 2), keepdims=True)
        return (y - mean) / jnp.sqrt(var + 1e-5)

    x = jax.nn.relu(convolved(x, 0))
    x = jax.nn.relu(x + convolved(jax.nn.relu(convolved(x, 1)), 2))
    change = convolved(jax.nn.relu(convolved(x, 3, stride=2)), 4)
    x = jax.nn.relu(convolved(x, 5, stride=2) + change)
    return x.mean((1, 2)) @ params["Dense_0"]["kernel"] + params["Dense_0"]["bias"][None]


def test_resnet_is_its_equations(key):
    x = jax.random.normal(key, (3, 5, 4, 1))
    model = ResNet(classes=2, channels=(2, 3))

    @jax.jit
    def both(key):
        start = model.init(key, x)
        ours, _ = model.apply(start, x, train=True, mutable=["batch_stats"])
        return ours, resnet_by_hand(start["params"], x)

    np.testing.assert_allclose(*both(key), rtol=1e-4, atol=1e-4)


def test_resnet_20_has_the_published_size(key):
    """He et al. (2016), table 6: 0.27 million; projections add 16 x 32 + 32 x 64 and norms."""
    shapes = jax.eval_shape(ResNet(blocks=3).init, key, jnp.zeros((1, 32, 32, 3)))["params"]
    kernels = [leaf.size for leaf in jax.tree.leaves(shapes) if leaf.ndim == 4]
    assert len(kernels) == 19 + 2
    assert round(sum(leaf.size for leaf in jax.tree.leaves(shapes)) / 1e6, 2) == 0.27


def test_wrong_fields_and_images_are_refused(key):
    def start(model, shape):
        jax.eval_shape(model.init, key, jnp.zeros(shape))

    square = (1, 8, 8, 1)
    assert_refused(
        start,
        ((MLP(()), (1, 3)), ValueError, "features: expected at least one width"),
        ((MLP((4, 2.0)), (1, 3)), TypeError, "features: expected a whole number, got float 2.0"),
        ((MLP((4, 2), dropout=1.0), (1, 3)), ValueError, "dropout: expected a number from 0, bel"),
        ((MLP((4, 2), dropout="a"), (1, 3)), TypeError, "dropout: expected a number, got str 'a'"),
        ((CNN(dropout=-0.1), square), ValueError, "dropout: expected a number from 0, below 1"),
        ((CNN(activation="rellu"), square), ValueError, "unknown activation 'rellu'; nearest"),
        ((CNN(), (1, 8, 8)), ValueError, r"x: expected images \[batch, height, .* by x\[..., None"),
        ((CNN(), (1, 8, 3, 1)), ValueError, "images of at least 4 x 4 pixels, for their sides"),
        ((ResNet(), (1, 3, 8, 1)), ValueError, "images of at least 4 x 4 pixels"),
        ((ResNet(blocks=0), square), ValueError, "blocks: expected a whole number from 1"),
        ((ResNet(initialiser="he"), square), ValueError, "unknown initialiser 'he'"),
    )
