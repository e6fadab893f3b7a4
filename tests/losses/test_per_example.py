import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from refusing import assert_refused
from sklearn import metrics

from paramjax.losses import (
    binary_cross_entropy,
    cross_entropy,
    smoothed_cross_entropy,
    squared_error,
    supervised,
)

SMOOTH = smoothed_cross_entropy(0.1)
LABELS = jnp.arange(9) % 4


@pytest.fixture
def logits(key):
    return 5 * jax.random.normal(key, (9, 4))


def test_losses_are_sklearns(key, logits):
    a, b = jax.random.normal(key, (2, 9, 3))
    expected = metrics.mean_squared_error(a, b)
    assert float(squared_error(a, b).mean()) == pytest.approx(expected, rel=1e-6)
    probabilities = np.asarray(jax.nn.softmax(logits), np.float64)
    expected = metrics.log_loss(LABELS, probabilities / probabilities.sum(1, keepdims=True))
    assert float(cross_entropy(logits, LABELS).mean()) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("epsilon", [None, 0.0, 0.1, 1.0])
def test_value_and_gradient_are_optaxs(epsilon, logits):
    soft = optax.smooth_labels(jax.nn.one_hot(LABELS, 4), epsilon or 0.0)
    smooth = cross_entropy if epsilon is None else smoothed_cross_entropy(epsilon)
    if epsilon is None:  # probabilities as labels
        expected = smooth(logits, LABELS)
        np.testing.assert_allclose(cross_entropy(logits, soft), expected, rtol=1e-5, atol=1e-6)
    ours = jax.jit(jax.jacrev(lambda z: smooth(z, LABELS)))(logits)
    theirs = jax.jit(jax.jacrev(lambda z: optax.losses.softmax_cross_entropy(z, soft)))(logits)
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)
    expected = optax.losses.softmax_cross_entropy(logits, soft)
    np.testing.assert_allclose(smooth(logits, LABELS), expected, rtol=1e-5, atol=1e-6)


def test_the_minimum_is_at_the_smoothed_label():
    # Szegedy et al. (2016): the best probability of the label is 1 - epsilon + epsilon / K
    best = jnp.log(jnp.array([[0.1 / 4, 0.1 / 4, 0.9 + 0.1 / 4, 0.1 / 4]]))
    grads = jax.grad(lambda z: SMOOTH(z, jnp.array([2])).sum())(best)
    np.testing.assert_allclose(grads, jnp.zeros((1, 4)), atol=1e-7)


def test_a_traced_epsilon_in_a_supervised_loss(logits):
    batch = {"x": logits, "y": LABELS}

    def total(epsilon):
        return supervised(lambda w, x: w * x, smoothed_cross_entropy(epsilon))(2.0, batch, None)[0]

    sharp, smooth = jax.vmap(total)(jnp.array([0.0, 0.5]))
    assert float(sharp) == pytest.approx(float(cross_entropy(2 * logits, LABELS).mean()))
    assert float(smooth) != float(sharp)


def test_binary_cross_entropy_is_sklearns_and_stays_finite(key):
    logits, labels = 5 * jax.random.normal(key, (9, 1)), jnp.arange(9) % 2
    expected = metrics.log_loss(labels, jax.nn.sigmoid(logits[:, 0]))
    assert float(binary_cross_entropy(logits, labels).mean()) == pytest.approx(expected, rel=1e-5)
    extreme = binary_cross_entropy(jnp.array([200.0, -200.0]), jnp.array([0, 0]))
    assert extreme.tolist() == [200.0, 0.0]


@pytest.mark.parametrize("loss", [cross_entropy, SMOOTH], ids=["sharp", "smooth"])
def test_labels_at_each_position_are_rows(loss, key):
    """The characters of two texts are eight rows."""
    logits, labels = jax.random.normal(key, (2, 4, 5)), jnp.arange(8).reshape(2, 4) % 5
    flat = loss(logits.reshape(8, 5), labels.reshape(8))
    np.testing.assert_array_equal(loss(logits, labels), flat.reshape(2, 4))


def test_labels_out_of_range_are_nan_and_never_another_class():
    for loss in (cross_entropy, SMOOTH):
        assert jnp.isnan(loss(jnp.zeros((2, 4)), jnp.array([-1, 4]))).all()
        shares = jnp.array([[1.1, 0.0], [1.1, -0.1]])
        assert jnp.isnan(loss(jnp.zeros((2, 2)), shares)).all()
    assert jnp.isnan(binary_cross_entropy(jnp.zeros(2), jnp.array([5.0, -0.1]))).all()


def test_what_does_not_match_is_refused():
    assert_refused(
        lambda loss, outputs, targets: loss(jnp.zeros(outputs), targets),
        ((squared_error, (4,), jnp.ones((4, 1))), ValueError, r"shape, got \(4,\) and \(4, 1\)"),
        ((cross_entropy, (3, 2), jnp.zeros((3, 2), int)), ValueError, r"logits \[batch, classes\]"),
        ((cross_entropy, (3,), jnp.zeros(3, int)), ValueError, r"logits \[batch, classes\]"),
        ((cross_entropy, (3, 2), jnp.zeros(3)), TypeError, "expected integer labels, got float32"),
        ((SMOOTH, (3, 2), jnp.zeros(4, int)), ValueError, r"expected logits \[batch, classes\]"),
        ((SMOOTH, (3, 2), jnp.zeros(3)), TypeError, "expected integer labels, got float32"),
        ((binary_cross_entropy, (3, 2), jnp.zeros(3)), ValueError, "one logit and one label per"),
        ((binary_cross_entropy, (3,), jnp.zeros(4)), ValueError, "one logit and one label per"),
        ((binary_cross_entropy, (3,), jnp.zeros(1)), ValueError, "one logit and one label per"),
        ((binary_cross_entropy, (), jnp.zeros(())), ValueError, "one logit and one label per"),
        ((cross_entropy, (3, 2), jnp.zeros((3, 1), int)), ValueError, r"labels.squeeze\(-1\)"),
        ((cross_entropy, (3, 1), jnp.zeros(3, int)), ValueError, "are for binary_cross_entropy"),
        ((squared_error, (), jnp.zeros(())), ValueError, "got one number"),
    )
    for epsilon in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match="epsilon: expected a number from 0, to 1"):
            smoothed_cross_entropy(epsilon)


def test_integers_neither_wrap_nor_lose_what_lies_between():
    a, b = jnp.array([1, 250], jnp.uint8), jnp.array([2, 0], jnp.uint8)
    assert squared_error(a, b).tolist() == [1.0, 62_500.0]
    z, y = jnp.array([0, 2]), jnp.array([0.5, 0.25])
    expected = binary_cross_entropy(z.astype(jnp.float32), y)
    np.testing.assert_array_equal(binary_cross_entropy(z, y), expected)


def test_the_squared_error_of_complex_numbers_is_their_squared_distance():
    a, b = jnp.array([1 + 2j, 3j]), jnp.array([0j, 3 + 0j])
    np.testing.assert_allclose(squared_error(a, b), np.abs(np.asarray(a - b)) ** 2, rtol=1e-6)


@pytest.mark.parametrize("dtype", [jnp.uint8, jnp.int8, jnp.int16, jnp.uint32])
def test_labels_of_few_bits_count_more_classes_than_they_have(dtype, key):
    logits, labels = jax.random.normal(key, (2, 300)), jnp.array([100, 7], dtype)
    expected = optax.losses.softmax_cross_entropy_with_integer_labels(logits, labels.astype(int))
    np.testing.assert_allclose(cross_entropy(logits, labels), expected, rtol=1e-6)


def test_lists_are_taken_as_arrays():
    logits, labels = [[0.0, 1.0], [2.0, 0.0]], [1, 1]
    for loss in (cross_entropy, smoothed_cross_entropy(0.1)):
        assert loss(logits, labels).tolist() == loss(jnp.array(logits), jnp.array(labels)).tolist()
    assert squared_error([1, 2], [0, 4]).tolist() == [1.0, 4.0]
    np.testing.assert_allclose(binary_cross_entropy([0, 0], [0, 1]), np.log(2), rtol=1e-6)


def test_a_batch_of_no_rows_has_no_losses():
    assert squared_error(jnp.zeros((0, 2)), jnp.zeros((0, 2))).shape == (0,)
    assert cross_entropy(jnp.zeros((0, 3)), jnp.zeros(0, int)).shape == (0,)
    assert binary_cross_entropy(jnp.zeros(0), jnp.zeros(0)).shape == (0,)
