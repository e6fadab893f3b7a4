import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import paramjax as pj
from paramjax.step.hooks import monitor_groups

PARAMS = {
    "params": {
        "first": {"kernel": jnp.array([[3.0, 0.0], [0.0, 4.0]]), "bias": jnp.zeros(2)},
        "second": {"kernel": jnp.full(3, 2.0)},
        "still": jnp.zeros(2),
    }
}
NAMES = ["params/first/bias", "params/first/kernel", "params/second/kernel", "params/still"]


def weighted(params, batch, key):
    """A loss whose gradient is 1, 2, 3, 4 in the entries of the leaves, in their order."""
    return sum((i + 1) * leaf.sum() for i, leaf in enumerate(jax.tree.leaves(params))), {}


def metrics_of(key, hook, params=PARAMS, tx=None, loss_fn=weighted):
    trainer = pj.train_step(loss_fn, tx or optax.sgd(0.1), [hook])
    return jax.jit(trainer.step)(trainer.init(key, params), jnp.zeros(()))[1]


def test_norms_are_those_of_numpy(key):
    metrics = metrics_of(key, monitor_groups())
    grads = {"first": [1] * 2 + [2] * 4, "second": [3] * 3, "still": [4] * 2}
    sizes = {"first": 5.0, "second": np.sqrt(12), "still": 0.0}
    for group, entries in grads.items():
        norm = np.linalg.norm(entries)
        np.testing.assert_allclose(metrics[f"grad_norm/{group}"], norm, rtol=1e-6)
        np.testing.assert_allclose(metrics[f"update_norm/{group}"], 0.1 * norm, rtol=1e-6)
        ratio = 0.1 * norm / sizes[group] if sizes[group] else 0.0
        np.testing.assert_allclose(metrics[f"update_ratio/{group}"], ratio, rtol=1e-6)
    assert len([name for name in metrics if "/" in name]) == 9


@pytest.mark.parametrize(
    ("group", "groups"),
    [
        (lambda name: name, NAMES),
        (lambda name: "all", ["all"]),
        (lambda name: name.rpartition("/")[2], ["bias", "kernel", "still"]),
    ],
    ids=["each leaf", "all at once", "by kind"],
)
def test_groups_are_a_function_of_the_leaf_name(key, group, groups):
    metrics = metrics_of(key, monitor_groups(group))
    found = {name: value for name, value in metrics.items() if name.startswith("grad_norm/")}
    assert sorted(found) == [f"grad_norm/{name}" for name in groups]
    total = np.linalg.norm(list(found.values()))
    np.testing.assert_allclose(total, metrics["grad_norm"], rtol=1e-6)


def test_clipping_shows_in_the_updates_alone_and_lookahead_its_fast_weights(key):
    tx = optax.chain(optax.clip_by_global_norm(1.0), optax.sgd(1.0))
    metrics = metrics_of(key, monitor_groups(lambda name: "all"), tx=tx)
    assert float(metrics["grad_norm/all"]) > 5
    np.testing.assert_allclose(metrics["update_norm/all"], 1.0, rtol=1e-6)
    plain = metrics_of(key, monitor_groups())
    ahead = metrics_of(key, monitor_groups(), tx=optax.lookahead(optax.sgd(0.1), 5, 0.5))
    for name, value in plain.items():
        np.testing.assert_allclose(ahead[name], value, rtol=1e-6)


def test_half_precision_is_added_up_in_single(key):
    params = {"w": jnp.full(1000, 0.1, jnp.bfloat16)}
    metrics = metrics_of(key, monitor_groups(), params)
    assert metrics["grad_norm/w"].dtype == jnp.float32
    np.testing.assert_allclose(metrics["grad_norm/w"], np.sqrt(1000), rtol=1e-6)


def test_gradients_of_each_example_are_averaged(key):
    each = pj.GradFn(
        lambda params, batch, key: (jnp.array([[1.0, 0.0], [3.0, 0.0]]), jnp.sum(params), {}),
        per_example=True,
    )
    tx = optax.stateless(lambda updates, params: updates.mean(0))
    metrics = metrics_of(key, monitor_groups(lambda name: "w"), jnp.zeros(2), tx, each)
    assert float(metrics["grad_norm/w"]) == 2.0


def test_groups_are_strings(key):
    with pytest.raises(TypeError, match="monitor_groups: group: expected a function, got int 3"):
        monitor_groups(3)
    with pytest.raises(TypeError, match=r"expected a string for leaf params/first/bias, got None"):
        metrics_of(key, monitor_groups(lambda name: None))
