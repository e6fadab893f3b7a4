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
