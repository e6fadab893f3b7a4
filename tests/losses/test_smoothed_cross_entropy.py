import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from paramjax.losses import cross_entropy, smoothed_cross_entropy, supervised

LABELS = jnp.array([0, 3, 1, 2, 2])


@pytest.mark.parametrize("epsilon", [0.0, 0.1, 1.0])
def test_value_and_gradient_are_optaxs(epsilon, key):
    logits = 5 * jax.random.normal(key, (5, 4))

    def theirs(logits):
        soft = optax.smooth_labels(jax.nn.one_hot(LABELS, 4), epsilon)
        return optax.losses.softmax_cross_entropy(logits, soft)

    ours = smoothed_cross_entropy(epsilon)
    np.testing.assert_allclose(ours(logits, LABELS), theirs(logits), rtol=1e-5, atol=1e-6)
    grads = jax.grad(lambda z: ours(z, LABELS).sum())(logits)
    expected = jax.grad(lambda z: theirs(z).sum())(logits)
    np.testing.assert_allclose(grads, expected, rtol=1e-5, atol=1e-6)


def test_its_minimum_is_at_the_smoothed_label():
    # Szegedy et al. (2016): the best probability of the label is 1 - epsilon + epsilon / K
    best = jnp.log(jnp.array([[0.1 / 4, 0.1 / 4, 0.9 + 0.1 / 4, 0.1 / 4]]))
    grads = jax.grad(lambda z: smoothed_cross_entropy(0.1)(z, jnp.array([2])).sum())(best)
    np.testing.assert_allclose(grads, jnp.zeros((1, 4)), atol=1e-7)


def test_it_is_a_loss_for_supervised_with_a_traced_epsilon(key):
    batch = {"x": jax.random.normal(key, (5, 4)), "y": LABELS}

    def total(epsilon):
        return supervised(lambda w, x: w * x, smoothed_cross_entropy(epsilon))(2.0, batch, None)[0]

    sharp, smooth = jax.vmap(total)(jnp.array([0.0, 0.5]))
    assert float(sharp) == pytest.approx(float(cross_entropy(2 * batch["x"], LABELS).mean()))
    assert float(smooth) != float(sharp)


@pytest.mark.parametrize("label", [-1, 4])
def test_labels_out_of_range_are_nan(label):
    assert jnp.isnan(smoothed_cross_entropy(0.1)(jnp.zeros((1, 4)), jnp.array([label]))).all()


def test_labels_are_checked_as_cross_entropy_does():
    with pytest.raises(TypeError, match="expected integer labels"):
        smoothed_cross_entropy(0.1)(jnp.zeros((3, 2)), jnp.zeros(3))
    with pytest.raises(ValueError, match=r"expected logits \[batch, classes\]"):
        smoothed_cross_entropy(0.1)(jnp.zeros((3, 2)), jnp.zeros(4, jnp.int32))


@pytest.mark.parametrize("epsilon", [-0.1, 1.1, float("nan")])
def test_epsilon_is_a_probability(epsilon):
    with pytest.raises(ValueError, match="epsilon: expected a number from 0, to 1"):
        smoothed_cross_entropy(epsilon)
