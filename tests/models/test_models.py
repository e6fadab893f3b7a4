import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from paramjax.models import CNN, MLP, Conv, Linear, activation, max_pool


@pytest.mark.parametrize("kernel_size", [(3, 3), (5, 2), (1, 4)])
def test_conv_equals_lax_and_so_does_its_gradient(key, kernel_size):
    x = jax.random.normal(key, (2, 7, 6, 3))
    ours, theirs = Conv(4, kernel_size), nn.Conv(4, kernel_size)
    params = ours.init(key, x)
    assert jax.tree.map(jnp.shape, params["params"]) == {
        "kernel": (*kernel_size, 3, 4),
        "bias": (4,),
    }
    named = {"params": params["params"]}
    loss = lambda model: lambda p, x: jnp.sum(jnp.sin(model.apply(p, x)))
    np.testing.assert_allclose(ours.apply(params, x), theirs.apply(named, x), atol=1e-5)
    mine = jax.grad(loss(ours), (0, 1))(params, x)
    flax = jax.grad(loss(theirs), (0, 1))(named, x)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=2e-5), mine, flax)


@pytest.mark.parametrize("shape", [(2, 8, 8, 3), (1, 7, 5, 2)])
def test_max_pool_equals_reduce_window(key, shape):
    x = jax.random.normal(key, shape)
    window = (1, 2, 2, 1)
    theirs = lax.reduce_window(x, -jnp.inf, lax.max, window, window, "VALID")
    np.testing.assert_array_equal(max_pool(x), theirs)


def test_cnn_counts_its_parameters(key):
    params = jax.eval_shape(lambda: CNN().init(key, jnp.zeros((1, 28, 28, 1))))
    sizes = [leaf.size for leaf in jax.tree.leaves(params)]
    # 3*3*1*32+32, 3*3*32*64+64, 7*7*64*64+64, 64*10+10, as the article's network
    assert sum(sizes) == 320 + 18_496 + 200_768 + 650


def test_mlp_is_affine_maps_and_activations(key):
    model = MLP((5, 1), activation="tanh")
    x = jax.random.normal(key, (4, 3))
    params = model.init(key, x)
    first, last = params["params"]["Dense_0"], params["params"]["Dense_1"]
    first, last = jax.tree.map(np.asarray, (first, last))
    by_hand = np.tanh(np.asarray(x) @ first["kernel"] + first["bias"])
    by_hand = by_hand @ last["kernel"] + last["bias"]
    np.testing.assert_allclose(model.apply(params, x), by_hand, rtol=1e-5)


def test_linear_starts_at_zero_or_at_random(key):
    x = jnp.ones((1, 3))
    assert not jnp.any(Linear(2).apply(Linear(2).init(key, x), x))
    random = Linear(2, zero_init=False)
    assert jnp.all(random.apply(random.init(key, x), x) != 0)


def test_unknown_activation_names_the_nearest():
    with pytest.raises(ValueError, match="unknown activation 'rellu'; nearest: relu"):
        activation("rellu")
