import jax
import jax.numpy as jnp
import numpy as np
import optax
import optax.contrib
import pytest

import paramjax as pj
from paramjax.optim import by_path

PARAMS = {
    "encoder": {"kernel": jnp.array([1.0, -2.0]), "bias": jnp.array([0.5])},
    "head": {"kernel": jnp.array([3.0, 4.0]), "bias": jnp.array([-1.0])},
}
CURVATURE = {
    "encoder": {"kernel": jnp.array([1.0, 4.0]), "bias": jnp.array([2.0])},
    "head": {"kernel": jnp.array([9.0, 2.0]), "bias": jnp.array([5.0])},
}


def loss_fn(params, batch, key):
    """A bowl whose leaves are coupled through the sum of all parameters."""
    squares = jax.tree.map(lambda c, p: jnp.sum(c * p**2), CURVATURE, params)
    total = sum(jnp.sum(leaf) for leaf in jax.tree.leaves(params))
    return sum(jax.tree.leaves(squares)) + total**2, {}


def run(tx, steps=5, params=PARAMS):
    trainer = pj.train_step(loss_fn, tx)
    step = jax.jit(lambda s: jax.lax.scan(lambda s, _: trainer.step(s, None), s, length=steps))
    return step(trainer.init(jax.random.key(0), params))[0]


def assert_same(ours, theirs, rtol=1e-6):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol), ours, theirs)


def test_equals_the_partition_written_by_hand():
    """The first pattern that matches decides: the encoder's bias is not frozen."""
    parts = {"frozen": optax.set_to_zero(), "bias": optax.sgd(0.01), "rest": optax.adam(0.1)}
    labels = {
        "encoder": {"kernel": "frozen", "bias": "bias"},
        "head": {"kernel": "rest", "bias": "bias"},
    }
    ours = by_path({".*bias": parts["bias"], "encoder/.*": parts["frozen"], ".*": parts["rest"]})
    assert_same(run(ours).params, run(optax.partition(parts, labels)).params)


def test_a_group_is_clipped_by_its_own_norm_and_the_chain_around_by_all():
    grads = {"a": jnp.array([3.0, 4.0]), "b": jnp.array([12.0])}  # norms 5 and 12, together 13
    clip = optax.clip_by_global_norm(1.0)
    inner = by_path({"a": clip, "b": optax.identity()})
    outer = optax.chain(clip, by_path({".*": optax.identity()}))
    updates, _ = inner.update(grads, inner.init(grads), grads)
    assert_same(updates, {"a": grads["a"] / 5, "b": grads["b"]})
    updates, _ = outer.update(grads, outer.init(grads), grads)
    assert_same(updates, jax.tree.map(lambda g: g / 13, grads))


def test_a_line_search_over_one_group_holds_the_others():
    search = optax.lbfgs(memory_size=3)
    ours = run(by_path({"head/.*": search, ".*": optax.set_to_zero()}), steps=4).params

    def head_loss(head, batch, key):
        return loss_fn({"encoder": PARAMS["encoder"], "head": head}, batch, key)

    trainer = pj.train_step(head_loss, search)
    state = trainer.init(jax.random.key(0), PARAMS["head"])
    step = jax.jit(lambda s: jax.lax.scan(lambda s, _: trainer.step(s, None), s, length=4))
    assert_same(ours["encoder"], PARAMS["encoder"])
    # the loss is summed in another order, and a search ends where rounding lets it
    assert_same(ours["head"], step(state)[0].params, rtol=1e-4)


def test_a_gradient_asked_for_elsewhere_is_the_groups():
    sam = optax.contrib.sam(optax.sgd(0.01), optax.sgd(0.05), opaque_mode=True)
    tx = by_path({"head/.*": sam, ".*": optax.set_to_zero()})
    whole = lambda params, step=0: jax.grad(lambda p: loss_fn(p, None, None)[0])(params)
    head = lambda head, step=0: whole({"encoder": PARAMS["encoder"], "head": head})["head"]
    updates, _ = tx.update(whole(PARAMS), tx.init(PARAMS), PARAMS, grad_fn=whole)
    start = PARAMS["head"]
    alone, _ = sam.update(head(start), sam.init(start), start, grad_fn=head)
    assert_same(updates["head"], alone)


def test_extra_arguments_reach_the_groups_that_take_them():
    grads = jax.grad(lambda p: loss_fn(p, None, None)[0])(PARAMS)
    polyak = optax.polyak_sgd(1.0)
    tx = by_path({"head/.*": polyak, ".*": optax.sgd(0.1)})
    updates, _ = tx.update(grads, tx.init(PARAMS), PARAMS, value=jnp.float32(2.0))
    alone, _ = polyak.update(
        grads["head"], polyak.init(PARAMS["head"]), PARAMS["head"], value=jnp.float32(2.0)
    )
    assert_same(updates["head"], alone)
    assert_same(updates["encoder"], jax.tree.map(lambda g: -0.1 * g, grads["encoder"]))


def test_learning_rates_are_mapped_over():
    def final(rate):
        return run(by_path({".*bias": optax.set_to_zero(), ".*": optax.sgd(rate)}), 2).params

    both = jax.vmap(final)(jnp.array([0.01, 0.02]))
    assert_same(jax.tree.map(lambda leaf: leaf[1], both), final(0.02))


def test_its_state_can_be_mapped_like_optaxs():
    tx = by_path({".*bias": optax.sgd(0.1), ".*": optax.adam(0.1)})
    doubled = optax.tree.map_params(tx, lambda leaf: leaf + 1, tx.init(PARAMS))
    moments = doubled.inner_states[".*"].inner_state[0].mu
    np.testing.assert_array_equal(moments["head"]["kernel"], jnp.ones(2))


def test_dtypes_stay():
    params = {"a": jnp.ones(2, jnp.bfloat16), "b": jnp.ones(2)}
    tx = by_path({"a": optax.sgd(0.1), "b": optax.adam(0.1)})
    updates, _ = tx.update(params, tx.init(params), params)
    assert (updates["a"].dtype, updates["b"].dtype) == (jnp.bfloat16, jnp.float32)


@pytest.mark.parametrize(
    ("patterns", "message"),
    [
        ([".*kernel"], "by_path: leaf encoder/bias is matched by none"),
        (["decoder/.*", ".*"], r"by_path: pattern 'decoder/\.\*' matches no leaf.*head/kernel"),
        ([".*", ".*bias"], r"by_path: every leaf that pattern '\.\*bias' matches is taken"),
    ],
    ids=["leaf", "pattern", "shadowed"],
)
def test_leaves_and_patterns_left_over_are_named(patterns, message):
    with pytest.raises(ValueError, match=message):
        by_path(dict.fromkeys(patterns, optax.sgd(0.1))).init(PARAMS)


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="by_path: expected pattern -> gradient transformation"):
        by_path({})
    with pytest.raises(TypeError, match=r"pattern '\.\*': expected a gradient transf.*got float"):
        by_path({".*": 0.1})
    with pytest.raises(ValueError, match=r"by_path: pattern '\*' is not a regular expression"):
        by_path({"*": optax.sgd(0.1)})


def by_rank(name, leaf):
    return "matrices" if leaf.ndim >= 2 else "others"


def test_groups_by_shape_are_the_partition_written_by_hand(key):
    """Weight decay on matrices only, as it is usual (Loshchilov and Hutter's code for images)."""
    params = {"kernel": jnp.array([[1.0, -2.0], [3.0, 0.5]]), "bias": jnp.array([1.0, 2.0])}
    parts = {"matrices": optax.adamw(0.1, weight_decay=0.3), "others": optax.adam(0.05)}
    pull = lambda p, batch, key: (sum(jnp.sum((x - 1) ** 4) for x in jax.tree.leaves(p)), {})
    trainers = [
        pj.train_step(pull, tx)
        for tx in (
            by_path(parts, by_rank),
            optax.partition(parts, {"kernel": "matrices", "bias": "others"}),
        )
    ]
    ends = [pj.fit(t, params, jnp.zeros(1), key=key, steps=5).params for t in trainers]
    assert_same(*ends)


def test_a_group_of_no_leaf_passes_and_an_unknown_one_is_refused_with_the_leaf():
    tx = by_path({"matrices": optax.sgd(0.1), "others": optax.sgd(0.2)}, by_rank)
    updates, _ = tx.update(PARAMS, tx.init(PARAMS), PARAMS)
    assert_same(updates, jax.tree.map(lambda p: -0.2 * p, PARAMS))
    wrong = by_path({"matrices": optax.sgd(0.1)}, by_rank)
    with pytest.raises(
        ValueError, match=r"'matrices' for leaf encoder/bias, float32\[1\], got 'oth"
    ):
        wrong.init(PARAMS)
    with pytest.raises(TypeError, match=r"group: expected a function \(name, leaf\), got str"):
        by_path({"a": optax.sgd(0.1)}, "a")
    with pytest.raises(TypeError, match="keys, got a function; .* pass as group="):
        by_path({lambda name, leaf: leaf.ndim >= 2: optax.sgd(0.1), ".*": optax.sgd(0.2)})
    with pytest.raises(TypeError, match="expected names of groups, got int 2"):
        by_path({2: optax.sgd(0.1)}, by_rank)


def test_each_group_reports_its_learning_rate(key):
    decay = optax.linear_schedule(0.4, 0.0, 4)
    tx = by_path({
        ".*bias": pj.optim.chain(optax.identity(), 0.1),
        "encoder/.*": optax.set_to_zero(),
        ".*": optax.inject_hyperparams(optax.adam)(decay),
    })  # fmt: skip
    history = pj.fit(pj.train_step(loss_fn, tx), PARAMS, jnp.zeros(1), key=key, steps=3).history
    np.testing.assert_allclose(history["learning_rate/.*bias"], [0.1] * 3)
    np.testing.assert_allclose(history["learning_rate/.*"], [0.4, 0.3, 0.2], rtol=1e-6)
    assert "learning_rate/encoder/.*" not in history
    one = by_path({".*bias": optax.set_to_zero(), ".*": pj.optim.chain(optax.identity(), 0.1)})
    history = pj.fit(pj.train_step(loss_fn, one), PARAMS, jnp.zeros(1), key=key, steps=1).history
    assert {name for name in history if "rate" in name} == {"learning_rate"}


def test_each_group_has_a_plateau_of_its_own(key):
    """Two validations without improvement halve the biases and quarter the rest."""
    plateau = lambda factor: optax.chain(optax.sgd(0.0), pj.optim.reduce_on_plateau(factor, 2))
    tx = by_path({".*bias": plateau(0.5), ".*": plateau(0.25)})
    worse = pj.Validation(lambda params, batch: {"loss": 1.0}, np.zeros(1), every=1)
    trainer = pj.train_step(loss_fn, tx)
    run = pj.fit(trainer, PARAMS, jnp.zeros(1), key=key, steps=3, validation=worse)
    scales = optax.tree.get_all_with_path(run.state.opt_state, "scale")
    assert {path[1].key: float(scale) for path, scale in scales} == {".*bias": 0.5, ".*": 0.25}
