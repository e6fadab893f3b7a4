import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import paramjax as pj
from paramjax.losses import squared_error, supervised

BATCH = {"x": jnp.array([[1.0], [3.0]]), "y": jnp.array([[2.0], [5.0]])}


def centred(params, mean, x):
    return (x - mean) * params, 0.9 * mean + 0.1 * x.mean()


def dropped(params, x, key):
    return params * x * jax.random.bernoulli(key, 0.5, x.shape)


def both(params, mean, x, key):
    outputs, mean = centred(params, mean, x)
    return dropped(1.0, outputs, key), mean


def first(outputs, targets):
    return outputs[:, 0]


def test_state_goes_in_and_out(key):
    loss_fn = supervised(centred, squared_error, {"output": first}, stateful=True)
    loss, (mean, metrics) = loss_fn(2.0, jnp.float32(1.0), BATCH, key)
    assert float(loss) == (2**2 + 1**2) / 2
    assert float(mean) == pytest.approx(0.9 + 0.2)
    assert float(metrics["output"]) == 2.0


def test_the_key_goes_last_and_state_and_key_together_run_in_a_step(key):
    kept = jax.random.bernoulli(key, 0.5, (2, 1))
    expected = jnp.mean(jnp.square(2.0 * BATCH["x"] * kept - BATCH["y"]))
    loss, metrics = supervised(dropped, squared_error, keyed=True)(2.0, BATCH, key)
    assert (float(loss), metrics) == (float(expected), {})
    loss_fn = supervised(both, squared_error, stateful=True, keyed=True)
    trainer = pj.train_step(loss_fn, optax.sgd(0.1), stateful=True)
    state = trainer.init(key, jnp.float32(2.0), model_state=jnp.float32(1.0))
    new, metrics = jax.jit(trainer.step)(state, BATCH)
    kept = jax.random.bernoulli(jax.random.fold_in(key, 0), 0.5, (2, 1))
    outputs = (BATCH["x"] - 1.0) * 2.0 * kept
    np.testing.assert_allclose(metrics["loss"], jnp.mean(jnp.square(outputs - BATCH["y"])))
    np.testing.assert_allclose(new.model_state, 1.1, rtol=1e-6)


@pytest.mark.parametrize("shape", [(4,), (4, 3)])
def test_examples_count_as_much_as_they_weigh(shape):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, *shape)).astype(np.float32)
    weight = np.array([1.0, 0.0, 2.0, 1.0], np.float32)
    distance = lambda outputs, targets: (outputs - targets) ** 2
    loss_fn = supervised(lambda w, x: x * w, distance, {"distance": distance})
    for weights, rows in (({}, [0, 1, 2, 3]), ({"weight": weight}, [0, 2, 2, 3])):
        loss, metrics = loss_fn(jnp.float32(2.0), {"x": x, "y": y, **weights}, None)
        expected = ((2 * x - y) ** 2)[rows].mean()
        np.testing.assert_allclose(loss, expected, rtol=1e-6)
        np.testing.assert_allclose(metrics["distance"], expected, rtol=1e-6)


def test_what_is_refused(key):
    loss_fn = supervised(lambda params, mean, x: x, squared_error, stateful=True)
    with pytest.raises(TypeError, match=r"apply to return \(outputs, model_state\), got ArrayImpl"):
        loss_fn(2.0, 1.0, BATCH, key)
    loss_fn = supervised(lambda w, x: x * w, lambda outputs, targets: outputs)
    with pytest.raises(ValueError, match=r"a weight for each of the 4 examples, got shape \(\)"):
        loss_fn(jnp.float32(1.0), {"x": np.ones(4), "y": np.ones(4), "weight": 2.0}, None)
    batch = {"x": np.ones(4), "y": np.ones(4), "weight": np.ones(3)}
    with pytest.raises(ValueError, match=r"a weight for each of the 4 examples, got shape \(3,\)"):
        loss_fn(jnp.float32(2.0), batch, None)


@pytest.mark.parametrize(
    ("outputs", "targets"), [((4, 1), (4,)), ((4,), (4, 1)), ((2, 1, 3), (2, 2, 1))]
)
def test_what_broadcasts_in_a_loss_or_metric_is_refused_by_name(outputs, targets):
    batch = {"x": np.zeros(outputs), "y": np.zeros(targets)}
    distance = lambda outputs, targets: (outputs - targets) ** 2
    with pytest.raises(ValueError, match=r"loss: outputs \(.*\) and targets \(.*\) broadcast to"):
        supervised(lambda w, x: x, distance)(0.0, batch, None)
    plain = lambda outputs, targets: outputs
    with pytest.raises(ValueError, match="metric 'distance': outputs .* broadcast to"):
        supervised(lambda w, x: x, plain, {"distance": distance})(0.0, batch, None)


def test_values_of_other_shapes_than_outputs_and_targets_pass():
    batch = {"x": np.ones((4, 3)), "y": np.zeros(4, int)}
    powers = lambda outputs, targets: jnp.stack([outputs, outputs**2], axis=-1)
    assert float(supervised(lambda w, x: 2 * x, powers)(0.0, batch, None)[0]) == 3.0


@pytest.mark.parametrize("dtype", [np.float16, np.uint8])
def test_sums_of_a_batch_fit_where_its_numbers_do(dtype):
    loss_fn = supervised(lambda w, x: x, lambda outputs, targets: outputs)
    rows = np.arange(1, 1001) % 251
    batch = {"x": jnp.float16(rows), "y": jnp.zeros(1000), "weight": jnp.asarray(rows, dtype)}
    expected = np.average(rows, weights=rows)
    np.testing.assert_allclose(loss_fn(None, batch, None)[0], expected, rtol=2**-10)


def test_nothing_has_no_mean():
    loss_fn = supervised(lambda w, x: x, squared_error, {"error": squared_error})
    nothing = {"x": jnp.zeros((0, 2)), "y": jnp.zeros((0, 2))}
    weightless = {"x": jnp.ones((3, 2)), "y": jnp.ones((3, 2)), "weight": jnp.zeros(3)}
    for batch in (nothing, weightless):
        loss, metrics = loss_fn(None, batch, None)
        assert np.isnan([loss, metrics["error"]]).all()


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        ((jnp.ones(2), jnp.ones(2)), r'a batch \{"x": inputs, "y": targets\}, got tuple'),
        (jnp.ones(2), "got ArrayImpl"),
        ({"x": jnp.ones(2)}, "the batch has no 'y', only 'x'"),
        ({"image": jnp.ones(2), "label": jnp.ones(2)}, "no 'x' and no 'y', only 'image', 'label'"),
    ],
)
@pytest.mark.parametrize("stateful", [True, False])
def test_a_batch_without_inputs_and_targets_is_refused(batch, message, stateful):
    loss_fn = supervised(lambda w, *rest: rest[-1], squared_error, stateful=stateful)
    with pytest.raises(TypeError, match=message):
        loss_fn(None, *([()] if stateful else []), batch, None)
