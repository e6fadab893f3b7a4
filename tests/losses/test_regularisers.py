import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from refusing import assert_refused

from paramjax.losses import l1, l2

PARAMS = {"dense": {"kernel": jnp.array([[1.0, -2.0]]), "bias": jnp.array([3.0])}}
KERNEL, BIAS = np.array([[1.0, -2.0]]), np.array([3.0])


def base(params, batch, key):
    return jnp.sum(params["dense"]["kernel"] * batch), {"seen": batch}


@pytest.mark.parametrize(
    ("penalty", "where", "expected", "kernel_grad", "bias_grad"),
    [
        # lambda = 0.1 beside the base loss -1 and its gradient 1
        pytest.param(l1, None, -1 + 0.1 * 6, 1 + 0.1 * np.sign(KERNEL), [0.1], id="l1-all"),
        pytest.param(l1, ".*kernel", -1 + 0.1 * 3, 1 + 0.1 * np.sign(KERNEL), [0.0], id="l1-part"),
        pytest.param(l2, None, -1 + 0.05 * 14, 1 + 0.1 * KERNEL, [0.3], id="l2-all"),
        pytest.param(l2, "dense/bias", -1 + 0.05 * 9, 1 + 0 * KERNEL, [0.3], id="l2-part"),
    ],
)
def test_values_and_gradients_are_the_closed_forms(
    penalty, where, expected, kernel_grad, bias_grad
):
    loss_fn = penalty(base, 0.1, where)
    batch = jnp.ones((1, 2))
    (loss, metrics), grads = jax.value_and_grad(loss_fn, has_aux=True)(PARAMS, batch, None)
    assert float(loss) == pytest.approx(expected, rel=1e-6)
    np.testing.assert_allclose(grads["dense"]["kernel"], kernel_grad, rtol=1e-6)
    np.testing.assert_allclose(grads["dense"]["bias"], bias_grad, rtol=1e-6)
    assert metrics == {"seen": batch}


def test_l2_under_plain_sgd_is_weight_decay():
    tx = optax.chain(optax.add_decayed_weights(0.1), optax.sgd(0.5))
    grads = jax.grad(base, has_aux=True)(PARAMS, jnp.ones((1, 2)), None)[0]
    expected, _ = tx.update(grads, tx.init(PARAMS), PARAMS)
    coupled = jax.grad(l2(base, 0.1), has_aux=True)(PARAMS, jnp.ones((1, 2)), None)[0]
    jax.tree.map(lambda e, g: np.testing.assert_allclose(-0.5 * g, e, rtol=1e-6), expected, coupled)


@pytest.mark.parametrize(("penalty", "size"), [(l1, 300.0), (l2, 150.0)], ids=["l1", "l2"])
def test_low_precision_parameters_are_summed_in_float32(penalty, size):
    # in bfloat16 the sum of 300 ones would end at 256
    loss_fn = penalty(lambda params, batch, key: (jnp.float32(0), {}), 1.0)
    loss, grads = jax.value_and_grad(lambda p: loss_fn(p, None, None)[0])(jnp.ones(300, "bfloat16"))
    assert float(loss) == size
    assert grads.dtype == jnp.bfloat16


def test_strengths_are_traced_and_state_is_handed_through():
    loss_fn = lambda params, model_state, batch, key: (jnp.zeros([]), (model_state + 1, {}))
    total = lambda strength: l1(loss_fn, strength)(PARAMS, jnp.int32(1), None, None)
    losses, (states, _) = jax.vmap(total)(jnp.array([0.0, 0.5]))
    np.testing.assert_allclose(losses, [0.0, 3.0])
    assert states.tolist() == [2, 2]


@pytest.mark.parametrize("penalty", [l1, l2], ids=["l1", "l2"])
def test_bad_strengths_and_patterns_are_refused(penalty):
    name, batch = penalty.__name__, jnp.ones((1, 2))
    assert_refused(
        lambda strength, where=None: penalty(base, strength, where)(PARAMS, batch, None),
        (-0.1, ValueError, f"{name}: strength: expected a number from 0, finite"),
        (lambda step: 0.1, TypeError, f"{name}: strength: expected a number, got a function"),
        ((0.1, lambda name: True), TypeError, f"{name}: expected a pattern such as"),
        ((0.1, "kernel"), ValueError, f"{name}: pattern 'kernel' matches no leaf.*dense/bias"),
    )
