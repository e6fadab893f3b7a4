import jax
import jax.numpy as jnp
import pytest
from sklearn.metrics import accuracy_score

from paramjax.metrics import accuracy, binary_accuracy


def test_accuracies_are_sklearns_and_nan_is_wrong(key):
    logits, labels = jax.random.normal(key, (50, 3)), jnp.arange(50) % 3
    expected = accuracy_score(labels, logits.argmax(1))
    assert float(accuracy(logits, labels).mean()) == pytest.approx(expected)
    expected = accuracy_score(labels == 1, logits[:, 1] > 0)
    assert float(binary_accuracy(logits[:, 1], labels == 1).mean()) == pytest.approx(expected)
    nan = jnp.full((2, 3), jnp.nan)
    assert not accuracy(nan, jnp.array([0, 1])).any()
    assert not binary_accuracy(nan[:, 0], jnp.array([0, 1])).any()
    assert binary_accuracy(jnp.array([-1.0, 1, 1]), jnp.array([-1, 2, 0.9])).tolist() == [0, 0, 1]


@pytest.mark.parametrize(
    ("logits", "labels", "sentence"),
    [
        ((24, 4), (24, 1), r"\(24, 4\) and \(24, 1\); drop an axis of one by labels.squeeze\(-1\)"),
        ((24, 4), (1,), r"\(24, 4\) and \(1,\)"),
        ((24, 4), (), r"\(24, 4\) and \(\)"),
        ((24, 4), (24, 4), r"of one-hot labels, take labels.argmax\(-1\)"),
        ((4,), (4,), r"give a single example an axis by logits\[None\]"),
        ((24, 1), (24,), "told apart by one logit are for binary_accuracy"),
        ((2, 8, 5), (2,), r"\(2, 8, 5\) and \(2,\)"),
    ],
)
def test_labels_that_would_broadcast_are_refused_with_the_shapes(logits, labels, sentence):
    with pytest.raises(ValueError, match=f"accuracy: .*{sentence}"):
        accuracy(jnp.zeros(logits), jnp.zeros(labels, int))


@pytest.mark.parametrize(
    ("logits", "labels"), [((5,), (1,)), ((5, 2), (5,)), ((5, 2), (5, 2)), ((), ()), ((5,), (5, 5))]
)
def test_binary_accuracy_takes_one_logit_and_one_label_each(logits, labels):
    with pytest.raises(ValueError, match="one logit and one label per example, got"):
        binary_accuracy(jnp.zeros(logits), jnp.zeros(labels))


def test_accuracy_at_each_position_is_that_of_all_rows(key):
    logits, labels = jax.random.normal(key, (2, 4, 5)), jnp.arange(8).reshape(2, 4) % 5
    expected = accuracy_score(labels.reshape(8), logits.reshape(8, 5).argmax(1))
    assert float(accuracy(logits, labels).mean()) == pytest.approx(expected)
    assert binary_accuracy(jnp.zeros((5, 1)), jnp.zeros(5)).shape == (5,)


def test_lists_are_taken_as_arrays_and_no_rows_have_no_accuracy():
    assert accuracy([[0.0, 1.0], [0.0, 1.0]], [1, 0]).tolist() == [1.0, 0.0]
    assert binary_accuracy([0.5, -1.0], [True, True]).tolist() == [1.0, 0.0]
    assert accuracy(jnp.zeros((0, 3)), jnp.zeros(0, int)).shape == (0,)
