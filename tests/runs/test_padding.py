import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import paramjax as pj

KEY = jax.random.key(0)
RNG = np.random.default_rng(0)
DATA = {
    "x": RNG.normal(size=(10, 3)).astype(np.float32),
    "y": RNG.normal(size=10).astype(np.float32),
}
LOSS = pj.losses.supervised(lambda w, x: x @ w, pj.losses.squared_error)


def train(last_batch, loss=LOSS, data=DATA):
    trainer = pj.train_step(loss, optax.adam(0.1))
    return pj.fit(
        trainer, jnp.zeros(3), data, key=KEY, steps=9, batch_size=4, last_batch=last_batch
    )


def test_a_padded_batch_counts_as_the_smaller_one():
    padded, kept = train("pad"), train("keep")
    np.testing.assert_allclose(padded.history["loss"], kept.history["loss"], rtol=1e-5)
    np.testing.assert_allclose(padded.params, kept.params, rtol=1e-5)
    assert abs(padded.history["loss"][-1] - train("drop").history["loss"][-1]) > 1e-3


def test_a_loss_that_never_reads_the_weight_is_refused():
    unweighted = lambda w, batch, key: (((batch["x"] @ w - batch["y"]) ** 2).mean(), {})
    with pytest.raises(ValueError, match=r'the step never reads batch\["weight"\]'):
        train("pad", unweighted)
    train("keep", unweighted)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (np.ones((10, 3), np.float32), "the data must be a dict, got ndarray"),
        ({**DATA, "weight": np.ones(10, np.float32)}, r'adds batch\["weight"\], which the'),
    ],
)
def test_data_that_cannot_be_padded_is_refused(data, message):
    with pytest.raises(ValueError, match=message):
        train("pad", data=data)
