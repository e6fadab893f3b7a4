import jax
import jax.numpy as jnp
import numpy as np

from paramjax.models import CNN, MLP, BatchNormMLP, Linear


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
