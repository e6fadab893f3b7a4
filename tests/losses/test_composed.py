"""Wrappers of losses in each other, against the same thing in one function."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import paramjax as pj
from paramjax import losses

PARAMS = {
    "base": {"kernel": jnp.linspace(-1, 1, 12).reshape(3, 4)},
    "head": {"kernel": jnp.linspace(1, -1, 8).reshape(4, 2), "bias": jnp.array([0.1, -0.1])},
}
BATCH = {"x": jnp.linspace(-2, 2, 15).reshape(5, 3), "y": jnp.array([0, 1, 1, 0, 1])}
STRENGTH, WEIGHTS = 1e-2, {"class": 1.0, "size": 0.1}


def apply(params, x):
    h = jnp.tanh(x @ params["base"]["kernel"])
    bias = jnp.broadcast_to(params["head"]["bias"], (x.shape[0], 2))
    return (h @ params["head"]["kernel"] + bias).astype(jnp.float32)


def noisy(key, batch):
    return {**batch, "x": batch["x"] + 0.1 * jax.random.normal(key, batch["x"].shape)}


def size(outputs, targets):
    return jnp.square(outputs).sum(axis=1)


def composed(stateful, compute):
    """Each wrapper once, augmentation and regulariser outside of the low precision."""

    def model(params, *rest):
        return apply(params, rest[-1]) if not stateful else (apply(params, rest[-1]), rest[0] + 1)

    smooth = losses.smoothed_cross_entropy(0.1)
    tasks = {
        "class": losses.supervised(model, smooth, stateful=stateful),
        "size": losses.supervised(model, size, stateful=stateful),
    }
    low = losses.remat(losses.mixed_precision(losses.weighted_sum(tasks, WEIGHTS), compute))
    loss_fn = losses.frozen(losses.augmented(low, noisy), "base/.*")
    return losses.l2(loss_fn, STRENGTH, ".*kernel")


def penalised(params, batch, key, compute):
    held = {"base": jax.lax.stop_gradient(params["base"]), "head": params["head"]}
    x = noisy(jax.random.split(key)[0], batch)["x"]
    logits = apply(jax.tree.map(lambda p: p.astype(compute), held), x.astype(compute))
    soft = optax.smooth_labels(jax.nn.one_hot(batch["y"], 2), 0.1)
    value = optax.losses.softmax_cross_entropy(logits, soft).mean()
    value += 0.1 * jnp.square(logits).sum(axis=1).mean()
    kernels = [params["base"]["kernel"], params["head"]["kernel"]]
    return value + STRENGTH / 2 * sum(jnp.sum(k**2) for k in kernels)


@pytest.mark.parametrize("stateful", [False, True], ids=["plain", "stateful"])
@pytest.mark.parametrize(
    ("compute", "rtol"),
    # a gradient in bfloat16 may be summed in another order in the two programs
    [pytest.param(jnp.float32, 1e-5, marks=pytest.mark.slow), (jnp.bfloat16, 2**-8)],
    ids=["float32", "bfloat16"],
)
def test_all_of_them_train_as_the_function_written_by_hand(stateful, compute, rtol, key):
    trainer = pj.train_step(composed(stateful, compute), optax.sgd(0.5), stateful=stateful)
    state = trainer.init(key, PARAMS, model_state=jnp.int32(0) if stateful else ())

    @jax.jit
    def ours(state):
        return jax.lax.scan(lambda s, _: trainer.step(s, BATCH), state, length=3)

    @jax.jit
    def theirs(params):
        def body(params, step):
            value = jax.value_and_grad(penalised)
            loss, grads = value(params, BATCH, jax.random.fold_in(key, step), compute)
            return jax.tree.map(lambda p, g: p - 0.5 * g, params, grads), loss

        return jax.lax.scan(body, params, jnp.arange(3))

    state, history = ours(state)
    params, expected = theirs(PARAMS)
    np.testing.assert_allclose(history["loss"][0], expected[0], rtol=1e-6)
    np.testing.assert_allclose(history["loss"], expected, rtol=rtol)
    for mine, other in zip(jax.tree.leaves(state.params), jax.tree.leaves(params), strict=True):
        assert mine.dtype == jnp.float32
        np.testing.assert_allclose(mine, other, rtol=rtol, atol=rtol * 0.1)
    assert {"class/loss", "size/loss"} <= set(history)
    if stateful:
        assert int(state.model_state) == 6  # two tasks a step


def test_they_map_over_hyperparameters(key):
    def loss(strength, weight):
        tasks = losses.weighted_sum({"a": losses.supervised(apply, size)}, {"a": weight})
        return losses.remat(losses.l1(tasks, strength))(PARAMS, BATCH, key)[0]

    ours = jax.jit(jax.vmap(loss))(jnp.array([0.0, 1.0]), jnp.array([1.0, 2.0]))
    plain = size(apply(PARAMS, BATCH["x"]), None).mean()
    total = sum(jnp.sum(jnp.abs(leaf)) for leaf in jax.tree.leaves(PARAMS))
    np.testing.assert_allclose(ours, [plain, 2 * plain + total], rtol=1e-5)
