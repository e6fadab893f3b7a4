"""Where a run begins, how long it is, and which rows its steps take."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import paramjax as pj

KEY = jax.random.key(0)
RNG = np.random.default_rng(0)
X = RNG.normal(size=(10, 3)).astype(np.float32)
DATA = {"x": X, "y": (X @ np.float32([1, -2, 3])).astype(np.float32)}
RATES = optax.cosine_decay_schedule(0.1, 40)


def loss_fn(w, batch, key):
    noise = 0.1 * jax.random.normal(key)  # so that every step must have its own key
    return ((batch["x"] @ w - batch["y"] - noise) ** 2).mean(), {}


@functools.cache  # one trainer, so that its programs are compiled once
def trainer(**options):
    return pj.train_step(loss_fn, optax.adam(RATES), [pj.hooks.ema(0.9)], **options)


@pytest.fixture(scope="module")
def whole():
    return pj.fit(trainer(), jnp.zeros(3), DATA, key=KEY, steps=30)


def assert_equal(one, other):
    for (path, a), b in zip(
        jax.tree_util.tree_leaves_with_path(one), jax.tree.leaves(other), strict=True
    ):
        a, b = (jax.random.key_data(x) if x.dtype == KEY.dtype else x for x in (a, b))
        np.testing.assert_array_equal(a, b, jax.tree_util.keystr(path))


@pytest.mark.parametrize("saved", [False, True])
def test_two_stages_equal_the_run_without_a_break(whole, tmp_path, saved):
    """Optimizer, schedule, average and the keys of the steps go on."""

    def stage(name, steps, state=None):
        return pj.fit(
            trainer(), jnp.zeros(3) if state is None else None, DATA, key=KEY, steps=steps,
            state=state, checkpoints=pj.Checkpoints(tmp_path / name) if saved else None,
        )  # fmt: skip

    for cut in ((3, 18), (10, 11, 18)) if saved else ((18,),):
        first = stage("first", 12)
        for steps in cut:
            second = stage(f"second {cut}", steps, first.state)
    assert_equal(second.state, whole.state)
    assert_equal(second.params, whole.params)
    np.testing.assert_array_equal(second.history["loss"], whole.history["loss"][12:])
    assert int(first.state.step) == 12  # and its memory is still there


def test_growing_batches_equal_the_steps_by_hand():
    made = trainer()
    first = pj.fit(made, jnp.zeros(3), DATA, key=KEY, steps=4, batch_size=2)
    later = jax.random.key(1)
    second = pj.fit(made, None, DATA, key=later, steps=5, batch_size=5, state=first.state)
    state_key, data_key = jax.random.split(KEY)
    state = made.init(state_key, jnp.zeros(3))
    step = jax.jit(made.step)

    def take(state, data_key, size, steps):
        orders = (
            jax.random.permutation(jax.random.fold_in(data_key, epoch), 10)
            for epoch in itertools.count()
        )
        rows = (row for order in orders for row in order.reshape(-1, size))
        for chosen in itertools.islice(rows, steps):
            state, _ = step(state, {name: leaf[chosen] for name, leaf in DATA.items()})
        return state

    state = take(state, data_key, 2, 4)
    state_key, data_key = jax.random.split(later)
    state = take(state._replace(key=state_key), data_key, 5, 5)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5),
        second.state._replace(key=0), state._replace(key=0),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("grad_fn", "tx", "hooks"),
    [
        (loss_fn, optax.lookahead(optax.sgd(0.1), 3, 0.5), []),
        (loss_fn, optax.contrib.schedule_free_sgd(0.1), []),
        (pj.grads.dynamic_loss_scale(loss_fn), optax.sgd(0.1), [pj.hooks.skip_nonfinite()]),
    ],
    ids=["pair", "average", "scale"],
)
def test_what_optimizers_and_estimators_keep_goes_on(grad_fn, tx, hooks):
    made = pj.train_step(grad_fn, tx, hooks)
    go = lambda params, steps, state=None: pj.fit(
        made, params, DATA, key=KEY, steps=steps, state=state
    )
    whole, first = go(jnp.zeros(3), 7), go(jnp.zeros(3), 4)
    assert_equal(go(None, 3, first.state).state, whole.state)


def test_a_stage_from_another_state_is_another_run(whole, tmp_path):
    def stage(state, steps):
        saving = pj.Checkpoints(tmp_path)
        return pj.fit(trainer(), None, DATA, key=KEY, steps=steps, state=state, checkpoints=saving)

    stage(whole.state, 3)
    other = whole.state._replace(params=2 * whole.state.params)
    with pytest.raises(ValueError, match=r"state params: .float32\[3\] .* in the checkpoint"):
        stage(other, 5)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"params": jnp.zeros(3)}, ValueError, "params: a run goes on from those of state="),
        ({"model_state": jnp.zeros(3)}, ValueError, "model_state: a run goes on from that of"),
        ({"state": "run.npz"}, TypeError, "state: expected the state of a run, such as run.state"),
        (
            {"trainer": pj.train_step(loss_fn, optax.sgd(0.1), [pj.hooks.ema(0.9)])}, ValueError,
            "state: its opt_state is not that of this trainer: expected nothing for leaf",
        ),
        (
            {"trainer": pj.train_step(loss_fn, optax.adam(RATES))}, ValueError,
            "its hook_state is not .*; pass the optimizer and the hooks",
        ),
    ],
)  # fmt: skip
def test_a_state_that_does_not_fit_is_refused(whole, options, error, message):
    options = {"trainer": trainer(), "params": None, "state": whole.state} | options
    made, params = options.pop("trainer"), options.pop("params")
    with pytest.raises(error, match=message):
        pj.fit(made, params, DATA, key=KEY, steps=3, **options)


def test_a_model_state_may_be_made_of_the_parameters():
    """A teacher that begins as a copy: after a step of 0.5 from 2 to 1 it is 0.9 * 2 + 0.1 * 2."""

    def loss(w, teacher, batch, key):
        return w * batch.mean(), (0.9 * teacher + 0.1 * jax.lax.stop_gradient(w), {})

    made = pj.train_step(loss, optax.sgd(0.5), stateful=True)
    start = lambda model_state: pj.fit(
        made, jnp.float32(2), np.ones(2, "f"), key=KEY, steps=2, model_state=model_state
    )
    run = start(lambda params: params)
    np.testing.assert_allclose(run.model_state, 0.9 * 2 + 0.1 * 1.5)
    assert float(run.model_state) == float(start(jnp.float32(2)).model_state)


def test_epochs_are_steps(whole):
    def rows(last_batch, **options):
        run = pj.fit(
            trainer(), jnp.zeros(3), DATA, key=KEY, batch_size=4, last_batch=last_batch, **options
        )
        return int(run.state.step), run.params

    assert rows("drop", epochs=3)[0] == 6  # two batches of four rows, and two are left out
    assert rows("keep", epochs=3)[0] == 9
    np.testing.assert_array_equal(rows("keep", epochs=3)[1], rows("keep", steps=9)[1])
    run = pj.fit(trainer(), jnp.zeros(3), DATA, key=KEY, epochs=30)
    assert_equal(run.state, whole.state)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "expected either steps or epochs, got neither"),
        ({"steps": 3, "epochs": 1}, "expected either steps or epochs, got both"),
        ({"epochs": 0}, "epochs: expected a whole number from 1"),
        ({"epochs": 2, "data": iter([DATA])}, "epochs: .* not for a stream.*; pass steps"),
        ({"epochs": 2, "data": None}, "epochs: .* for data=None"),
        ({"steps": 2, "data": None, "batch_size": 2}, "batch_size: data=None has no rows"),
    ],
)
def test_a_length_is_said_once(options, message):
    options = {"data": DATA} | options
    with pytest.raises(ValueError, match=message):
        pj.fit(trainer(), jnp.zeros(3), options.pop("data"), key=KEY, **options)


@pytest.mark.parametrize("last_batch", ["drop", "keep", "pad"])
def test_without_shuffling_rows_come_in_their_order(last_batch):
    """The loss is the sum of the numbers of its rows."""

    def numbers(w, batch, key):
        weight = batch.get("weight", jnp.ones(len(batch["row"])))
        return (weight * batch["row"]).sum() + 0 * w, {}

    run = pj.fit(
        pj.train_step(numbers, optax.sgd(0.1)), jnp.float32(0),
        {"row": np.arange(10, dtype=np.float32)}, key=KEY, epochs=2, batch_size=4,
        last_batch=last_batch, shuffle=False,
    )  # fmt: skip
    epoch = [6, 22] if last_batch == "drop" else [6, 22, 17]
    assert run.history["loss"].tolist() == 2 * epoch


def test_the_order_of_the_rows_belongs_to_the_run(tmp_path):
    def train(shuffle, steps):
        return pj.fit(
            trainer(), jnp.zeros(3), DATA, key=KEY, steps=steps, batch_size=2, shuffle=shuffle,
            checkpoints=pj.Checkpoints(tmp_path),
        )  # fmt: skip

    train(False, 2)
    train(False, 3)
    with pytest.raises(ValueError, match="shuffle: false in the checkpoint, nothing now"):
        train(True, 4)


def test_a_loss_may_draw_its_own_batch(tmp_path):
    """The mean of normal numbers with mean 3; by hand with the same keys."""

    def own(w, batch, key):
        assert batch is None
        return (w - 3.0 - jax.random.normal(key)) ** 2, {}

    made = pj.train_step(own, optax.sgd(0.1))
    for steps in (7, 50):
        run = pj.fit(
            made, jnp.float32(0), None, key=KEY, steps=steps, checkpoints=pj.Checkpoints(tmp_path)
        )
    w, state_key = 0.0, jax.random.split(KEY)[0]
    for t in range(50):
        w -= 0.2 * (w - 3.0 - float(jax.random.normal(jax.random.fold_in(state_key, t))))
    np.testing.assert_allclose(run.params, w, rtol=1e-4)


BATCHES = [{"x": X[:5], "y": DATA["y"][:5]}, {"x": X[5:], "y": DATA["y"][5:]}]


def test_a_list_of_batches_is_not_taken_for_one_pytree():
    for batches in (BATCHES, [*BATCHES, {"x": X[:2], "y": DATA["y"][:2]}], [X, X]):
        with pytest.raises(ValueError, match=r"may be [23] batches, or .*itertools.cycle\(batches"):
            pj.fit(trainer(), jnp.zeros(3), batches, key=KEY, steps=3)
    run = pj.fit(trainer(), jnp.zeros(3), itertools.cycle(BATCHES), key=KEY, steps=3)
    assert len(run.history["loss"]) == 3


def test_a_list_of_different_arrays_is_one_pytree(whole):
    made = pj.train_step(
        lambda w, batch, key: loss_fn(w, dict(zip("xy", batch, strict=True)), key),
        optax.adam(RATES), [pj.hooks.ema(0.9)],
    )  # fmt: skip
    run = pj.fit(made, jnp.zeros(3), [DATA["x"], DATA["y"]], key=KEY, steps=30)
    np.testing.assert_array_equal(run.params, whole.params)
