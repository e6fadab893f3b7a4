import jax
import jax.numpy as jnp
import numpy as np
import pytest

import paramjax as pj


def test_equals_finite_differences(line, line_loss, key):
    params = {"w": jnp.array([[0.7]]), "b": jnp.array([[-0.3]])}
    grads, loss, metrics = pj.gradient(line_loss)(params, line, key)
    for name in params:
        h = 1e-2  # the loss is quadratic, so central differences are exact up to rounding
        up = line_loss({**params, name: params[name] + h}, line, key)[0]
        down = line_loss({**params, name: params[name] - h}, line, key)[0]
        np.testing.assert_allclose(grads[name][0, 0], (up - down) / (2 * h), rtol=1e-3)
    assert metrics == {}
    assert float(loss) == pytest.approx(float(line_loss(params, line, key)[0]))


def test_a_loss_that_is_no_scalar_is_refused(key):
    grad_fn = pj.gradient(lambda params, batch, key: (params**2, {}))
    with pytest.raises(ValueError, match=r"scalar loss, got shape \(3,\); take its mean"):
        grad_fn(jnp.ones(3), None, key)


@pytest.mark.parametrize(
    ("output", "message"),
    [
        (lambda p: p.sum(), r"return \(loss, metrics\), got"),
        (lambda p: (p, p.sum(), {}), "got 3 values; wrap a gradient estimator in pj.GradFn"),
        (lambda p: (p.sum(), 3.0), "metrics as a dict, got float; return {}"),
    ],
)
def test_losses_that_return_something_else_are_refused(output, message, key):
    with pytest.raises(TypeError, match=message):
        pj.gradient(lambda params, batch, key: output(params))(jnp.ones(3), None, key)


def test_a_loss_is_a_function():
    with pytest.raises(TypeError, match="loss_fn: expected a function, got float"):
        pj.gradient(3.0)


def test_stateful_losses_carry_their_state(key):
    def loss_fn(params, model_state, batch, key):
        return jnp.sum(params * batch), (model_state + 1, {"seen": model_state})

    grads, loss, (model_state, metrics) = pj.gradient(loss_fn, stateful=True)(
        jnp.ones(2), jnp.int32(4), jnp.array([2.0, 3.0]), key
    )
    assert grads.tolist() == [2.0, 3.0]
    assert (float(loss), int(model_state), int(metrics["seen"])) == (5.0, 5, 4)
    assert jax.tree.structure(grads) == jax.tree.structure(jnp.ones(2))


@pytest.mark.parametrize("loss", [jnp.bool_(True), jnp.int32(3)])
def test_a_loss_that_counts_is_refused(loss):
    with pytest.raises(TypeError, match="expected a floating-point loss, got (bool|int32)"):
        pj.gradient(lambda params, batch, key: (loss, {}))(jnp.ones(2), None, None)
