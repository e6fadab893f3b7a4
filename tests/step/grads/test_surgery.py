import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from refusing import assert_refused
from scipy.optimize import minimize

import paramjax as pj
from paramjax.step.grads import average_tasks, conflict_averse, project_conflicting, surgery


def losses_of(gradients):
    """Linear losses with these gradients, over parameters in two leaves."""

    def loss_of(gradient):
        def loss_fn(params, batch, key):
            flat = jnp.concatenate([params["a"].ravel(), params["b"]])
            return flat @ gradient, {"doubled": 2 * (flat @ gradient)}

        return loss_fn

    return {f"task{i}": loss_of(jnp.asarray(g, jnp.float32)) for i, g in enumerate(gradients)}


PARAMS = {"a": jnp.ones((1, 2)), "b": jnp.ones(2)}


def flat_gradient(gradients, combine=project_conflicting):
    """The combined gradient as a compiled function of the key."""

    def of_key(key):
        grads, _, _ = surgery(losses_of(gradients), combine)(PARAMS, None, key)
        return jnp.concatenate([grads["a"].ravel(), grads["b"]])

    return jax.jit(of_key)


def combined(gradients, combine, key):
    return np.asarray(flat_gradient(gradients, combine)(key))


def pcgrad_by_hand(gradients, orders):
    """Yu et al. (2020, Algorithm 1) in numpy, over the vectors themselves; the mean."""
    total = np.zeros_like(gradients[0])
    for i, order in enumerate(orders):
        own = gradients[i].copy()
        for j in order:
            inner = own @ gradients[j]
            if j != i and inner < 0:
                own = own - inner / (gradients[j] @ gradients[j]) * gradients[j]
        total += own
    return total / len(gradients)


def test_conflicting_tasks_are_projected_on_each_others_normal_planes(key):
    gradients = np.array([[1.0, 0.0, 2.0, 0.0], [-2.0, 1.0, 0.0, 1.0]])
    expected = pcgrad_by_hand(gradients, [[1], [0]])
    np.testing.assert_allclose(combined(gradients, project_conflicting, key), expected, rtol=1e-5)
    gradients = np.random.default_rng(1).normal(size=(3, 4)) * [[1.0], [2.0], [0.5]]
    gradients -= 0.5 * gradients.mean(0)
    permutations = list(itertools.permutations(range(3)))
    results = [pcgrad_by_hand(gradients, o) for o in itertools.product(permutations, repeat=3)]
    found = set()
    for ours in jax.vmap(flat_gradient(gradients))(jax.random.split(key, 20)):
        near = [k for k, r in enumerate(results) if np.allclose(r, ours, rtol=1e-3, atol=1e-4)]
        assert near
        found.add(near[0])
    assert len(found) > 1  # the order is random


def test_without_conflict_it_is_the_gradient_of_the_mean_and_a_zero_gradient_harms_none(key):
    gradients = np.array([[1.0, 0.0, 2.0, 0.0], [0.0, 3.0, 0.5, 0.0], [0.0, 0.0, 0.0, 1.0]])
    for combine in (project_conflicting, average_tasks, conflict_averse(0.0)):
        ours = combined(gradients, combine, key)
        np.testing.assert_allclose(ours, gradients.mean(0), rtol=1e-6)
    gradients = np.eye(2, 4) * [[1.0], [0.0]]
    for combine in (project_conflicting, conflict_averse(0.5)):
        assert np.isfinite(combined(gradients, combine, key)).all()
    assert not combined(0 * gradients, conflict_averse(0.5), key).any()


@pytest.mark.parametrize(("tasks", "strength"), [(2, 0.9), (3, 0.5), (6, 0.2), (6, 0.9)])
def test_conflict_averse_equals_its_problem_solved_by_scipy(tasks, strength, key):
    """Liu et al. (2021, eq. 4), where the paper's own code calls the same SLSQP."""
    rng = np.random.default_rng(tasks)
    gradients = rng.normal(size=(tasks, 4)) * np.exp(rng.normal(size=(tasks, 1)))
    mean = gradients.mean(0)
    radius = strength * np.linalg.norm(mean)
    found = minimize(
        lambda w: (w @ gradients) @ mean + radius * np.linalg.norm(w @ gradients),
        np.full(tasks, 1 / tasks),
        bounds=[(0, 1)] * tasks,
        constraints={"type": "eq", "fun": lambda w: 1 - w.sum()},
        tol=1e-12,
    )
    pulled = found.x @ gradients
    expected = mean + radius * pulled / np.linalg.norm(pulled)
    ours = combined(gradients, conflict_averse(strength), key)
    assert np.linalg.norm(ours - expected) < 2e-3 * np.linalg.norm(expected)
    # and what it is for: the worst task gains more than from the mean, within the ball
    assert (gradients @ ours).min() >= (gradients @ mean).min() - 1e-4
    np.testing.assert_allclose(np.linalg.norm(ours - mean), radius, rtol=1e-3)


def test_what_is_reported(key):
    gradients = np.array([[1.0, 0, 0, 0], [-1.0, 0, 0, 0], [0, 1.0, 0, 0]])
    _, loss, metrics = surgery(losses_of(gradients))(PARAMS, None, key)
    assert float(loss) == pytest.approx(1 / 3)
    assert next(iter(metrics)) == "task0/loss"
    expected = {"conflicts": 1 / 3}
    for task, value in enumerate([1.0, -1.0, 1.0]):
        expected |= {f"task{task}/loss": value, f"task{task}/doubled": 2 * value}
    assert {name: float(value) for name, value in metrics.items()} == pytest.approx(expected)


def test_tasks_share_the_batch_and_the_key_and_are_differentiated_once(key):
    calls = []

    def noisy(params, batch, key):
        jax.debug.callback(lambda: calls.append(1))
        return params * batch.sum() * jax.random.normal(key), {}

    grad_fn = surgery({"one": noisy, "two": noisy})
    grads, loss, _ = jax.block_until_ready(grad_fn(jnp.float32(2.0), jnp.ones(3), key))
    jax.effects_barrier()
    assert len(calls) == 2
    np.testing.assert_allclose(grads, 3 * float(jax.random.normal(key)), rtol=1e-6)
    # a line search gets the reported loss
    np.testing.assert_allclose(grad_fn.loss_fn(jnp.float32(2.0), jnp.ones(3), key)[0], loss)


def test_what_is_no_set_of_tasks_is_refused(key):
    one = losses_of(np.ones((1, 4)))
    task, two = one["task0"], losses_of(np.ones((2, 4)))
    assert_refused(
        lambda tasks, *combine, **b: surgery(tasks, *combine)({**PARAMS, **b}, None, key),
        ((one,), ValueError, "losses: expected a mapping of two or more tasks, got 1"),
        ([task] * 2, ValueError, "expected a mapping of two or more tasks, got list"),
        (({**one, "second": pj.gradient(task)},), TypeError, "surgery: second: expected a loss"),
        ((two, "pcgrad"), TypeError, "combine: expected a function, got str"),
        ((two, lambda a, k: a.sum()), ValueError, r"expected weights of shape \(2,\), got \(\)"),
        ({"tasks": two, "b": jnp.ones(2, complex)}, TypeError, "complex64"),
    )
    with pytest.raises(ValueError, match="strength: expected a number from 0, to 1, got 1.5"):
        conflict_averse(1.5)
