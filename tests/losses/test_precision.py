import jax
import jax.numpy as jnp
import numpy as np
import pytest

from paramjax.losses import mixed_precision

PARAMS = {"w": jnp.array([1.001, -2.003]), "b": jnp.array([0.5], jnp.bfloat16)}
BATCH = {"x": jnp.array([[1.0, 2.001], [3.0, 4.0]]), "y": jnp.array([0, 1])}


def squares(params, batch, key):
    del key
    outputs = batch["x"] @ params["w"] + jnp.broadcast_to(params["b"], (2,))
    loss = jnp.mean(jnp.square(outputs - batch["y"].astype(outputs.dtype)))
    return loss, {"largest": outputs.max(), "label": batch["y"].max()}


@pytest.mark.parametrize("compute", [jnp.bfloat16, jnp.float16], ids=["bfloat16", "float16"])
def test_equals_the_casts_written_by_hand(compute):
    def by_hand(params):
        low = jax.tree.map(lambda p: p.astype(compute), params)
        batch = {"x": BATCH["x"].astype(compute), "y": BATCH["y"]}
        return squares(low, batch, None)[0].astype(jnp.float32)

    loss_fn = mixed_precision(squares, compute)
    (loss, metrics), grads = jax.value_and_grad(loss_fn, has_aux=True)(PARAMS, BATCH, None)
    expected, expected_grads = jax.value_and_grad(by_hand)(PARAMS)
    assert loss.dtype == metrics["largest"].dtype == jnp.float32
    assert metrics["label"].dtype == BATCH["y"].dtype
    assert float(loss) == float(expected)
    for name, param in PARAMS.items():
        assert grads[name].dtype == param.dtype
        np.testing.assert_array_equal(grads[name], expected_grads[name])


def test_only_floating_point_leaves_are_cast(key):
    seen = {}

    def loss_fn(params, batch, key):
        seen.update(jax.tree.map(lambda leaf: str(leaf.dtype), {"p": params, "b": batch, "k": key}))
        return jnp.sum(params), {}

    batch = {"x": np.ones(2, np.float32), "y": jnp.ones(2, jnp.int8), "mask": jnp.ones(2, bool)}
    for cast, x in ((True, "bfloat16"), (False, "float32")):
        mixed_precision(loss_fn, cast_batch=cast)(jnp.ones(2), {**batch, "key": key}, key)
        own = {"x": x, "y": "int8", "mask": "bool", "key": "key<fry>"}
        assert seen == {"p": "bfloat16", "b": own, "k": "key<fry>"}


def test_widened_outputs_give_a_loss_in_full_precision():
    def wide(params, batch, key):
        return jnp.mean((batch["x"] @ params).astype(jnp.float32)) + 1e-4, {}

    # bfloat16 has 8 bits, so 1 + 1e-4 is lost in it
    loss, _ = mixed_precision(wide)(jnp.array([1.0, 0.0]), {"x": jnp.eye(2)[:1]}, None)
    assert float(loss) == pytest.approx(1.0001, rel=1e-6)


def test_model_state_keeps_its_dtypes():
    def loss_fn(params, model_state, batch, key):
        assert model_state["mean"].dtype == jnp.float32
        mean = 0.99 * model_state["mean"].astype(batch.dtype) + 0.01 * batch.mean()
        state = {"mean": mean, "count": model_state["count"] + 1}
        return jnp.sum(params * batch), (state, {"mean": mean})

    body = lambda state, batch: mixed_precision(loss_fn)(jnp.ones(2), state, batch, None)[1]
    start = {"mean": jnp.zeros([]), "count": jnp.int32(0)}
    state, metrics = jax.lax.scan(body, start, jnp.ones((3, 2)))
    assert (state["mean"].dtype, state["count"].dtype) == (jnp.float32, jnp.int32)
    assert metrics["mean"].dtype == jnp.float32
    assert int(state["count"]) == 3


def test_other_dtypes_and_another_tree_of_state_are_refused():
    for compute in (jnp.int8, bool, "half-ish", None):
        with pytest.raises(TypeError, match="compute: expected a floating-point dtype such as"):
            mixed_precision(squares, compute)
    loss_fn = lambda params, model_state, batch, key: (jnp.sum(params), ({"other": 0.0}, {}))
    with pytest.raises(
        ValueError, match="mixed_precision: expected the loss to return a model_state of the same t"
    ):
        mixed_precision(loss_fn)(jnp.ones(2), {"mean": jnp.zeros([])}, None, None)
