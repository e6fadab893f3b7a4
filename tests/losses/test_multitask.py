import jax
import jax.numpy as jnp
import numpy as np
import pytest
from refusing import assert_refused

from paramjax.losses import uncertainty_weighted, weighted_sum


def pull(params, batch, key):
    return jnp.sum(jnp.square(params - batch)), {"largest": params.max()}


def small(params, batch, key):
    return jnp.sum(jnp.square(params)), {}


def drawn(params, batch, key):
    return jax.random.normal(key), {}


def counted(factor):
    def loss_fn(params, model_state, batch, key):
        return jnp.sum(params) * factor, (model_state * 10 + factor, {"was": model_state})

    return loss_fn


def test_the_sum_and_its_gradient_are_those_written_by_hand(key):
    loss_fn = weighted_sum({"pull": pull, "small": small}, {"small": 3.0, "pull": 0.5})
    params, batch = jnp.array([1.0, -2.0]), jnp.array([4.0, 0.0])
    (loss, metrics), grads = jax.value_and_grad(loss_fn, has_aux=True)(params, batch, key)
    assert float(loss) == 0.5 * (9 + 4) + 3 * (1 + 4)
    np.testing.assert_allclose(grads, 0.5 * 2 * (params - batch) + 3 * 2 * params)
    reported = {"pull/loss": 13.0, "pull/largest": 1.0, "small/loss": 5.0}
    assert {name: float(value) for name, value in metrics.items()} == reported


def test_weights_are_traced_and_may_be_negative_and_each_task_has_its_own_key(key):
    def total(weight):
        loss_fn = weighted_sum({"pull": pull, "small": small}, {"pull": 1.0, "small": weight})
        return loss_fn(jnp.ones(1), jnp.ones(1), key)[0]

    np.testing.assert_allclose(jax.vmap(total)(jnp.array([-1.0, 2.0])), [-1.0, 2.0])
    _, metrics = weighted_sum({"a": drawn, "b": drawn}, {"a": 1.0, "b": 1.0})(
        jnp.ones(1), None, key
    )
    for index, task in enumerate("ab"):
        expected = jax.random.normal(jax.random.fold_in(key, index))
        assert float(metrics[f"{task}/loss"]) == float(expected)


def test_state_goes_through_the_tasks_in_their_order(key):
    tasks = {"second": counted(2), "first": counted(1)}  # not the order of the alphabet
    loss_fn = weighted_sum(tasks, {"first": 1.0, "second": 1.0})
    loss, (model_state, metrics) = loss_fn(jnp.ones(1), jnp.int32(7), None, key)
    assert (float(loss), int(model_state)) == (3.0, 721)
    assert (int(metrics["second/was"]), int(metrics["first/was"])) == (7, 72)
    params = {"model": jnp.ones(1), "log_variance": dict.fromkeys(tasks, jnp.zeros([]))}
    learned = jax.jit(uncertainty_weighted(tasks))
    loss, (model_state, _) = learned(params, jnp.int32(7), None, key)
    assert (float(loss), int(model_state)) == (1.5, 721)


def test_learned_variances_enter_as_equation_10_says_and_settle_at_the_loss(key):
    sigma = {"depth": 1.5, "class": 0.7}
    loss_fn = uncertainty_weighted({"depth": pull, "class": small}, categorical=["class"])
    params, batch = jnp.array([1.0, -2.0]), jnp.array([4.0, 0.0])
    both = {"model": params, "log_variance": {t: jnp.log(s**2) for t, s in sigma.items()}}
    loss, metrics = loss_fn(both, batch, key)
    expected = 13 / (2 * 1.5**2) + 5 / 0.7**2 + np.log(1.5) + np.log(0.7)
    assert float(loss) == pytest.approx(expected, rel=1e-6)
    assert float(metrics["depth/weight"]) == pytest.approx(1 / (2 * 1.5**2), rel=1e-6)
    assert float(metrics["class/loss"]) == 5.0
    # d/ds of c exp(-s) L + s / 2 is zero at exp(s) = 2 c L
    both["log_variance"] = {"depth": jnp.log(13.0), "class": jnp.log(2 * 5.0)}
    grads = jax.grad(loss_fn, has_aux=True)(both, batch, key)[0]["log_variance"]
    np.testing.assert_allclose([grads["depth"], grads["class"]], 0.0, atol=1e-6)


def test_what_does_not_fit_a_weighted_sum_is_refused(key):
    vector = lambda params, batch, key: (params, {})
    stateful = lambda params, batch, key: (params.sum(), (3, {}))
    assert_refused(
        weighted_sum,
        (({}, {}), ValueError, "losses: expected task -> loss for at least one task"),
        (([pull], [1.0]), ValueError, "losses: expected task -> loss"),
        (({"a": 3.0}, {"a": 1.0}), TypeError, r"losses\['a'\]: expected a function, got float"),
        (({"a": pull}, {"b": 1.0}), ValueError, r"weights: expected one for each of \['a'\], got"),
        (({"a": pull}, [1.0]), ValueError, r"weights: expected one for each of \['a'\], got list"),
        (({"a": pull}, {"a": float("nan")}), ValueError, r"weights\['a'\]: expected a number"),
        (({"a": pull}, {"a": lambda t: 1}), TypeError, r"weights\['a'\]: .*pj.losses.scheduled"),
    )
    assert_refused(
        lambda task: weighted_sum({"a": task}, {"a": 1.0})(jnp.ones(2), None, key),
        (vector, ValueError, r"task 'a': expected a scalar loss, got shape \(2,\)"),
        (stateful, TypeError, "task 'a': expected metrics as a dict, got tuple"),
    )


def test_what_does_not_fit_learned_variances_is_refused(key):
    vector = jnp.ones(2)
    loss_fn = uncertainty_weighted({"a": pull})
    form = r"expected params as {'model'"
    assert_refused(
        loss_fn,
        ((vector, None, key), ValueError, form),
        (({"model": vector}, None, key), ValueError, form),
    )
    assert_refused(
        lambda **log_variance: loss_fn({"model": 1, "log_variance": log_variance}, None, key),
        ({"b": 0.0}, ValueError, r"log_variance: expected one for each of \['a'"),
        ({"a": vector}, ValueError, r"expected a scalar, got shape \(2,\)"),
    )
    assert_refused(
        lambda names: uncertainty_weighted({"class": small}, categorical=names),
        (["clas"], ValueError, "unknown task 'clas'; nearest: class"),
        ("class", TypeError, "expected names, got the string 'class'"),
    )


def test_metrics_of_one_name_are_refused(key):
    plain = lambda name: lambda params, batch, key: (jnp.sum(params**2), {name: 1.0})
    losses = {"a/b": plain("x"), "a": plain("b/loss")}
    with pytest.raises(ValueError, match="weighted_sum: two metrics would be called 'a/b/loss'"):
        weighted_sum(losses, {"a": 1.0, "a/b": 1.0})(jnp.ones(2), None, key)
    loss_fn = uncertainty_weighted({"a": plain("weight")})
    params = {"model": jnp.ones(2), "log_variance": {"a": jnp.zeros([])}}
    with pytest.raises(ValueError, match="two metrics would be called 'a/weight'"):
        loss_fn(params, None, key)
