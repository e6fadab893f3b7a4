import jax.numpy as jnp
import numpy as np
import pytest
from refusing import assert_refused

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


def test_stateful_losses_return_their_state(key):
    def loss_fn(params, model_state, batch, key):
        return jnp.sum(params * batch), (model_state + 1, {"seen": model_state})

    arguments = jnp.ones(2), jnp.int32(4), jnp.array([2.0, 3.0]), key
    grads, loss, (model_state, metrics) = pj.gradient(loss_fn, stateful=True)(*arguments)
    assert grads.tolist() == [2.0, 3.0]
    assert (float(loss), int(model_state), int(metrics["seen"])) == (5.0, 5, 4)


def test_what_is_refused(key):
    assert_refused(
        lambda output: pj.gradient(lambda params, batch, key: output(params))(
            jnp.ones(3), None, key
        ),
        (lambda p: (p**2, {}), ValueError, r"scalar loss, got shape \(3,\); take its mean"),
        (lambda p: p.sum(), TypeError, r"return \(loss, metrics\), got"),
        (lambda p: (p.sum(), p, {}), TypeError, "3 values; wrap a gradient estimator in pj.GradFn"),
        (lambda p: (p.sum(), 3.0), TypeError, "metrics as a dict, got float; return {}"),
        (lambda p: (jnp.bool_(True), {}), TypeError, "a floating-point loss, got bool"),
        (lambda p: (jnp.int32(3), {}), TypeError, "a floating-point loss, got int32"),
    )
    with pytest.raises(TypeError, match="loss_fn: expected a function, got float"):
        pj.gradient(3.0)
    plain = lambda params, model_state, batch, key: (0.0, {})
    with pytest.raises(TypeError, match=r"to return \(loss, \(model_state, metrics\)\), got dict"):
        pj.gradient(plain, stateful=True)(jnp.ones(3), (), None, key)
