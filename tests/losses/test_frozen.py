import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import paramjax as pj
from paramjax.losses import frozen
from paramjax.optim import by_path

PARAMS = {
    "encoder": {"kernel": jnp.full((3, 4), 0.1), "bias": jnp.full((4,), 0.2)},
    "head": {"kernel": jnp.full((4, 2), 0.3)},
}
X = jnp.linspace(-1, 1, 15).reshape(5, 3)


def network(params, batch, key):
    bias = jnp.broadcast_to(params["encoder"]["bias"], (5, 4))
    h = jnp.tanh(batch @ params["encoder"]["kernel"] + bias)
    return jnp.mean(jnp.square(h @ params["head"]["kernel"])), {}


def products(loss_fn):
    return str(jax.make_jaxpr(jax.grad(loss_fn, has_aux=True))(PARAMS, X, None)).count("dot_gener")


def test_the_gradient_is_zero_there_and_the_same_elsewhere():
    grads = jax.grad(frozen(network, "encoder/.*"), has_aux=True)(PARAMS, X, None)[0]
    expected = jax.grad(network, has_aux=True)(PARAMS, X, None)[0]
    assert not any(jnp.any(leaf) for leaf in jax.tree.leaves(grads["encoder"]))
    np.testing.assert_allclose(grads["head"]["kernel"], expected["head"]["kernel"], rtol=1e-6)
    assert jax.tree.map(jnp.shape, grads) == jax.tree.map(jnp.shape, PARAMS)


def test_no_backward_pass_is_paid_for_them():
    # 2 products forward; backward 1 for the head's kernel, 1 for its input, 1 for the encoder's
    assert products(network) == 5
    assert products(frozen(network, "encoder/.*")) == 3


@pytest.mark.parametrize("held", [True, False], ids=["held", "decayed"])
def test_only_the_optimizer_can_hold_them(held, key):
    decaying = optax.adamw(0.1, weight_decay=0.1)
    tx = by_path({"encoder/.*": optax.set_to_zero(), ".*": decaying}) if held else decaying
    trainer = pj.train_step(frozen(network, "encoder/.*"), tx)
    state, _ = jax.jit(trainer.step)(trainer.init(key, PARAMS), X)
    np.testing.assert_allclose(state.params["encoder"]["bias"], 0.2 if held else 0.2 * 0.99)
    assert not jnp.any(state.params["head"]["kernel"] == 0.3)


def test_stateful_losses_keep_their_form():
    def loss_fn(params, model_state, batch, key):
        return params["a"] * params["b"], (model_state + 1, {})

    params = {"a": jnp.float32(2.0), "b": jnp.float32(3.0)}
    grads, aux = jax.grad(frozen(loss_fn, "a"), has_aux=True)(params, 4, None, None)
    assert ({name: float(g) for name, g in grads.items()}, aux) == ({"a": 0.0, "b": 2.0}, (5, {}))


def test_patterns_that_match_nothing_are_refused():
    with pytest.raises(ValueError, match="frozen: pattern 'encoder' matches no leaf.*encoder/bias"):
        frozen(network, "encoder")(PARAMS, X, None)
    with pytest.raises(TypeError, match="frozen: expected a pattern"):
        frozen(network, None)
