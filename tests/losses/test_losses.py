import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from sklearn import metrics

import paramjax as pj
from paramjax import losses


def test_squared_error_is_sklearns(key):
    a, b = jax.random.normal(key, (2, 9, 3))
    ours = losses.squared_error(a, b).mean()
    assert float(ours) == pytest.approx(metrics.mean_squared_error(a, b), rel=1e-6)


def test_squared_error_refuses_to_broadcast():
    with pytest.raises(
        ValueError, match=r"predictions and targets of one shape, got \(4,\) and \(4, 1\)"
    ):
        losses.squared_error(jnp.ones(4), jnp.ones((4, 1)))


def test_cross_entropy_is_sklearns_and_optax(key):
    logits = 5 * jax.random.normal(key, (9, 4))
    labels = jnp.arange(9) % 4
    ours = losses.cross_entropy(logits, labels)
    theirs = optax.losses.softmax_cross_entropy_with_integer_labels(logits, labels)
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)
    probabilities = np.asarray(jax.nn.softmax(logits), np.float64)
    probabilities /= probabilities.sum(1, keepdims=True)
    assert float(ours.mean()) == pytest.approx(metrics.log_loss(labels, probabilities), rel=1e-5)


@pytest.mark.parametrize("loss", [losses.cross_entropy, losses.smoothed_cross_entropy(0.1)])
def test_a_class_at_each_place_is_a_class_at_each_row(loss, key):
    """The characters of two texts are eight rows."""
    logits = jax.random.normal(key, (2, 4, 5))
    labels = jnp.arange(8).reshape(2, 4) % 5
    flat = loss(logits.reshape(8, 5), labels.reshape(8))
    np.testing.assert_array_equal(loss(logits, labels), flat.reshape(2, 4))


def test_cross_entropy_gradient_is_probability_minus_label(key):
    logits = jax.random.normal(key, (3, 4))
    labels = jnp.array([0, 3, 1])
    grads = jax.grad(lambda z: losses.cross_entropy(z, labels).sum())(logits)
    expected = jax.nn.softmax(logits) - jax.nn.one_hot(labels, 4)
    np.testing.assert_allclose(grads, expected, atol=1e-6)


@pytest.mark.parametrize("label", [-1, 4])
def test_labels_out_of_range_are_nan_and_never_another_class(label):
    assert jnp.isnan(losses.cross_entropy(jnp.zeros((1, 4)), jnp.array([label]))).all()


def test_binary_cross_entropy_is_sklearns_and_stays_finite(key):
    logits = 5 * jax.random.normal(key, (9, 1))
    labels = (jnp.arange(9) % 2).astype(jnp.int32)
    ours = losses.binary_cross_entropy(logits, labels).mean()
    theirs = metrics.log_loss(labels, jax.nn.sigmoid(logits[:, 0]))
    assert float(ours) == pytest.approx(theirs, rel=1e-5)
    extreme = losses.binary_cross_entropy(jnp.array([200.0, -200.0]), jnp.array([0, 0]))
    assert extreme.tolist() == [200.0, 0.0]


def test_targets_beyond_0_and_1_have_no_minimum():
    assert jnp.isnan(losses.binary_cross_entropy(jnp.zeros(2), jnp.array([5.0, -0.1]))).all()


@pytest.mark.parametrize(
    ("loss", "outputs", "targets"),
    [
        (losses.cross_entropy, jnp.zeros((3, 2)), jnp.zeros((3, 2), jnp.int32)),
        (losses.cross_entropy, jnp.zeros(3), jnp.zeros(3, jnp.int32)),
        (losses.binary_cross_entropy, jnp.zeros((3, 2)), jnp.zeros(3)),
        (losses.binary_cross_entropy, jnp.zeros(3), jnp.zeros(4)),
    ],
)
def test_shapes_that_do_not_fit_are_refused(loss, outputs, targets):
    with pytest.raises(ValueError, match="expected"):
        loss(outputs, targets)


def test_float_labels_are_refused():
    with pytest.raises(TypeError, match="expected integer labels"):
        losses.cross_entropy(jnp.zeros((3, 2)), jnp.zeros(3))


def test_accuracies_are_sklearns_and_nan_is_wrong(key):
    logits = jax.random.normal(key, (50, 3))
    labels = jnp.arange(50) % 3
    expected = metrics.accuracy_score(labels, logits.argmax(1))
    assert float(pj.metrics.accuracy(logits, labels).mean()) == pytest.approx(expected)
    expected = metrics.accuracy_score(labels == 1, logits[:, 1] > 0)
    ours = pj.metrics.binary_accuracy(logits[:, 1], labels == 1).mean()
    assert float(ours) == pytest.approx(expected)
    nan = jnp.full((2, 3), jnp.nan)
    assert not pj.metrics.accuracy(nan, jnp.array([0, 1])).any()
    assert not pj.metrics.binary_accuracy(nan[:, 0], jnp.array([0, 1])).any()


def test_supervised_averages_loss_and_metrics(line, line_loss, line_params):
    loss, reported = line_loss(line_params, line, None)
    assert float(loss) == pytest.approx(float(np.mean(line["y"] ** 2)), rel=1e-6)
    assert reported == {}
